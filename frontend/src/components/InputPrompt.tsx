// The code asks a question: a field under its cell. It belongs to the execution, so it survives a reload of the page.

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Execution, InputRequest } from "../outputs/execution";
import { usePage } from "./context";

export function InputPrompt({ execution, request }: { execution: Execution; request: InputRequest }): VNode {
  const page = usePage();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    page.tell(`The code asks: ${request.prompt || "for input"}`);
    // Only where the user already is in the notebook: a question must not pull the focus out of the terminal.
    if (document.activeElement === document.body || document.activeElement?.closest(".cells")) field.current?.focus();
  }, [request]);
  const submit = (event: Event) => {
    event.preventDefault();
    page.session.answer(execution, field.current!.value);
  };
  return (
    <form class="input-prompt" onSubmit={submit}>
      <label>
        <span class="prompt">{request.prompt || "Input"}</span>
        {request.password ? <input ref={field} type="password" autocomplete="off" /> : <input ref={field} type="text" autocomplete="off" autocapitalize="none" spellcheck={false} />}
      </label>
      <button class="button primary">Send</button>
      <button type="button" class="button" onClick={() => page.interrupt()}>
        Stop
      </button>
    </form>
  );
}
