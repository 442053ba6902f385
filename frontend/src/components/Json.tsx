// JSON as a tree that opens where one looks: what is closed is not drawn.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { saveText } from "../outputs/saving";
import { CopyButton } from "./CopyButton";
import { OutputTools, ToolButton } from "./OutputTools";

const AT_A_TIME = 100;
const LONGEST = 2000;

export function Json({ value }: { value: unknown }): VNode {
  const text = () => JSON.stringify(value, null, 2);
  return (
    <div class="output json-output">
      <Node value={value} open />
      <OutputTools>
        <CopyButton text={text} label="Copy JSON" />
        <ToolButton icon="download" label="Download JSON" run={() => saveText(text(), "output.json", "application/json")} />
      </OutputTools>
    </div>
  );
}

function Node({ name, value, open = false }: { name?: string; value: unknown; open?: boolean }): VNode {
  const [opened, setOpened] = useState(open);
  const [count, setCount] = useState(AT_A_TIME);
  const label = name === undefined ? null : <span class="json-name">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div>
        {label}
        <span class={`json-${value === null ? "null" : typeof value}`}>{shortened(JSON.stringify(value))}</span>
      </div>
    );
  }
  const keys = Object.keys(value);
  if (!keys.length) return <div>{label}{Array.isArray(value) ? "[]" : "{}"}</div>;
  return (
    <details open={opened} onToggle={({ currentTarget }) => setOpened(currentTarget.open)}>
      <summary>
        {label}
        <span class="muted">{Array.isArray(value) ? `[${keys.length.toLocaleString("en")}]` : `{${keys.length.toLocaleString("en")}}`}</span>
      </summary>
      {opened && (
        <div class="json-inner">
          {keys.slice(0, count).map((key) => (
            <Node key={key} name={key} value={(value as Record<string, unknown>)[key]} />
          ))}
          {keys.length > count && (
            <button class="button quiet more" onClick={() => setCount(count + AT_A_TIME)}>
              Show more: {(keys.length - count).toLocaleString("en")} are hidden
            </button>
          )}
        </div>
      )}
    </details>
  );
}

function shortened(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${(text.length - LONGEST).toLocaleString("en")} more characters)` : text;
}
