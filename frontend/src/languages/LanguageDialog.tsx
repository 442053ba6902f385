// Run this notebook in another language, or in another pool of the same.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { ask, csrfHeaders, type ApiError } from "../api";
import { usePage } from "../components/context";
import { Dialog } from "../components/Dialog";
import type { PageCommand } from "../notebook/commands";

export const languageDialogOpen = signal(false);

export const LANGUAGES: PageCommand[] = [{ id: "notebook.language", title: "Change the language…", group: "Notebook", run: () => void (languageDialogOpen.value = true) }];

interface Choice {
  pool: string;
  language: string;
  words: string;
  usable: boolean;
}

export function LanguageDialog(): VNode | null {
  return languageDialogOpen.value ? <Chooser /> : null;
}

function Chooser(): VNode {
  const page = usePage();
  const address = `/notebooks/${page.settings.id}/language`;
  const [choices, setChoices] = useState<Choice[]>([]);
  const [chosen, setChosen] = useState(page.settings.pool);
  const [problem, setProblem] = useState("");
  const close = () => void (languageDialogOpen.value = false);
  useEffect(() => {
    ask<{ languages: Choice[] }>("GET", address).then(({ body }) => setChoices(body.languages), (error: ApiError) => setProblem(error.message));
  }, []);
  const change = async () => {
    await page.autosave.flush();
    if (page.autosave.atRisk) return setProblem("Your last edits are not saved yet. Try again when they are.");
    try {
      const headers = { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json", ...csrfHeaders() };
      await ask("POST", address, undefined, { headers, body: new URLSearchParams({ pool: chosen }) });
      location.reload();
    } catch (error) {
      setProblem((error as ApiError).message);
    }
  };
  return (
    <Dialog title="Change the language" close={close}>
      <fieldset class="language-choices">
        <legend class="vh">Language</legend>
        {choices.map((choice) => (
          <label key={choice.pool}>
            <input type="radio" name="language" value={choice.pool} checked={chosen === choice.pool} disabled={!choice.usable} onChange={() => setChosen(choice.pool)} /> {choice.language}
            <span class="muted">
              {" "}
              {choice.pool === page.settings.pool ? "now" : choice.words}
            </span>
          </label>
        ))}
      </fieldset>
      <p>Cells and outputs stay. The next run starts a session of the new language, with no variables. The session of the old one ends when it has been idle; if you come back before, its variables are still there.</p>
      {problem && <p class="notice error" role="alert">{problem}</p>}
      <div class="actions">
        <button class="button" onClick={close}>
          Cancel
        </button>
        <button class="button primary" disabled={chosen === page.settings.pool} onClick={() => void change()}>
          Change
        </button>
      </div>
    </Dialog>
  );
}
