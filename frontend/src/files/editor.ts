// The editor of a text file, in the colours of the page; its language is loaded by the file's name.

import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentOnInput, LanguageDescription } from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { theme } from "../editor/theme";
import type { Text } from "./kinds";

export interface FileEditor {
  text(): string;
  focus(): void;
  destroy(): void;
}

interface Options {
  text: Text;
  name: string;
  label: string;
  readOnly: boolean;
  changed(): void;
}

export function openEditor(parent: HTMLElement, { text, name, label, readOnly, changed }: Options): FileEditor {
  const language = new Compartment();
  // Escape gives Tab back to the page, as everywhere in editors that take it; once more leaves the file.
  let indents = true;
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text.text,
      extensions: [
        keymap.of([
          { key: "Escape", run: () => indents && !(indents = false) },
          { any: (_, event) => (event.key !== "Tab" && event.key !== "Shift" && event.key !== "Escape" && (indents = true), false) },
          { key: "Tab", run: (view) => indents && indentWithTab.run!(view), shift: (view) => indents && indentWithTab.shift!(view) },
        ]),
        lineNumbers(),
        highlightSpecialChars(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        theme,
        language.of([]),
        EditorState.lineSeparator.of(text.newline),
        EditorState.readOnly.of(readOnly),
        EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" }),
        keymap.of([...closeBracketsKeymap, ...searchKeymap, ...historyKeymap, ...defaultKeymap]),
        EditorView.updateListener.of((update) => update.docChanged && changed()),
      ],
    }),
  });
  void import("@codemirror/language-data").then(async ({ languages }) => {
    const found = await LanguageDescription.matchFilename(languages, name)?.load();
    if (found && view.dom.isConnected) view.dispatch({ effects: language.reconfigure(found) });
  });
  return { text: () => view.state.sliceDoc(), focus: () => view.focus(), destroy: () => view.destroy() };
}
