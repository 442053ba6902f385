// The variables of the kernel: what there is, how large, and what is in one. Answered also while a cell runs.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { usePage } from "../components/context";
import { CopyButton } from "../components/CopyButton";
import { Icon } from "../components/Icon";
import type { Page } from "../notebook/page";
import { size } from "../session/words";
import { Detail } from "./Detail";
import { arrange, heaviest, measure, variablesOf, type Sort, type Variable } from "./variables";

const EVERY = 3000;
const SORTS: [Sort["by"], string][] = [
  ["name", "Name"],
  ["type", "Type"],
  ["size", "Memory"],
];

export function VariablesPanel(): VNode {
  const page = usePage();
  const { all, total, problem, refresh } = useVariables(page);
  const [filter, setFilter] = useState("");
  const [code, setCode] = useState(false);
  const [sort, setSort] = useState<Sort>({ by: "name", descending: false });
  const [open, setOpen] = useState<string | null>(null);
  const shown = all && arrange(all, filter, code, sort);
  const heavy = heaviest(all ?? []);

  return (
    <aside class="files variables" aria-label="Variables">
      <div class="files-bar">
        <h2 class="grow">Variables</h2>
        <button class="button quiet icon" aria-label="Refresh variables" title="Refresh" onClick={refresh}>
          <Icon name="restart" size={16} />
        </button>
        <button class="button quiet icon" aria-label="Close variables" onClick={() => (page.panel.value = null)}>
          <Icon name="close" size={16} />
        </button>
      </div>
      {problem && <p class="notice pad" role="alert">{problem}</p>}
      {open !== null ? (
        <Detail name={open} back={() => setOpen(null)} />
      ) : (
        <>
          {all && all.length > 0 && (
            <div class="variables-bar">
              <input type="search" aria-label="Filter variables" placeholder="Filter by name or type" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
              <div class="variables-sorts" role="group" aria-label="Sort">
                {SORTS.map(([by, label]) => (
                  <button key={by} class="button quiet small" aria-pressed={sort.by === by} onClick={() => setSort({ by, descending: sort.by === by ? !sort.descending : by === "size" })}>
                    {label}
                    {sort.by === by ? (sort.descending ? " ↓" : " ↑") : ""}
                  </button>
                ))}
                <label class="variables-code">
                  <input type="checkbox" checked={code} onChange={(event) => setCode(event.currentTarget.checked)} /> Functions and modules
                </label>
              </div>
            </div>
          )}
          {all && all.length === 0 && !problem && <p class="muted pad">No variables yet. Run a cell that makes some.</p>}
          {shown && all!.length > 0 && shown.length === 0 && <p class="muted pad">{code ? "No variable matches." : "No variable matches; functions and modules are not shown."}</p>}
          {shown && (
            <ul class="variable-list">
              {shown.map((variable) => (
                <Row key={variable.name} variable={variable} heavy={heavy.has(variable.name)} open={() => setOpen(variable.name)} />
              ))}
            </ul>
          )}
          {total > (all?.length ?? 0) && <p class="muted pad small-print">The first {all!.length} of {total} variables.</p>}
        </>
      )}
    </aside>
  );
}

function Row({ variable, heavy, open }: { variable: Variable; heavy: boolean; open(): void }): VNode {
  const page = usePage();
  const memory = variable.bytes === null ? "" : `${variable.estimated ? "about " : ""}${size(variable.bytes)}`;
  return (
    <li class={heavy ? "heavy" : ""}>
      <button class="variable" onClick={open} title="Details">
        <span class="variable-name">{variable.name}</span>
        <span class="variable-type">
          {variable.type} {measure(variable)}
        </span>
        <span class="variable-value">{variable.value}</span>
        <span class="variable-memory">
          {heavy && <><Icon name="warning" size={14} /><span class="vh">among the largest,</span></>} {memory}
        </span>
      </button>
      <CopyButton text={() => variable.name} label={`Copy the name ${variable.name}`} />
      <button class="button quiet icon" aria-label={`Insert ${variable.name} into the cell`} title="Insert into the cell" onClick={() => insertInto(page, variable.name)}>
        <Icon name="insert" size={16} />
      </button>
    </li>
  );
}

/** At the end of the active cell's code, and the cursor is there. */
export function insertInto(page: Page, name: string): void {
  if (page.readOnly.value) return page.refuseEdit();
  const cell = page.current;
  if (cell.type.peek() !== "code") return page.say("Choose a code cell first: the name is inserted there.");
  const source = cell.source.peek();
  page.notebook.setSource(cell, source && !/\s$/.test(source) ? `${source} ${name}` : source + name);
  page.edit(cell);
}

/** Asked when a run ends, when it is wanted, and now and then while a cell runs. */
function useVariables(page: Page): { all: Variable[] | null; total: number; problem: string; refresh(): void } {
  const [all, setAll] = useState<Variable[] | null>(null);
  const [total, setTotal] = useState(0);
  const [problem, setProblem] = useState("");
  const asking = useRef(false);
  const leased = page.session.view.value.state === "leased";
  const open = page.session.view.value.line === "open";
  const busy = page.busy.value;
  const finished = page.session.view.value.kernel?.state;

  const refresh = async () => {
    if (asking.current || !leased) return;
    asking.current = true;
    const answer = await page.session.askKernel("variables");
    asking.current = false;
    if (!answer) return setProblem(page.session.live ? "The kernel did not answer. Try again in a moment." : "");
    if (answer.error) return setProblem(answer.error === "unsupported" ? `${page.settings.language} does not tell its variables.` : String(answer.message ?? ""));
    setProblem("");
    setAll(variablesOf(answer));
    setTotal(typeof answer.total === "number" ? answer.total : 0);
  };
  useEffect(() => {
    if (!leased) setAll(null);
    void refresh();
    if (!busy) return;
    const timer = setInterval(() => document.visibilityState === "visible" && void refresh(), EVERY);
    return () => clearInterval(timer);
  }, [leased, open, busy, finished]);
  if (!leased) return { all: null, total: 0, problem: "Variables live in the session. There is none; run a cell to start one.", refresh: () => {} };
  return { all, total, problem, refresh: () => void refresh() };
}
