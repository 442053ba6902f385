import { describe, expect, it } from "vitest";
import sequences from "./sequences.json";
import type { LogEntry } from "../protocol";
import { ExecutionLog, isFinal, newExecution, outputsFromNotebook, preferred, type Output } from "./execution";

let seq = 0;
function entry(msg_type: string, content: Record<string, unknown>, channel: LogEntry["channel"] = "iopub", parent = "e1"): LogEntry {
  return { seq: ++seq, context: "default", channel, header: { msg_type }, parent_header: { msg_id: parent }, content };
}
function state(name: string, more: Record<string, unknown> = {}, parent = "e1"): LogEntry {
  return entry("execution_state", { state: name, position: 0, cell: "c1", ...more }, "agent", parent);
}
function stream(text: string, name = "stdout", parent = "e1"): LogEntry {
  return entry("stream", { name, text }, "iopub", parent);
}
function applied(make: () => LogEntry[]): ExecutionLog {
  seq = 0;
  const log = new ExecutionLog();
  for (const each of make()) expect(log.apply(each)).toBe("applied");
  return log;
}
function shown(outputs: Output[]): unknown[] {
  return outputs.map((output) => (output.kind === "stream" ? [output.name, output.terminal.text()] : output.kind === "display" ? output.data : output.kind));
}

describe("the log of executions", () => {
  it("joins consecutive text of one stream and keeps the order of streams", () => {
    const log = applied(() => [state("running"), stream("a"), stream("b\n"), stream("oops", "stderr"), stream("c")]);
    expect(shown(log.executions.get("e1")!.outputs)).toEqual([["stdout", "ab"], ["stderr", "oops"], ["stdout", "c"]]);
  });

  it("is the same after the whole log comes again", () => {
    const entries: LogEntry[] = [];
    const log = applied(() => (entries.push(state("running"), stream("a"), stream("b"), state("ok", { execution_count: 3 })), entries));
    const before = JSON.stringify([...log.executions]);
    for (const each of entries) expect(log.apply(each)).toBe("duplicate");
    expect(JSON.stringify([...log.executions])).toBe(before);
    expect(log.executions.get("e1")).toMatchObject({ state: "ok", count: 3, cell: "c1" });
  });

  it("notices a missing entry and does not go past it", () => {
    const log = applied(() => [state("running"), stream("a")]);
    expect(log.apply({ ...stream("late"), seq: 9 })).toBe("gap");
    expect(log.seq).toBe(2);
  });

  it("accepts a jump after a cut, and shows the cut", () => {
    const log = applied(() => [state("running"), stream("a"), entry("cut", { messages: 7, bytes: 7000 }, "agent")]);
    expect(log.apply({ ...stream("z"), seq: 10 })).toBe("applied");
    expect(shown(log.executions.get("e1")!.outputs)).toEqual([["stdout", "a"], "cut", ["stdout", "z"]]);
    expect(log.executions.get("e1")!.cut).toBe(true);
    expect(log.apply({ ...stream("!"), seq: 12 })).toBe("gap");
  });

  it("updates a display wherever it is shown", () => {
    const shows = (text: string) => ({ data: { "text/plain": text }, metadata: {}, transient: { display_id: "d" } });
    const log = applied(() => [
      entry("display_data", shows("old")), entry("display_data", shows("old"), "iopub", "e2"), entry("update_display_data", shows("new"), "iopub", "e3"),
    ]);
    expect(shown(log.executions.get("e1")!.outputs)).toEqual([{ "text/plain": "new" }]);
    expect(shown(log.executions.get("e2")!.outputs)).toEqual([{ "text/plain": "new" }]);
    expect(log.executions.has("e3")).toBe(false);
  });

  it("clears at once, or when the next output comes", () => {
    const log = applied(() => [stream("a"), entry("clear_output", { wait: true })]);
    expect(log.executions.get("e1")!.outputs).toHaveLength(1);
    log.apply(stream("b"));
    expect(shown(log.executions.get("e1")!.outputs)).toEqual([["stdout", "b"]]);
    log.apply(entry("clear_output", { wait: false }));
    expect(log.executions.get("e1")!.outputs).toHaveLength(0);
  });

  it("asks for input until it is answered or the execution ends", () => {
    const log = applied(() => [state("running"), entry("input_request", { prompt: "Name: ", password: true }, "stdin")]);
    expect(log.executions.get("e1")!.input).toEqual({ prompt: "Name: ", password: true });
    log.apply(state("ok"));
    expect(log.executions.get("e1")!.input).toBeNull();
  });

  it("keeps question and answer, but no password", () => {
    const log = applied(() => [
      entry("input_request", { prompt: "Name: ", password: false }, "stdin"), entry("input_reply", { value: "Ada" }, "stdin"),
      entry("input_request", { prompt: "PIN: ", password: true }, "stdin"), entry("input_reply", { value: "" }, "stdin"),
    ]);
    expect(shown(log.executions.get("e1")!.outputs)).toEqual([["stdout", "Name: Ada\nPIN: ••••"]]);
    expect(log.executions.get("e1")!.input).toBeNull();
  });

  it("says which executions changed, once", () => {
    const log = applied(() => [stream("a"), stream("b", "stdout", "e2")]);
    expect(log.takeChanged().map((each) => each.id)).toEqual(["e1", "e2"]);
    expect(log.takeChanged()).toEqual([]);
  });

  it("forgets runs that have ended once their cell shows a later one, and hears no more of them", () => {
    const log = applied(() => [state("ok", { queued_at: 1 }, "e1"), state("running", { queued_at: 1, cell: "c2" }, "other")]);
    log.takeChanged();
    log.apply(state("running", { queued_at: 2 }, "e2"));
    log.apply(state("queued", { queued_at: 3 }, "e3"));
    log.apply(stream("drawn", "stdout", "e1"));
    expect(log.takeChanged().map((each) => each.id), "all that changed is told first").toEqual(["e2", "e3", "e1"]);
    expect([...log.executions.keys()], "e2 goes on").toEqual(["other", "e2", "e3"]);
    for (const late of [stream("late", "stdout", "e1"), state("running", { queued_at: 1 }, "e1"), entry("input_request", { prompt: "?" }, "stdin"), entry("cut", { messages: 1 }, "agent")]) {
      expect(log.apply(late)).toBe("applied");
    }
    expect(log.takeChanged()).toEqual([]);
    log.apply(state("ok", { queued_at: 2 }, "e2"));
    expect(log.takeChanged().map((each) => `${each.id} ${each.state}`)).toEqual(["e2 ok"]);
    expect([...log.executions.keys()]).toEqual(["other", "e3"]);
  });

  it("keeps what each cell shows, which a forgotten run may still change", () => {
    const shows = (text: string) => ({ data: { "text/plain": text }, metadata: {}, transient: { display_id: "d" } });
    const log = applied(() => [state("ok", { queued_at: 1 }, "e1"), state("ok", { queued_at: 2 }, "e2"), entry("display_data", shows("old"), "iopub", "e2")]);
    log.takeChanged();
    expect([...log.executions.keys()]).toEqual(["e2"]);
    log.apply(entry("update_display_data", shows("new"), "iopub", "e1"));
    expect(log.takeChanged().map((each) => shown(each.outputs))).toEqual([[{ "text/plain": "new" }]]);
  });

  it("remembers that an interrupt was ignored until the kernel is idle", () => {
    const log = applied(() => [entry("interrupt", { state: "ignored" }, "agent")]);
    expect(log.interruptIgnored).toBe(true);
    log.apply(entry("kernel_state", { state: "idle" }, "agent"));
    expect(log.interruptIgnored).toBe(false);
  });
});

