// One run of a cell, and the log that tells of it: entries in, what to draw out. Nothing here knows a socket or a page.

import type { ExecutionStateContent, ExecutionStatus, KernelStateContent, LogEntry, MimeBundle } from "../protocol";
import { CapturedOutputs, type NotebookOutput } from "./captured";
import { Comms } from "./comms";
import { LineTerminal } from "./lines";
import { WIDGET } from "./mime";
import { executionOf, modelOf } from "./widgets";

export type Output =
  | { kind: "stream"; name: "stdout" | "stderr"; terminal: LineTerminal; version: number }
  | { kind: "display"; data: MimeBundle; metadata: Record<string, unknown>; displayId: string | null; result: boolean; version: number }
  | { kind: "error"; name: string; value: string; traceback: string; version: number }
  | { kind: "cut"; messages: number; bytes: number; version: number };

export interface InputRequest {
  prompt: string;
  password: boolean;
}

export interface Execution {
  readonly id: string;
  cell: string;
  /** What ran; null until it is known. */
  code: string | null;
  state: ExecutionStatus;
  position: number;
  count: number | null;
  queuedAt: number | null;
  /** Where no server says when it was asked for: it is newer than a run of this time. */
  after: number;
  startedAt: number | null;
  finishedAt: number | null;
  reason: string | null;
  outputs: Output[];
  /** The question that waits for an answer. */
  input: InputRequest | null;
  /** The last question: it is kept with its answer, once that is known. */
  asked: InputRequest | null;
  /** Some of its output was dropped on the way, visibly. */
  cut: boolean;
  /** So large that it comes only when it is wanted: characters that are left out. */
  leftOut: number;
  /** Built from the log, or read from what the server saved. */
  saved: boolean;
  clearOnNext: boolean;
}

export function newExecution(id: string, cell: string): Execution {
  return {
    id, cell, code: null, state: "queued", position: 0, count: null, queuedAt: null, after: 0, startedAt: null, finishedAt: null,
    reason: null, outputs: [], input: null, asked: null, cut: false, leftOut: 0, saved: false, clearOnNext: false,
  };
}

export function isFinal(execution: Execution): boolean {
  return execution.state !== "queued" && execution.state !== "running";
}

const OUTPUT_TYPES = new Set(["stream", "display_data", "execute_result", "error", "clear_output"]);

export type Applied = "applied" | "duplicate" | "gap";

/** The log of one sandbox. Applying an entry twice, or the whole log again, changes nothing. */
export class ExecutionLog {
  seq = 0;
  kernel: KernelStateContent | null = null;
  /** The last interrupt did not stop the code: offer a restart. */
  interruptIgnored = false;
  readonly executions = new Map<string, Execution>();
  /** Cell → its last run, which is the one that it shows. */
  private lasts = new Map<string, Execution>();
  /** Forgotten: they had ended, and their cell shows a later run. */
  private past = new Set<string>();
  /** Executions touched since the last `takeChanged`. */
  private changed = new Set<string>();
  private afterCut = false;
  /** By Output widget: what it shows. */
  private captured = new Map<string, CapturedOutputs>();
  private recaptured = new Set<string>();

  constructor(private readonly comms = new Comms()) {}

  apply(entry: LogEntry): Applied {
    if (entry.seq <= this.seq) return "duplicate";
    const cut = entry.channel === "agent" && entry.header.msg_type === "cut";
    if (entry.seq > this.seq + 1 && !this.afterCut && !cut) return "gap";
    this.seq = entry.seq;
    this.afterCut = cut;
    if (entry.channel === "agent") this.applyAgent(entry);
    else if (entry.channel === "iopub") this.applyOutput(entry);
    else if (entry.channel === "stdin") this.applyInput(entry);
    return "applied";
  }

  takeChanged(): Execution[] {
    this.giveCaptured();
    const changed = [...this.changed].map((id) => this.executions.get(id)!);
    this.changed.clear();
    for (const execution of changed) this.forgetOlder(execution);
    return changed;
  }

  private giveCaptured(): void {
    for (const widget of this.recaptured) this.comms.setOutputs(widget, structuredClone(this.captured.get(widget)?.outputs ?? []));
    this.recaptured.clear();
  }

  /** A cell that is run again and again would else keep all that it ever drew. */
  private forgetOlder(execution: Execution): void {
    // Before its state is told nobody knows whose it is.
    if (execution.queuedAt === null) return;
    const last = this.lasts.get(execution.cell) ?? execution;
    const [older, newer] = last.queuedAt! > execution.queuedAt ? [execution, last] : [last, execution];
    this.lasts.set(execution.cell, newer);
    if (older === newer || !isFinal(older)) return;
    this.executions.delete(older.id);
    this.past.add(older.id);
  }

