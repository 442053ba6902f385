// What an Output widget took instead of its cell, in the notebook's own form: that is what such a widget shows.

import type { LogEntry } from "../protocol";

export type NotebookOutput = Record<string, unknown> & { output_type: string };

const MOST_TEXT = 1_000_000;
const MOST_OUTPUTS = 500;

export class CapturedOutputs {
  private clearOnNext = false;
  private displays = new Map<string, NotebookOutput[]>();

  constructor(public outputs: NotebookOutput[] = []) {}

  apply({ header: { msg_type }, content }: LogEntry): void {
    if (msg_type === "clear_output") {
      this.clearOnNext = content.wait === true;
      if (!this.clearOnNext) this.clear();
      return;
    }
    if (this.clearOnNext) this.clear();
    if (msg_type === "stream") this.addText(content.name === "stderr" ? "stderr" : "stdout", String(content.text ?? ""));
    else if (this.outputs.length < MOST_OUTPUTS) this.add(msg_type, content);
  }

  /** True if something that is shown here has this display_id. */
  update(id: string, content: Record<string, unknown>): boolean {
    const shown = this.displays.get(id) ?? [];
    for (const output of shown) Object.assign(output, { data: content.data ?? {}, metadata: content.metadata ?? {} });
    return shown.length > 0;
  }

  private add(type: string, content: Record<string, unknown>): void {
    if (type === "error") {
      this.outputs.push({ output_type: "error", ename: content.ename, evalue: content.evalue, traceback: content.traceback });
      return;
    }
    const output = { output_type: "display_data", data: content.data ?? {}, metadata: content.metadata ?? {} };
    this.outputs.push(output);
    const id = (content.transient as { display_id?: unknown } | undefined)?.display_id;
    if (typeof id === "string") this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
  }

  private addText(name: string, text: string): void {
    const last = this.outputs.at(-1);
    if (last?.output_type === "stream" && last.name === name) last.text = (String(last.text) + text).slice(-MOST_TEXT);
    else if (this.outputs.length < MOST_OUTPUTS) this.outputs.push({ output_type: "stream", name, text });
  }

  private clear(): void {
    this.clearOnNext = false;
    this.outputs = [];
    this.displays.clear();
  }
}
