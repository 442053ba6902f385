// What runs and what waits: the running cell is a click away, each that waits can be taken out.

import type { VNode } from "preact";
import { usePage } from "./context";
import { Icon } from "./Icon";
import { StateSign } from "./StateSign";

export function QueueChip(): VNode | null {
  const page = usePage();
  const pending = page.pending.value;
  if (!pending.length) return null;
  const running = page.results.running.value;
  const forPlace = page.session.view.value.state === "waiting";
  const waiting = pending.filter((cell) => cell !== running);
  const number = (cell: string) => page.notebook.indexOf(cell) + 1;
  return (
    <div class="queue">
      {running && (
        <button class="button chip busy" title="Go to the running cell" onClick={() => page.running.show()}>
          <StateSign sign="busy" />
          {number(running) ? `Cell ${number(running)}` : "Deleted cell"}
          <span class="vh"> is running: go to it</span>
        </button>
      )}
      {waiting.length > 0 && (
        <details class="menu">
          <summary class="button chip">{waiting.length} {forPlace ? "waiting" : "queued"}</summary>
          <div class="sheet">
            <ol>
              {pending.map((cell) => (
                <li key={cell}>
                  <button class="button quiet grow" onClick={() => page.running.show(cell)}>
                    <strong>{number(cell) ? `Cell ${number(cell)}` : "Deleted cell"}</strong>
                    <code>{firstLine(page.notebook.find(cell)?.source.value)}</code>
                    <span class="muted">{cell === running ? "running" : forPlace ? "waiting for a place" : "waiting"}</span>
                  </button>
                  <button class="button quiet icon" aria-label={cell === running ? `Stop cell ${number(cell)} in the queue` : `Take cell ${number(cell)} out`} title={cell === running ? "Stop" : "Take out"} onClick={() => page.running.cancel(cell)}>
                    <Icon name={cell === running ? "stop" : "cross"} size={16} />
                  </button>
                </li>
              ))}
            </ol>
            <button class="button" onClick={() => page.running.cancelWaiting()}>
              Take all {waiting.length} out
            </button>
          </div>
        </details>
      )}
    </div>
  );
}

function firstLine(source = ""): string {
  return source.trim().split("\n", 1)[0]!.slice(0, 60);
}
