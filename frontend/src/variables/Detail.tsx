// One variable: its text, a table, or the tree of its parts.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { usePage } from "../components/context";
import { CopyButton } from "../components/CopyButton";
import { size } from "../session/words";
import { measure, treeOf, variableOf, type TreeNode } from "./variables";

export function Detail({ name, back }: { name: string; back(): void }): VNode {
  const page = usePage();
  const [answer, setAnswer] = useState<Record<string, unknown> | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let wanted = true;
    void page.session.askKernel("variable", { name }).then((told) => {
      if (!wanted) return;
      if (!told) setProblem("The kernel did not answer. Go back and try again.");
      else if (told.error) setProblem(String(told.message ?? "It cannot be shown."));
      else setAnswer(told);
    });
    return () => {
      wanted = false;
    };
  }, [name]);
  const variable = answer && variableOf(answer);
  const tree = treeOf(answer?.tree);
  const table = answer?.table && typeof answer.table === "object" ? answer.table : null;
  return (
    <div class="variable-detail">
      <p>
        <button class="button small" onClick={back}>
          All variables
        </button>
      </p>
      <h3>{name}</h3>
      {problem && <p class="notice" role="alert">{problem}</p>}
      {!answer && !problem && <p class="muted">Asking the kernel…</p>}
      {variable && (
        <p class="muted">
          {variable.type} {measure(variable)}
          {variable.bytes !== null && ` · ${variable.estimated ? "about " : ""}${size(variable.bytes)}`}
        </p>
      )}
      {table && <SimpleTable table={table as Table} />}
      {tree.length > 0 && <Tree nodes={tree} />}
      {typeof answer?.text === "string" && (
        <>
          <CopyButton text={() => String(answer.text)} label={`Copy the value of ${name}`} />
          <pre class="variable-text" tabIndex={0} aria-label={`Value of ${name}`}>
            {answer.text}
          </pre>
        </>
      )}
    </div>
  );
}

function Tree({ nodes }: { nodes: TreeNode[] }): VNode {
  return (
    <ul class="variable-tree">
      {nodes.map((node, index) => (
        <li key={index}>
          {node.children.length ? (
            <details>
              <summary>
                <Line node={node} />
              </summary>
              <Tree nodes={node.children} />
            </details>
          ) : (
            <Line node={node} />
          )}
        </li>
      ))}
    </ul>
  );
}

function Line({ node }: { node: TreeNode }): VNode {
  return (
    <span>
      <span class="variable-name">{node.label}</span> <span class="variable-type">{node.type}</span> <span class="variable-value">{node.value}</span>
    </span>
  );
}

interface Table {
  columns?: { name?: unknown }[];
  rows?: unknown[][];
  total?: number;
}

/** The first rows, plainly: the table with paging is what the cell itself shows. */
function SimpleTable({ table }: { table: Table }): VNode | null {
  if (!Array.isArray(table.columns) || !Array.isArray(table.rows)) return null;
  const rows = table.rows.filter(Array.isArray).slice(0, 100);
  return (
    <div class="variable-table" tabIndex={0} role="region" aria-label="First rows">
      <table>
        <thead>
          <tr>
            {table.columns.map((column, index) => (
              <th key={index} scope="col">
                {String(column?.name ?? "")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((value, place) => (
                <td key={place}>{value === null ? <em>NULL</em> : String(value)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
