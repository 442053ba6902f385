// All keys, searched by words, and changed where they stand.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePage } from "../components/context";
import { Dialog } from "../components/Dialog";
import { COMMANDS, GROUPS, type PageCommand } from "../notebook/commands";
import { EDITOR_KEYS, pressOf, shownStep, stepOf } from "../notebook/keys";
import { fuzzyMatch } from "./fuzzy";
import { Combination } from "./Keys";

const WHERE = { cell: "", notebook: "", editor: "in an editor", page: "everywhere" };

export function KeyList(): VNode {
  const page = usePage();
  const [text, setText] = useState("");
  const [changing, setChanging] = useState("");
  const { characters, own } = page.keys.choices.value;
  const close = () => void (page.dialog.value = null);
  const fits = (words: string) => !text.trim() || (fuzzyMatch(text, words)?.score ?? 0) > 3;
  const shown = COMMANDS.filter((command) => (command.keys || own[command.id] || text.trim()) && fits(`${command.title} ${page.keys.keysOf(command).join(" ")}`));
  const editing = EDITOR_KEYS.filter(([keys, what]) => fits(`${what} ${keys}`));

  return (
    <Dialog title="Keys" wide close={close}>
      <p class="muted">
        On a cell (command mode: press <kbd>Esc</kbd>) single letters are commands; <kbd>Enter</kbd> goes into its editor.
      </p>
      <div class="row key-tools">
        <input class="grow" type="text" role="searchbox" aria-label="Find a key" placeholder="Find a key or what it does" value={text} autofocus onInput={(event) => setText(event.currentTarget.value)} />
        <label class="check">
          <input type="checkbox" checked={characters} onChange={(event) => page.keys.useCharacters(event.currentTarget.checked)} /> Single letters are commands
        </label>
        {Object.keys(own).length > 0 && (
          <button class="button small" onClick={() => page.keys.reset()}>
            All keys as they came
          </button>
        )}
      </div>
      <div class="key-groups">
        {GROUPS.map((group) => {
          const commands = shown.filter((command) => command.group === group);
          return (
            commands.length > 0 && (
              <section key={group}>
                <h3>{group}</h3>
                <ul>
                  {commands.map((command) => (
                    <Row key={command.id} command={command} changing={changing === command.id} change={(on) => setChanging(on ? command.id : "")} />
                  ))}
                </ul>
              </section>
            )
          );
        })}
        {editing.length > 0 && (
          <section>
            <h3>In an editor</h3>
            <ul>
              {editing.map(([keys, what]) => (
                <li key={keys}>
                  <span class="grow">{what}</span>
                  <Combination keys={keys} />
                </li>
              ))}
            </ul>
          </section>
        )}
        {!shown.length && !editing.length && <p role="status">No key fits “{text}”.</p>}
      </div>
    </Dialog>
  );
}

function Row({ command, changing, change }: { command: PageCommand; changing: boolean; change(on: boolean): void }): VNode {
  const page = usePage();
  const keys = page.keys.keysOf(command);
  const where = WHERE[command.where ?? "cell"];
  const take = (event: KeyboardEvent) => {
    if (!changing || ["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key !== "Escape") page.keys.assign(command, shownStep(stepOf(pressOf(event))), COMMANDS);
    change(false);
  };
  return (
    <li>
      <span class="grow">
        {command.title} {where && <span class="muted">({where})</span>}
      </span>
      {changing ? <span role="status">Press the new key. Esc: leave it.</span> : keys.map((each) => <Combination key={each} keys={each} />)}
      <button class="button quiet small" aria-label={`Change the key of: ${command.title}`} onClick={() => change(true)} onKeyDown={take} onBlur={() => changing && change(false)}>
        Change
      </button>
      {page.keys.choices.value.own[command.id] && (
        <button class="button quiet small" aria-label={`The key of “${command.title}” as it came`} onClick={() => page.keys.assign(command, null, COMMANDS)}>
          Reset
        </button>
      )}
    </li>
  );
}
