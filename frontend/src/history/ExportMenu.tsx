// What can be done with the notebook as a whole: take it out as a file, copy it, see what it was.

import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import { ApiError, csrfHeaders } from "../api";
import { Icon } from "../components/Icon";
import type { Page } from "../notebook/page";

export type Form = "ipynb" | "html" | "script";

const FORMS: [Form, string][] = [
  ["ipynb", "Notebook file (.ipynb)"],
  ["html", "Web page (.html)"],
  ["script", "Program"],
];

export function ExportMenu({ page }: { page: Page }): VNode {
  const menu = useRef<HTMLDetailsElement>(null);
  const act = (action: () => void) => () => {
    menu.current!.open = false;
    menu.current!.querySelector("summary")!.focus();
    action();
  };
  return (
    <details class="menu export-menu" ref={menu}>
      <summary class="button quiet icon" aria-label="Export and more" title="Export, copy, history">
        <Icon name="download" />
      </summary>
      <div class="sheet">
        <fieldset>
          <legend>Export with outputs</legend>
          {FORMS.map(([form, words]) => (
            <button key={form} class="button quiet wide" onClick={act(() => void leaveAs(page, form))}>
              {words}
            </button>
          ))}
        </fieldset>
        <fieldset>
          <legend>Notebook</legend>
          <button class="button quiet wide" onClick={act(() => void page.history.copyAll())}>
            Make a copy
          </button>
          <button class="button quiet wide" onClick={act(() => page.togglePanel("history"))}>
            History of versions
          </button>
        </fieldset>
      </div>
    </details>
  );
}

/** Download the notebook as it is on the server, which is first brought up to date. */
export async function leaveAs(page: Page, form: Form): Promise<void> {
  await page.autosave.flush();
  if (page.autosave.dirty) page.say("Your last edits are not saved yet: the file is of what was saved before.");
  page.tell("Exporting");
  try {
    const response = await fetch(page.addresses.export.replace("FORM", form), { credentials: "same-origin", headers: { Accept: "application/json", ...csrfHeaders() } });
    if (!response.ok || response.redirected) throw await refusal(response);
    const name = nameOf(response.headers.get("Content-Disposition") ?? "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    page.tell(`${name} downloaded`);
  } catch (error) {
    page.say(error instanceof ApiError ? error.message : "The server cannot be reached. Check your connection.");
  }
}

async function refusal(response: Response): Promise<ApiError> {
  if (response.redirected) return new ApiError(401, "signed_out", "You are signed out. Sign in again in another tab.");
  const body = (await response.json().catch(() => ({}))) as { message?: string };
  return new ApiError(response.status, "export", body.message ?? `The server answered ${response.status}.`);
}

/** Of a header as RFC 6266 has it: the encoded name where there is one. */
export function nameOf(disposition: string): string {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition)?.[1];
  const plain = /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1]?.replace(/\\(.)/g, "$1");
  return encoded ? decodeURIComponent(encoded) : (plain ?? "notebook");
}
