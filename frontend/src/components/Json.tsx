// JSON as a tree that opens where one looks.

import type { VNode } from "preact";

const MOST = 200;

export function Json({ value }: { value: unknown }): VNode {
  return (
    <div class="output json-output">
      <Node value={value} open />
    </div>
  );
}

function Node({ name, value, open = false }: { name?: string; value: unknown; open?: boolean }): VNode {
  const label = name === undefined ? null : <span class="json-name">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div>
        {label}
        <span class={`json-${value === null ? "null" : typeof value}`}>{JSON.stringify(value)}</span>
      </div>
    );
  }
  const entries = Object.entries(value);
  const words = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  if (!entries.length) return <div>{label}{Array.isArray(value) ? "[]" : "{}"}</div>;
  return (
    <details open={open}>
      <summary>
        {label}
        <span class="muted">{words}</span>
      </summary>
      <div class="json-inner">
        {entries.slice(0, MOST).map(([key, inner]) => (
          <Node key={key} name={key} value={inner} />
        ))}
        {entries.length > MOST && <p class="cut">{entries.length - MOST} more are not shown.</p>}
      </div>
    </details>
  );
}
