// ipywidgets 8 in a frame: the models and views of the project itself, over a line to the page by messages.

import { ManagerBase } from "@jupyter-widgets/base-manager";
import * as base from "@jupyter-widgets/base";
import * as controls from "@jupyter-widgets/controls";
import { MessageLoop } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import fontAwesome from "@fortawesome/fontawesome-free/css/fontawesome.min.css?inline";
import solid from "@fortawesome/fontawesome-free/webfonts/fa-solid-900.woff2?url";
import baseStyles from "@jupyter-widgets/base/css/index.css?inline";
import controlStyles from "@jupyter-widgets/controls/css/widgets-base.css?inline";
import variables from "@jupyter-widgets/controls/css/labvariables.css?inline";
import luminoStyles from "@lumino/widgets/style/index.css?inline";
import type { BufferPath, CommRecord } from "../outputs/comms";
import type { ToFrame } from "../outputs/widgets";
import { OutputModel, OutputView } from "./outputWidget";
import ourStyles from "./widgets.css?inline";

interface Port {
  theme: Record<string, string>;
  say(message: unknown): void;
  fail(error: unknown): void;
  /** Draw a chart of Plotly, Vega or Vega-Lite, with what the page brings for it. */
  chart(element: HTMLElement, form: string, content: unknown): Promise<void>;
  onComm?: (event: ToFrame) => void;
}

const IDLE_WITHIN = 10_000;
const MODULES: Record<string, Record<string, unknown>> = {
  "@jupyter-widgets/base": base as unknown as Record<string, unknown>,
  "@jupyter-widgets/controls": controls as unknown as Record<string, unknown>,
  "@jupyter-widgets/output": { OutputModel, OutputView },
};

type Callbacks = { iopub?: { status?(message: unknown): void } } | undefined;
type Handler = (message: unknown) => void;

/** One comm as the widgets know it: what it sends goes to the page. */
class FrameComm {
  private onMessage: Handler | null = null;
  private onClose: Handler | null = null;

  constructor(
    readonly comm_id: string,
    readonly target_name: string,
    private readonly line: Line,
  ) {}

  open(): string {
    return "";
  }
  send(data: unknown, callbacks?: Callbacks): string {
    return this.line.send(this.comm_id, "comm_msg", data, callbacks);
  }
  close(data?: unknown, callbacks?: Callbacks): string {
    return this.line.send(this.comm_id, "comm_close", data ?? {}, callbacks);
  }
  on_msg(handler: Handler): void {
    this.onMessage = handler;
  }
  on_close(handler: Handler): void {
    this.onClose = handler;
  }
  hear(message: unknown): void {
    this.onMessage?.(message);
  }
  closed(): void {
    this.onClose?.({});
  }
}

/** The line to the page: numbers what goes out, and tells the senders when the kernel is done with it. */
class Line {
  private prefix = "";
  private number = 0;
  private waiting = new Map<string, Callbacks>();

  constructor(private readonly port: Port) {}

  begin(prefix: string): void {
    this.prefix = prefix;
  }

  send(id: string, msg_type: string, data: unknown, callbacks: Callbacks): string {
    const message = `${this.prefix}${++this.number}`;
    this.waiting.set(message, callbacks);
    this.port.say({ comm: { number: this.number, id, msg_type, data: JSON.parse(JSON.stringify(data)) } });
    // A kernel that runs a long cell answers late: the next change is not kept back for ever.
    setTimeout(() => this.idle(message), IDLE_WITHIN);
    return message;
  }

  idle(message: string): void {
    const callbacks = this.waiting.get(message);
    if (!this.waiting.delete(message)) return;
    callbacks?.iopub?.status?.({ content: { execution_state: "idle" }, parent_header: { msg_id: message } });
  }
}

export class FrameManager extends ManagerBase {
  private readonly comms = new Map<string, FrameComm>();
  private readonly records = new Map<string, CommRecord>();
  private readonly awaited = new Map<string, (record: CommRecord | null) => void>();
  private readonly views = new Set<Widget>();

  constructor(
    private readonly port: Port,
    private readonly line: Line,
  ) {
    super();
    addEventListener("resize", () => this.views.forEach((view) => MessageLoop.postMessage(view, Widget.ResizeMessage.UnknownSize)));
  }

  hear(event: ToFrame): void {
    if (event.type === "begin") this.line.begin(event.prefix);
    else if (event.type === "models") this.take(event.models, event.missing);
    else if (event.type === "still") this.freeze(event.models);
    else if (event.type === "idle") this.line.idle(event.parent);
    else if (event.type === "close") this.comms.get(event.id)?.closed();
    else if (event.type === "reset") this.orphan();
    else
      this.comms.get(event.id)?.hear({
        header: { msg_type: "comm_msg" },
        parent_header: { msg_id: event.parent },
        content: { comm_id: event.id, data: event.data },
        buffers: event.buffers.map(viewOf),
      });
  }