describe("saved outputs", () => {
  it("are read from nbformat, with text in lists or whole", () => {
    const outputs = outputsFromNotebook([
      { output_type: "stream", name: "stdout", text: ["a\n", "b"] },
      { output_type: "execute_result", data: { "text/plain": ["x", "y"] }, metadata: {}, execution_count: 1 },
      { output_type: "error", ename: "E", evalue: "v", traceback: [] },
    ]);
    expect(shown(outputs)).toEqual([["stdout", "a\nb"], { "text/plain": "xy" }, "error"]);
  });

  it("stay in place during a replay, and where the log was cut", () => {
    const saved = { ...newExecution("e1", "c1"), state: "ok" as const };
    const live = newExecution("e1", "c1");
    expect(preferred(saved, live)).toBe(saved);
    live.state = "ok";
    expect(isFinal(live) && preferred(saved, live)).toBe(live);
    live.cut = true;
    expect(preferred(saved, live)).toBe(saved);
  });
});

describe("a sequence of messages", () => {
  const short = (outputs: Output[]) =>
    outputs.map((output) => (output.kind === "stream" ? [output.name, output.terminal.text()] : output.kind === "display" ? output.data : output.kind === "error" ? `${output.name}: ${output.value}` : output.kind));
  // A text is compared as it is drawn: a last newline draws nothing.
  const drawn = (wanted: unknown) => (Array.isArray(wanted) ? [wanted[0], String(wanted[1]).replace(/\n$/, "")] : wanted);

  for (const sequence of sequences as unknown as { name: string; messages: [string, string, Record<string, unknown>][]; outputs: Record<string, unknown[]> }[]) {
    it(`is shown as the server saves it: ${sequence.name}`, () => {
      const log = applied(() => sequence.messages.map(([execution, type, content]) => entry(type, content, type.startsWith("input_re") ? "stdin" : "iopub", execution)));
      for (const [execution, wanted] of Object.entries(sequence.outputs)) expect(short(log.executions.get(execution)?.outputs ?? [])).toEqual(wanted.map(drawn));
    });
  }
});
