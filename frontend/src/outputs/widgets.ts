// Between the frames that show widgets and the kernel: each frame is told of the models that it shows, and says what was done
// to them. The kernel echoes what one frame changed to all, so several frames, and several tabs, agree.

import { uuid } from "../protocol";
import type { MimeBundle } from "../protocol";
import { closureIn, type BufferPath, type CommEvent, type CommRecord, type Comms } from "./comms";
import { objectOf, WIDGET, WIDGET_STATE } from "./mime";

/** A message for the kernel. Its id begins with the execution whose output sent it: what it prints is shown there. */
export interface CommMessage {
  type: "comm";
  id: string;
  msg_type: "comm_msg" | "comm_close";
  content: Record<string, unknown>;
}

/** One frame's line. */
export interface Connection {
  begin(): void;
  say(told: Record<string, unknown>): void;
  want(id: string): void;
  close(): void;
}

export type ToFrame = CommEvent | { type: "begin"; prefix: string } | { type: "models"; models: CommRecord[]; missing: string[] } | { type: "still"; models: CommRecord[] };

const LARGEST = 500_000;

export class Widgets {
  constructor(
    private readonly comms: Comms,
    private readonly send: (message: CommMessage) => boolean,
    /** The notebook's own metadata, where a file from elsewhere has the state of its widgets. */
    private readonly metadata: () => Record<string, unknown> = () => ({}),
  ) {}

  /** Whether the log still knows the model that this view shows. */
  knows(view: unknown): boolean {
    return this.comms.has(modelOf(view));
  }

  /**
   * What a widget was whose kernel is gone: as this page saw it, as the server kept it, or as the notebook's file has it.
   * Null if nobody knows.
   */
  still(data: MimeBundle): CommRecord[] | null {
    const id = modelOf(data[WIDGET]);
    const seen = this.comms.formerly(id);
    if (seen.length) return seen;
    const states = [data[WIDGET_STATE], objectOf(this.metadata().widgets)?.[WIDGET_STATE]];
    return states.map((state) => modelsIn(state, id)).find((models) => models !== null) ?? null;
  }

  connect(view: unknown, execution: string, post: (message: { comm: ToFrame }) => void): Connection {
    const known = new Set<string>();
    const prefix = `${execution}:${uuid().slice(0, 8)}:`;
    let begun = false;
    const give = (id: string) => {
      const models = this.comms.closure(id, known);
      for (const model of models) known.add(model.id);
      post({ comm: { type: "models", models, missing: this.comms.has(id) ? [] : [id] } });
    };
    const concerns = (event: CommEvent) => event.type === "reset" || (event.type === "idle" ? event.parent.startsWith(prefix) : known.has(event.id));
    const stop = this.comms.listen((event) => {
      if (!begun || !concerns(event)) return;
      post({ comm: event });
      if (event.type === "close") known.delete(event.id);
    });
    return {
      begin: () => {
        begun = true;
        post({ comm: { type: "begin", prefix } });
        give(modelOf(view));
      },
      want: give,
      say: (told) => {
        const { number, id, msg_type, data } = told;
        if (typeof id !== "string" || !known.has(id) || !Number.isSafeInteger(number) || (msg_type !== "comm_msg" && msg_type !== "comm_close")) return;
        const message = `${prefix}${number as number}`;
        const tooLarge = JSON.stringify(data ?? {}).length > LARGEST;
        const sent = !tooLarge && this.send({ type: "comm", id: message, msg_type, content: { comm_id: id, data: objectOf(data) ?? {} } });
        // Nobody will answer: the widget must not wait.
        if (!sent) post({ comm: { type: "idle", parent: message } });
      },
      close: stop,
    };
  }
}

/** The execution whose output sent the message that `parent` names; `parent` itself if it is no widget's. */
export function executionOf(parent: string): string {
  return parent.split(":", 1)[0]!;
}

export function modelOf(view: unknown): string {
  const id = objectOf(view)?.model_id;
  return typeof id === "string" ? id : "";
}

/** A frame that shows widgets as they were: it has them once, and nobody hears what is done to them. */
export function showStill(models: CommRecord[], post: (message: { comm: ToFrame }) => void): Connection {
  return {
    begin: () => post({ comm: { type: "still", models } }),
    want: (id) => post({ comm: { type: "models", models: [], missing: [id] } }),
    say: () => {},
    close: () => {},
  };
}

// What shows something and cannot be used. Of layouts and styles there is one to each.
const SHOWN_ONLY = /^(?:(?:H|V|Grid)?Box|HTML|HTMLMath|Label|Image|Audio|Video|FloatProgress|IntProgress|Output|Valid|Layout|\w*Style)Model$/;

/** Whether one would want to use some of it. */
export function isControl(models: readonly CommRecord[]): boolean {
  return models.some(({ state }) => !SHOWN_ONLY.test(String(state._model_name)));
}

const VERSION_8 = /^[\^~]?2\./;

/** nbformat's widget state as models: the one of that name and all that it refers to. Null if it is not of ipywidgets 8. */
function modelsIn(given: unknown, root: string): CommRecord[] | null {
  const states = objectOf(objectOf(given)?.state);
  if (!states || !objectOf(states[root])) return null;
  const records = new Map<string, CommRecord>();
  for (const [id, each] of Object.entries(states)) {
    const model = objectOf(each);
    if (!model) continue;
    const own = { _model_name: model.model_name, _model_module: model.model_module, _model_module_version: model.model_module_version };
    const buffers = (Array.isArray(model.buffers) ? model.buffers : []).map(objectOf).filter((buffer) => buffer?.encoding === "base64" && Array.isArray(buffer.path));
    records.set(id, {
      id,
      target: "jupyter.widget",
      state: { ...objectOf(model.state), ...own },
      buffers: buffers.map((buffer) => ({ path: buffer!.path as BufferPath, data: String(buffer!.data) })),
    });
  }
  const models = closureIn(records, root);
  return models.every(({ state }) => state._model_module === "@jupyter-widgets/output" || VERSION_8.test(String(state._model_module_version))) ? models : null;
}
