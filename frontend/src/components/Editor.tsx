// An editor that exists once it is near the screen: a notebook of hundreds of cells opens at once. Until then its text
// stands in for it, in the same size, found by the browser's search and by Tab.

import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { loadLanguage, loadMarkdown, readyLanguage } from "../editor/languages";
import { languageOf } from "../editor/magics";
import { whenNear } from "../editor/near";
import { CellEditor, type EditorEvents } from "../editor/setup";
import { bringPictures } from "../notebook/attach";
import type { Cell, CellType } from "../notebook/document";
import { usePage } from "./context";

interface Props {
  cell: Cell;
  type: CellType;
  label: string;
  focused: boolean;
}

const HINTS: Record<CellType, string> = { code: "Type code; Shift Enter runs it", markdown: "Write Markdown; Shift Enter shows it", raw: "Text that is kept as it is" };

export function Editor({ cell, type, label, focused }: Props): VNode {
  const page = usePage();
  const holder = useRef<HTMLDivElement>(null);
  const editor = useRef<CellEditor | null>(null);
  const clicked = useRef<{ x: number; y: number } | null>(null);
  const [near, setNear] = useState(focused);
  const source = cell.source.value;
  const numbers = page.lineNumbers.value;
  const readOnly = page.readOnly.value;
  const marks = page.find.shown.value ? page.find.marksOf(cell) : null;

  useEffect(() => {
    if (!near) return whenNear(holder.current!.closest(".cell") ?? holder.current!, () => setNear(true));
  }, [near]);

  // Before the browser goes on: what is typed right after Shift Enter must find the next editor.
  useLayoutEffect(() => {
    if (focused) setNear(true);
  }, [focused]);

  useLayoutEffect(() => {
    if (!near) return;
    const events: EditorEvents = {
      changed: (text) => page.notebook.setSource(cell, text),
      focused: () => page.touch(cell, "edit"),
      escape: () => {
        if (cell.type.value === "markdown" && cell.source.value.trim()) cell.editing.value = false;
        page.go(page.notebook.indexOf(cell.id));
      },
      leave: (by) => {
        const index = page.notebook.indexOf(cell.id) + by;
        if (index >= 0 && index < page.notebook.cells.value.length) page.go(index, page.notebook.cells.value[index]!.type.value === "code" ? "edit" : "command");
      },
      tell: (words) => page.tell(words),
      ...(type === "markdown" && { bring: (data) => bringPictures(page, cell, data) }),
    };
    const made = new CellEditor(holder.current!, {
      text: cell.source.value,
      label,
      placeholder: page.notebook.cells.value.length === 1 || type !== "code" ? HINTS[type] : "",
      code: type === "code",
      readOnly,
      lineNumbers: numbers,
      ask: (question, code, cursor) => page.session.question(question, code, cursor),
      events,
    });
    editor.current = made;
    page.editors.set(cell.id, made);
    if (clicked.current) made.placeCursorAt(clicked.current.x, clicked.current.y);
    clicked.current = null;
    return () => {
      editor.current = null;
      if (page.editors.get(cell.id) === made) page.editors.delete(cell.id);
      made.destroy();
    };
  }, [near, type]);

  const language = type === "raw" ? "" : type === "markdown" ? "markdown" : languageOf(source, page.settings.language);
  useLayoutEffect(() => {
    if (editor.current && language) dress(editor.current, language);
  }, [language, near, type]);
  useLayoutEffect(() => editor.current?.setLabel(label), [label, near]);
  useLayoutEffect(() => editor.current?.setText(source), [source, near]);
  useLayoutEffect(() => editor.current?.setLineNumbers(numbers), [numbers]);
  useLayoutEffect(() => editor.current?.setReadOnly(readOnly), [readOnly]);
  useLayoutEffect(() => editor.current?.showMatches(marks?.matches ?? [], marks?.current ?? -1), [marks, near]);
  useLayoutEffect(() => {
    if (focused) editor.current?.focus();
  }, [focused, near, page.moves.value]);

  return (
    <div class="editor" ref={holder}>
      {!near && (
        <pre
          class={`editor-still${numbers ? " numbered" : ""}`}
          role="textbox"
          aria-multiline="true"
          aria-label={label}
          tabIndex={0}
          onMouseDown={(event) => void (clicked.current = { x: event.clientX, y: event.clientY })}
          onFocus={() => page.touch(cell, "edit")}
        >
          {source.endsWith("\n") || !source ? `${source} ` : source}
        </pre>
      )}
    </div>
  );
}

function dress(editor: CellEditor, language: string): void {
  const ready = readyLanguage(language);
  if (ready) return editor.setLanguage(ready);
  void (language === "markdown" ? loadMarkdown() : loadLanguage(language)).then((extension) => {
    if (editor.view.dom.isConnected) editor.setLanguage(extension);
  });
}