  private touch(id: string): Execution {
    // What is still said of it is shown nowhere.
    if (this.past.has(id)) return newExecution(id, "");
    let execution = this.executions.get(id);
    if (!execution) this.executions.set(id, (execution = newExecution(id, "")));
    this.changed.add(id);
    return execution;
  }

  private applyAgent(entry: LogEntry): void {
    const id = entry.parent_header.msg_id ?? "";
    switch (entry.header.msg_type) {
      case "execution_state":
        return applyState(this.touch(id), entry.content as unknown as ExecutionStateContent);
      case "kernel_state":
        this.kernel = entry.content as unknown as KernelStateContent;
        if (this.kernel.state !== "busy") this.interruptIgnored = false;
        if (this.kernel.state === "starting" || this.kernel.state === "restarting" || this.kernel.state === "dead") {
          this.giveCaptured();
          this.comms.reset();
          this.captured.clear();
        }
        return;
      case "interrupt":
        this.interruptIgnored = entry.content.state === "ignored";
        return;
      case "cut": {
        if (!id) return;
        const execution = this.touch(id);
        execution.cut = true;
        execution.outputs.push({ kind: "cut", messages: Number(entry.content.messages) || 0, bytes: Number(entry.content.bytes) || 0, version: 0 });
      }
    }
  }

  private applyInput(entry: LogEntry): void {
    const id = entry.parent_header.msg_id;
    if (!id) return;
    const execution = this.touch(id);
    if (entry.header.msg_type === "input_request") {
      execution.input = execution.asked = { prompt: String(entry.content.prompt ?? ""), password: entry.content.password === true };
    } else if (entry.header.msg_type === "input_reply" && execution.asked) {
      // The kernel does not repeat what was asked and answered: the transcript does.
      const value = execution.asked.password ? "••••" : String(entry.content.value ?? "");
      addStream(execution, "stdout", `${execution.asked.prompt}${value}\n`);
      execution.input = execution.asked = null;
    }
  }

  private applyOutput(entry: LogEntry): void {
    const { content } = entry;
    const parent = entry.parent_header.msg_id ?? "";
    if (entry.header.msg_type === "comm_close") this.takeOut(String(content.comm_id ?? ""));
    if (this.comms.apply(entry)) return this.release(content);
    if (entry.header.msg_type === "update_display_data") return this.updateDisplays(content);
    const widget = OUTPUT_TYPES.has(entry.header.msg_type) ? this.comms.capturer(parent) : undefined;
    if (widget !== undefined) return this.capture(widget, entry);
    const id = executionOf(parent);
    if (!id) return;
    switch (entry.header.msg_type) {
      case "stream":
        return addStream(this.touch(id), content.name === "stderr" ? "stderr" : "stdout", String(content.text ?? ""));
      case "execute_input":
        this.touch(id).code = String(content.code ?? "");
        return;
      case "display_data":
      case "execute_result":
        return addOutput(this.touch(id), display(content, entry.header.msg_type === "execute_result"));
      case "error":
        return addOutput(this.touch(id), failure(content));
      case "clear_output":
        return clearOutputs(this.touch(id), content.wait === true);
    }
  }

  private capture(widget: string, entry: LogEntry): void {
    let captured = this.captured.get(widget);
    if (!captured) this.captured.set(widget, (captured = new CapturedOutputs(structuredClone(this.comms.outputsOf(widget)) as NotebookOutput[])));
    captured.apply(entry);
    this.recaptured.add(widget);
  }

  /** The kernel itself has said what an Output widget shows: that counts. */
  private release(content: Record<string, unknown>): void {
    const state = (content.data as { state?: Record<string, unknown> } | undefined)?.state;
    if (state && "outputs" in state) this.captured.delete(String(content.comm_id));
  }

  /** A widget that its kernel closes is shown no more: such as a bar of tqdm that is not to be left. */
  private takeOut(widget: string): void {
    if (!widget) return;
    for (const execution of this.executions.values()) {
      const kept = execution.outputs.filter((output) => output.kind !== "display" || modelOf(output.data[WIDGET]) !== widget);
      if (kept.length === execution.outputs.length) continue;
      execution.outputs = kept;
      this.changed.add(execution.id);
    }
  }

