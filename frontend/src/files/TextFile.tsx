// A text file in an editor. What is saved is what was read and then changed: a file that code has changed meanwhile is not
// written over unasked.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api";
import { Dialog } from "../components/Dialog";
import { write } from "./content";
import type { Files } from "./files";
import type { Text } from "./kinds";
import { plain } from "./names";
import type { Entry } from "./tree";

export interface Editing {
  save(): Promise<void>;
}

interface Props {
  files: Files;
  entry: Entry;
  text: Text;
  tag: string;
  readOnly: boolean;
  editing: { current: Editing | null };
  mark(unsaved: boolean): void;
  reload(): Promise<void>;
}

export function TextFile({ files, entry, text, tag, readOnly, editing, mark, reload }: Props): VNode {
  const holder = useRef<HTMLDivElement>(null);
  const [clash, setClash] = useState(false);
  const [failed, setFailed] = useState("");
  const now = useRef({ tag, text: () => text.text, saved: text.text });

  const save = async (over = false) => {
    const content = now.current.text();
    setFailed("");
    try {
      now.current.tag = await write(files.addressOf(entry.path), content, over ? null : now.current.tag);
      now.current.saved = content;
      mark(now.current.text() !== content);
      files.page.tell(`${plain(entry.name)} saved`);
    } catch (error) {
      if ((error as ApiError).code === "changed") setClash(true);
      else setFailed((error as ApiError).message);
    }
  };

  useEffect(() => {
    let gone = false;
    let end = () => {};
    now.current = { tag, text: () => text.text, saved: text.text };
    mark(false);
    void import("./editor").then(async ({ openEditor }) => {
      if (gone) return;
      const label = `Text of ${plain(entry.name)}`;
      const editor = openEditor(holder.current!, { text, name: plain(entry.name), label, readOnly, changed: () => mark(now.current.text() !== now.current.saved) });
      now.current.text = editor.text;
      end = editor.destroy;
      if (!readOnly) editor.focus();
    });
    editing.current = readOnly ? null : { save };
    return () => {
      gone = true;
      editing.current = null;
      end();
    };
  }, [text.text, tag]);

  return (
    <>
      {failed && <p class="notice error" role="alert">{failed}</p>}
      <div ref={holder} class="file-editor" />
      {!readOnly && <p class="muted small-print pad">Ctrl S saves. Tab indents; press Escape, then Tab to leave the text.</p>}
      {clash && (
        <Dialog title="The file was changed meanwhile" close={() => setClash(false)}>
          <p>Code or a terminal has changed {plain(entry.name)} since you opened it. Your text is still here.</p>
          <div class="actions">
            <button class="button" onClick={() => setClash(false)}>
              Go on editing
            </button>
            <button class="button" onClick={() => (setClash(false), void reload())}>
              Discard mine and load it
            </button>
            <button class="button danger-solid" onClick={() => (setClash(false), void save(true))}>
              Replace it by mine
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