  private take(models: CommRecord[], missing: string[]): void {
    for (const model of models) {
      this.records.set(model.id, model);
      this.awaited.get(model.id)?.(model);
    }
    for (const id of missing) this.awaited.get(id)?.(null);
  }

  /** The kernel was gone before: all is drawn as it was. What it says can be read, and copied; nothing can be used. */
  private freeze(models: CommRecord[]): void {
    this.take(models, []);
    const still = () => document.querySelectorAll<HTMLElement>("input, select, textarea, button, [contenteditable], [tabindex], .noUi-target").forEach((control) => (control.inert = true));
    new MutationObserver(still).observe(document.body, { childList: true, subtree: true });
  }

  /** The kernel is another one now: what is shown stays, and does nothing any more. */
  private orphan(): void {
    if (document.querySelector(".orphaned")) return;
    const told = document.createElement("p");
    told.className = "orphaned";
    told.setAttribute("role", "status");
    told.textContent = "The kernel that these widgets belong to is gone. Run the cell again.";
    document.body.prepend(told);
    for (const element of document.querySelectorAll<HTMLElement>(".jupyter-widgets")) element.inert = true;
  }

  /** Models are made when something shows them: a page may hold thousands that nobody sees. */
  override async get_model(id: string): Promise<base.WidgetModel> {
    if (!this.has_model(id)) {
      const record = this.records.get(id) ?? (await this.ask(id));
      if (!record) throw new Error("The kernel that this widget belongs to is gone. Run the cell again.");
      if (!this.has_model(id)) this.make(record);
    }
    return super.get_model(id);
  }

  private ask(id: string): Promise<CommRecord | null> {
    return new Promise((resolve) => {
      const settle = (record: CommRecord | null) => {
        this.awaited.delete(id);
        resolve(record);
      };
      this.awaited.set(id, settle);
      this.port.say({ wants: id });
      setTimeout(() => settle(this.records.get(id) ?? null), 5000);
    });
  }

  private make(record: CommRecord): void {
    const comm = new FrameComm(record.id, record.target, this.line);
    this.comms.set(record.id, comm);
    const state = structuredClone(record.state);
    base.put_buffers(state as never, record.buffers.map((buffer) => buffer.path) as BufferPath[], record.buffers.map((buffer) => viewOf(buffer.data)));
    const model = { model_name: String(state._model_name), model_module: String(state._model_module), model_module_version: String(state._model_module_version), comm: comm as unknown as base.IClassicComm };
    void this.new_model(model, state as never);
  }

  async show(id: string, element: HTMLElement): Promise<void> {
    const view = await this.create_view(await this.get_model(id));
    const widget = view.luminoWidget;
    Widget.attach(widget, element);
    this.views.add(widget);
    view.once("remove", () => this.views.delete(widget));
  }

  chart(element: HTMLElement, form: string, content: unknown): Promise<void> {
    return this.port.chart(element, form, content);
  }

  protected override async loadClass(name: string, module: string, version: string): Promise<never> {
    const found = MODULES[module]?.[name];
    if (!found) throw new Error(`This widget needs ${module} ${version}, which is not part of this notebook. The widgets of ipywidgets 8 itself are.`);
    return found as never;
  }
  override _create_comm(): Promise<never> {
    return Promise.reject(new Error("Widgets are made by the kernel."));
  }
  override _get_comm_info(): Promise<Record<string, never>> {
    return Promise.resolve({});
  }
}

function viewOf(base64: string): DataView {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return new DataView(bytes.buffer);
}

Object.assign(window, {
  thermaeWidgets: (element: HTMLElement, view: { model_id: string }, port: Port) => {
    const style = document.head.appendChild(document.createElement("style"));
    const icons = `@font-face { font-family: "Font Awesome 5 Free"; font-weight: 900; src: url(${solid}) format("woff2") } .fa, .fas { font-family: "Font Awesome 5 Free"; font-weight: 900 }`;
    style.textContent = [fontAwesome, icons, luminoStyles, variables, baseStyles, controlStyles, ourStyles].join("\n");
    const manager = new FrameManager(port, new Line(port));
    let begin: (() => void) | null = () => {
      begin = null;
      manager.show(view.model_id, element).catch(port.fail);
    };
    port.onComm = (event) => {
      manager.hear(event);
      // The first models are those of this view.
      if (event.type === "models" || event.type === "still") begin?.();
    };
  },
});