  /** One display_id may be shown by several cells: all of them change. */
  private updateDisplays(content: Record<string, unknown>): void {
    const id = displayIdOf(content);
    if (id === null) return;
    for (const [widget, captured] of this.captured) if (captured.update(id, content)) this.recaptured.add(widget);
    for (const execution of this.executions.values()) {
      for (const output of execution.outputs) {
        if (output.kind !== "display" || output.displayId !== id) continue;
        output.data = (content.data ?? {}) as MimeBundle;
        output.metadata = (content.metadata ?? {}) as Record<string, unknown>;
        output.version++;
        this.changed.add(execution.id);
      }
    }
  }
}

function applyState(execution: Execution, content: ExecutionStateContent): void {
  execution.state = content.state;
  execution.position = content.position ?? 0;
  execution.count = content.execution_count ?? execution.count;
  execution.queuedAt = content.queued_at ?? execution.queuedAt;
  execution.startedAt = content.started_at ?? execution.startedAt;
  execution.finishedAt = content.finished_at ?? execution.finishedAt;
  execution.reason = content.reason ?? null;
  if (content.cell) execution.cell = content.cell;
  if (isFinal(execution)) execution.input = null;
}

function clearOutputs(execution: Execution, wait: boolean): void {
  if (wait) execution.clearOnNext = true;
  else {
    execution.outputs = [];
    execution.clearOnNext = false;
  }
}

function addOutput(execution: Execution, output: Output): void {
  if (execution.clearOnNext) clearOutputs(execution, false);
  execution.outputs.push(output);
}

// Text that begins by going back draws over what the same stream drew before.
const GOES_BACK = /^(?:\n*\r(?!\n)|\n*\x1b\[\d*A|\x08)/;

function addStream(execution: Execution, name: "stdout" | "stderr", text: string): void {
  if (execution.clearOnNext) clearOutputs(execution, false);
  let stream = streamFor(execution.outputs, name, text);
  if (!stream) execution.outputs.push((stream = { kind: "stream", name, terminal: new LineTerminal(), version: 0 }));
  stream.terminal.write(text);
  stream.version++;
}

/** The last output, if it is this stream; a progress bar finds its lines again although the other stream came in between. */
function streamFor(outputs: Output[], name: string, text: string): Extract<Output, { kind: "stream" }> | undefined {
  for (let at = outputs.length - 1; at >= 0; at--) {
    const output = outputs[at]!;
    if (output.kind !== "stream") return undefined;
    if (output.name === name) return output;
    if (!GOES_BACK.test(text)) return undefined;
  }
  return undefined;
}

function displayIdOf(content: Record<string, unknown>): string | null {
  const id = (content.transient as { display_id?: unknown } | undefined)?.display_id;
  return typeof id === "string" ? id : null;
}

function display(content: Record<string, unknown>, result: boolean): Output {
  return {
    kind: "display",
    data: (content.data ?? {}) as MimeBundle,
    metadata: (content.metadata ?? {}) as Record<string, unknown>,
    displayId: displayIdOf(content),
    result,
    version: 0,
  };
}

function failure(content: Record<string, unknown>): Output {
  const traceback = Array.isArray(content.traceback) ? content.traceback.map(String).join("\n") : "";
  const [name, value] = [String(content.ename ?? "Error"), String(content.evalue ?? "")];
  return { kind: "error", name, value, traceback: traceback || `${name}: ${value}`, version: 0 };
}

/** Outputs as nbformat keeps them, such as those that the server saved. */
export function outputsFromNotebook(saved: readonly Record<string, unknown>[]): Output[] {
  const holder = newExecution("", "");
  for (const output of saved) {
    const content = { ...output, text: joined(output.text), data: joinBundle(output.data) };
    if (output.output_type === "stream") addStream(holder, output.name === "stderr" ? "stderr" : "stdout", content.text);
    else if (output.output_type === "error") addOutput(holder, failure(content));
    else addOutput(holder, display(content, output.output_type === "execute_result"));
  }
  return holder.outputs;
}

/** nbformat may keep text as a list of lines. */
function joined(text: unknown): string {
  return Array.isArray(text) ? text.join("") : String(text ?? "");
}

function joinBundle(data: unknown): MimeBundle {
  const entries = Object.entries((data ?? {}) as MimeBundle);
  return Object.fromEntries(entries.map(([type, value]) => [type, Array.isArray(value) && !/json$/.test(type) ? value.join("") : value]));
}

/**
 * Which of two tellings of the same execution to draw: what the server saved, or what the log says.
 * The log has live display updates; what was saved is whole even where the log was cut, and does not flicker during a replay.
 */
export function preferred(saved: Execution | undefined, live: Execution | undefined): Execution | undefined {
  if (!saved || !live) return live ?? saved;
  if (!isFinal(saved)) return live;
  return isFinal(live) && !live.cut ? live : saved;
}
