// A table of data: sorted, filtered, searched and leafed through, by the rows that are here or by the kernel.

import type { VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { commaSeparated, saveText, tabSeparated } from "../outputs/saving";
import { readFilter, shown, written, type Column, type Question, type Table } from "../outputs/table";
import { allRows, askRows, MOST_IN_A_FILE, type Told } from "../outputs/tableRows";
import { CopyButton } from "./CopyButton";
import { usePage } from "./context";
import { Icon } from "./Icon";
import { OutputTools, ToolButton } from "./OutputTools";

const PAGE_SIZES = [10, 25, 50, 100];
const SETTLED = 250;

export function DataTable({ table }: { table: Table }): VNode {
  const page = usePage();
  const [size, setSize] = useState(10);
  const [offset, setOffset] = useState(0);
  const [sort, setSort] = useState<Question["sort"]>([]);
  const [typed, setTyped] = useState<Record<number, string>>({});
  const [search, setSearch] = useState("");
  const [filtering, setFiltering] = useState(false);
  const [told, setTold] = useState<Told>(() => ({ page: { rows: table.rows.slice(0, size), total: table.total, filtered: table.total }, trouble: "" }));
  const [waiting, setWaiting] = useState(false);
  const asked = useRef(0);

  const filters = Object.entries(typed).flatMap(([column, text]) => readFilter(Number(column), text) ?? []);
  const question: Question = { offset, limit: size, sort, filters, search };
  const key = JSON.stringify(question);

  useEffect(() => {
    const number = ++asked.current;
    const ask = async () => {
      setWaiting(!table.whole);
      const answer = await askRows(page.session, table, question);
      // Only the last question counts, whichever answer comes first.
      if (number !== asked.current) return;
      setWaiting(false);
      setTold(answer);
      if (filters.length || search) page.tell(`${counted(answer.page.filtered, "row")} found`);
    };
    // What is typed is asked for when it pauses.
    const timer = window.setTimeout(() => void ask(), table.whole ? 0 : SETTLED);
    return () => clearTimeout(timer);
  }, [key, table]);

  const change = (act: () => void) => {
    act();
    setOffset(0);
  };
  const sortBy = (column: number) =>
    change(() => {
      const now = sort[0]?.column === column ? sort[0] : null;
      setSort(!now ? [{ column, descending: false }] : now.descending ? [] : [{ column, descending: true }]);
    });
  const { rows, total, filtered } = told.page;
  const head = table.columns.map((column) => column.name);
  const name = `Table of ${counted(total, "row")} and ${counted(table.columns.filter((column) => !column.index).length + table.hiddenColumns, "column")}`;
  const download = async () => {
    const all = await allRows(page.session, table, { ...question, offset: 0 });
    saveText(commaSeparated([head, ...all]), "table.csv", "text/csv");
    if (all.length < filtered) page.say(`The file has the first ${all.length.toLocaleString("en")} of ${filtered.toLocaleString("en")} rows. ${all.length >= MOST_IN_A_FILE ? "Write the whole by code, such as df.to_csv()." : "Run the cell again to have all."}`);
  };

  return (
    <div class="output data-table">
      <div class="data-scroll" tabIndex={0} role="group" aria-label={name} aria-busy={waiting}>
        <table>
          <caption class="vh">{name}</caption>
          <thead>
            <tr>
              {table.columns.map((column, place) => (
                <HeadCell key={place} column={column} sorted={sort[0]?.column === place ? sort[0] : null} sort={() => sortBy(place)} />
              ))}
            </tr>
            {filtering && (
              <tr class="filters">
                {table.columns.map((column, place) => (
                  <td key={place}>
                    <input type="text" aria-label={`Filter ${column.name || "index"}`} placeholder="Filter" value={typed[place] ?? ""} spellcheck={false} autocomplete="off" onInput={({ currentTarget }) => change(() => setTyped({ ...typed, [place]: currentTarget.value }))} />
                  </td>
                ))}
              </tr>
            )}
          </thead>
          <tbody>
            {rows.map((row, at) => (
              <tr key={at}>
                {table.columns.map((column, place) => (
                  <BodyCell key={place} column={column} value={row[place]} />
                ))}
              </tr>
            ))}
            {rows.length === 0 && (
              <tr>
                <td class="left muted" colSpan={Math.max(1, table.columns.length)}>
                  {filters.length || search ? "No row is like this." : "This table has no rows."}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
      {filtering && (
        <div class="data-filters">
          <label>
            <span class="vh">Search in all columns</span>
            <input type="search" placeholder="Search in all columns" value={search} onInput={({ currentTarget }) => change(() => setSearch(currentTarget.value))} />
          </label>
          <span class="muted">Above a column: a text that it contains, or =5, &gt;5, &lt;5; = alone finds what is missing.</span>
        </div>
      )}
      {told.trouble && <p class="cut">{told.trouble}</p>}
      <div class="data-foot">
        <button class="button quiet small" aria-expanded={filtering} onClick={() => (setFiltering(!filtering), filtering && change(() => (setTyped({}), setSearch(""))))}>
          <Icon name="search" size={14} /> {filtering ? "Clear filters" : "Filter"}
        </button>
        <span class="muted grow">{foot(offset, rows.length, filtered, total, table.hiddenColumns)}</span>
        {filtered > PAGE_SIZES[0]! && <Pager offset={offset} size={size} filtered={filtered} go={setOffset} resize={(wanted) => change(() => setSize(wanted))} />}
      </div>
      <OutputTools>
        <CopyButton text={() => tabSeparated([head, ...rows])} label="Copy these rows" />
        <ToolButton icon="download" label="Download as CSV" run={() => void download()} />
      </OutputTools>
    </div>
  );
}

function HeadCell({ column, sorted, sort }: { column: Column; sorted: Question["sort"][number] | null; sort(): void }): VNode {
  const order = sorted ? (sorted.descending ? "descending" : "ascending") : "none";
  return (
    <th scope="col" class={side(column)} aria-sort={order}>
      <button class="sort" onClick={sort} title={`${column.name || "Index"}: ${column.type}. Sort by it`}>
        <span>{column.name || <span class="vh">Index</span>}</span>
        <span class="order" aria-hidden="true">
          {sorted ? (sorted.descending ? "▼" : "▲") : "↕"}
        </span>
      </button>
    </th>
  );
}

function BodyCell({ column, value }: { column: Column; value: unknown }): VNode {
  const text = shown(value, column.type);
  const whole = written(value);
  const about = { class: `${side(column)}${value === null ? " missing" : ""}`, ...(whole.length > 40 || (whole !== text && value !== null) ? { title: whole } : {}) };
  return column.index ? (
    <th scope="row" {...about}>
      {text}
    </th>
  ) : (
    <td {...about}>{text}</td>
  );
}

interface PagerProps {
  offset: number;
  size: number;
  filtered: number;
  go(offset: number): void;
  resize(size: number): void;
}

function Pager({ offset, size, filtered, go, resize }: PagerProps): VNode {
  const id = useId();
  const last = Math.max(0, Math.floor((filtered - 1) / size) * size);
  const step = (label: string, sign: string, to: number, off: boolean) => (
    <button class="button quiet icon" aria-label={label} title={label} aria-disabled={off} onClick={() => !off && go(to)}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
  return (
    <span class="pager">
      {step("First rows", "«", 0, offset === 0)}
      {step("Previous rows", "‹", Math.max(0, offset - size), offset === 0)}
      {step("Next rows", "›", offset + size, offset >= last)}
      {step("Last rows", "»", last, offset >= last)}
      <label class="vh" for={id}>
        Rows at a time
      </label>
      <select id={id} value={size} onChange={({ currentTarget }) => resize(Number(currentTarget.value))}>
        {PAGE_SIZES.map((choice) => (
          <option key={choice} value={choice}>
            {choice}
          </option>
        ))}
      </select>
    </span>
  );
}

function side(column: Column): string {
  return column.type === "integer" || column.type === "number" ? "right" : "left";
}

function foot(offset: number, count: number, filtered: number, total: number, hidden: number): string {
  const of = filtered === total ? "" : `, of ${total.toLocaleString("en")} in all`;
  const columns = hidden ? `; ${counted(hidden, "more column")} not shown` : "";
  if (count === filtered && offset === 0) return `${counted(filtered, "row")}${of}${columns}`;
  return `Rows ${(offset + 1).toLocaleString("en")} to ${(offset + count).toLocaleString("en")} of ${filtered.toLocaleString("en")}${of}${columns}`;
}

function counted(count: number, thing: string): string {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
}
