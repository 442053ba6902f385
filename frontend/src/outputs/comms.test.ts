import { describe, expect, it } from "vitest";
import type { LogEntry } from "../protocol";
import { Comms, type CommEvent } from "./comms";
import { ExecutionLog } from "./execution";
import { executionOf, isControl, Widgets, type CommMessage, type ToFrame } from "./widgets";

let seq = 0;
function entry(msg_type: string, content: Record<string, unknown>, parent = "e1", buffers?: string[]): LogEntry {
  return { seq: ++seq, context: "default", channel: "iopub", header: { msg_type }, parent_header: { msg_id: parent }, content, ...(buffers && { buffers }) };
}
const open = (id: string, state: Record<string, unknown>, more: Record<string, unknown> = {}) => entry("comm_open", { comm_id: id, target_name: "jupyter.widget", data: { state, ...more } });
const update = (id: string, state: Record<string, unknown>, parent = "e1", method = "update") => entry("comm_msg", { comm_id: id, data: { method, state } }, parent);

describe("comms", () => {
  it("keep the last state of each model, and its buffers", () => {
    const comms = new Comms();
    comms.apply(entry("comm_open", { comm_id: "a", target_name: "t", data: { state: { value: 1, name: "x" }, buffer_paths: [["image"]] } }, "e1", ["AAAA"]));
    comms.apply(update("a", { value: 2 }));
    comms.apply(update("a", { value: 3 }, "e1", "echo_update"));
    comms.apply(update("a", { value: 99 }, "e1", "custom"));
    expect(comms.closure("a")).toEqual([{ id: "a", target: "t", state: { value: 3, name: "x" }, buffers: [{ path: ["image"], data: "AAAA" }] }]);
    comms.apply(entry("comm_msg", { comm_id: "a", data: { method: "update", state: {}, buffer_paths: [["image"]] } }, "e1", ["BBBB"]));
    expect(comms.closure("a")[0]!.buffers).toEqual([{ path: ["image"], data: "BBBB" }]);
  });

  it("know what a model refers to, once, even in circles", () => {
    const comms = new Comms();
    comms.apply(open("box", { children: ["IPY_MODEL_a", { deep: "IPY_MODEL_b" }] }));
    comms.apply(open("a", { parent: "IPY_MODEL_box", style: "IPY_MODEL_gone" }));
    comms.apply(open("b", {}));
    comms.apply(open("other", {}));
    expect(comms.closure("box").map((record) => record.id).sort()).toEqual(["a", "b", "box"]);
    expect(comms.closure("box", new Set(["a"])).map((record) => record.id).sort()).toEqual(["b", "box"]);
    expect(comms.closure("gone")).toEqual([]);
  });

  it("take nonsense for nothing", () => {
    const comms = new Comms();
    for (const content of [{}, { comm_id: 5 }, { comm_id: "a", data: null }, { comm_id: "a", data: [] }, { comm_id: "a", data: { method: "update", state: "x" } }]) {
      expect(comms.apply(entry("comm_msg", content))).toBe(true);
      comms.apply(entry("comm_open", content));
    }
    expect(comms.apply(entry("stream", { text: "x" }))).toBe(false);
  });
});

describe("a widget whose kernel is gone", () => {
  const WIDGET = "application/vnd.jupyter.widget-view+json";
  const STATE = "application/vnd.jupyter.widget-state+json";
  const kept = (name: string, version = "2.0.0", more: Record<string, unknown> = {}) => ({ model_name: name, model_module: "@jupyter-widgets/controls", model_module_version: version, state: { layout: "IPY_MODEL_l" }, ...more });
  const view = { [WIDGET]: { model_id: "a" } };
  const widgets = (comms = new Comms(), metadata = {}) => new Widgets(comms, () => true, () => metadata);

  it("is as this page saw it last", () => {
    const comms = new Comms();
    comms.apply(open("a", { value: 1, layout: "IPY_MODEL_l" }));
    comms.apply(open("l", {}));
    comms.apply(update("a", { value: 2 }));
    expect(widgets(comms).still(view)).toBe(null);
    comms.reset();
    expect(widgets(comms).still(view)?.map(({ id, state }) => [id, state.value])).toEqual([["a", 2], ["l", undefined]]);
  });

  it("is as the server kept it, or the file that it came in", () => {
    const state = { state: { a: kept("HTMLModel", "2.0.0", { buffers: [{ path: ["value"], encoding: "base64", data: "AAAA" }, { path: ["x"], encoding: "hex", data: "00" }, 5] }), l: kept("LayoutModel"), other: kept("HTMLModel") } };
    for (const found of [widgets().still({ ...view, [STATE]: state }), widgets(new Comms(), { widgets: { [STATE]: state } }).still(view)]) {
      expect(found?.map(({ id }) => id)).toEqual(["a", "l"]);
      expect(found![0]).toMatchObject({ state: { _model_name: "HTMLModel", layout: "IPY_MODEL_l" }, buffers: [{ path: ["value"], data: "AAAA" }] });
    }
  });

  it("is unknown where nobody kept it, or by another version, or as nonsense", () => {
    for (const state of [undefined, null, 5, "{", { state: [] }, { state: { a: null } }, { state: { b: kept("HTMLModel") } }, { state: { a: kept("HTMLModel", "1.5.0") } }]) expect(widgets().still({ ...view, [STATE]: state })).toBe(null);
  });

  it("can be seen, and used only if it is a control", () => {
    const of = (...names: string[]) => isControl(names.map((_model_name, at) => ({ id: String(at), target: "", state: { _model_name }, buffers: [] })));
    expect(of("HBoxModel", "HTMLModel", "FloatProgressModel", "LayoutModel", "ProgressStyleModel", "HTMLStyleModel")).toBe(false);
    expect(of("VBoxModel", "IntSliderModel")).toBe(true);
    expect(of("")).toBe(true);
  });
});

