// Between the frames that show widgets and the kernel: each frame is told of the models that it shows, and says what was done
// to them. The kernel echoes what one frame changed to all, so several frames, and several tabs, agree.

import { uuid } from "../protocol";
import type { CommEvent, CommRecord, Comms } from "./comms";
import { objectOf } from "./mime";

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

export type ToFrame = CommEvent | { type: "begin"; prefix: string } | { type: "models"; models: CommRecord[]; missing: string[] };

const LARGEST = 500_000;

export class Widgets {
  constructor(
    private readonly comms: Comms,
    private readonly send: (message: CommMessage) => boolean,
  ) {}

  /** Whether the log still knows the model that this view shows. */
  knows(view: unknown): boolean {
    return this.comms.has(modelOf(view));
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

function modelOf(view: unknown): string {
  const id = objectOf(view)?.model_id;
  return typeof id === "string" ? id : "";
}