describe("an Output widget", () => {
  it("takes what is printed while it is the current one, and only that", () => {
    seq = 0;
    const comms = new Comms();
    const log = new ExecutionLog(comms);
    const said = (text: string, parent = "e1") => entry("stream", { name: "stdout", text }, parent);
    const all = () => [
      open("out", { _model_name: "OutputModel", msg_id: "", outputs: [] }), said("before"), update("out", { msg_id: "e1" }), said("in "), said("side"), said("other cell", "e2"),
      update("out", { msg_id: "" }), said(" after"),
    ];
    for (const each of all()) expect(log.apply(each)).toBe("applied");
    log.takeChanged();
    expect(comms.outputsOf("out")).toEqual([{ output_type: "stream", name: "stdout", text: "in side" }]);
    const shown = log.executions.get("e1")!.outputs[0]!;
    expect(shown.kind === "stream" && shown.terminal.text()).toBe("before after");

    // Cleared when the next comes, as `interact` does; a word of the kernel's own replaces all.
    for (const each of [update("out", { msg_id: "w:1" }), entry("clear_output", { wait: true }, "w:1"), said("new", "w:1"), update("out", { msg_id: "" })]) log.apply(each);
    log.takeChanged();
    expect(comms.outputsOf("out")).toEqual([{ output_type: "stream", name: "stdout", text: "new" }]);
    log.apply(update("out", { outputs: [] }));
    log.takeChanged();
    expect(comms.outputsOf("out")).toEqual([]);
  });

  it("is forgotten with its kernel", () => {
    seq = 0;
    const comms = new Comms();
    const events: CommEvent[] = [];
    comms.listen((event) => events.push(event));
    const log = new ExecutionLog(comms);
    log.apply(open("a", {}));
    log.apply({ ...entry("kernel_state", { state: "restarting" }, ""), channel: "agent" });
    expect(comms.has("a")).toBe(false);
    expect(events).toEqual([{ type: "reset" }]);
  });
});

describe("a frame's line", () => {
  const view = { model_id: "a" };
  function connected(send: (message: CommMessage) => boolean = () => true) {
    const comms = new Comms();
    comms.apply(open("a", { value: 1, style: "IPY_MODEL_s" }));
    comms.apply(open("s", {}));
    comms.apply(open("other", {}));
    const posted: ToFrame[] = [];
    const widgets = new Widgets(comms, send);
    const line = widgets.connect(view, "e1", ({ comm }) => posted.push(comm));
    line.begin();
    return { comms, posted, widgets, line, prefix: (posted[0] as { prefix: string }).prefix };
  }

  it("brings the models of its view, then what happens to them and nothing else", () => {
    const { comms, posted, widgets } = connected();
    expect(widgets.knows(view)).toBe(true);
    expect(widgets.knows({ model_id: "nobody" })).toBe(false);
    expect(posted[1]).toMatchObject({ type: "models", missing: [] });
    posted.length = 0;
    comms.apply(update("other", { value: 5 }));
    comms.apply(update("a", { value: 5 }));
    comms.apply(entry("status", { execution_state: "idle" }, "somebody else"));
    expect(posted).toMatchObject([{ type: "message", id: "a", parent: "e1" }]);
  });

  it("carries what the user does to the kernel, by an id that tells whose output it was", () => {
    const sent: CommMessage[] = [];
    const { line, prefix } = connected((message) => (sent.push(message), true));
    line.say({ number: 1, id: "a", msg_type: "comm_msg", data: { method: "update", state: { value: 9 } } });
    expect(sent).toEqual([{ type: "comm", id: `${prefix}1`, msg_type: "comm_msg", content: { comm_id: "a", data: { method: "update", state: { value: 9 } } } }]);
    expect(executionOf(sent[0]!.id)).toBe("e1");
    expect(sent[0]!.id).toMatch(/^[A-Za-z0-9-]{1,63}:[A-Za-z0-9:._-]{1,63}$/);
  });

  it("carries nothing that is not a message of its own models", () => {
    const sent: CommMessage[] = [];
    const { line } = connected((message) => (sent.push(message), true));
    for (const wrong of [{ id: "other" }, { id: "s2" }, { id: 5 }, { msg_type: "execute_request" }, { number: "1" }, { number: NaN }, { data: { x: "y".repeat(600_000) } }]) {
      line.say({ number: 1, id: "a", msg_type: "comm_msg", data: {}, ...wrong });
    }
    expect(sent).toEqual([]);
  });

  it("lets a widget go on when the line is down", () => {
    const { line, posted, prefix } = connected(() => false);
    line.say({ number: 4, id: "a", msg_type: "comm_msg", data: {} });
    expect(posted.at(-1)).toEqual({ type: "idle", parent: `${prefix}4` });
  });
});
