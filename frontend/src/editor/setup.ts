// One CodeMirror editor, as a cell needs it.

import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentLess, indentMore, insertNewlineAndIndent } from "@codemirror/commands";
import { bracketMatching, codeFolding, foldKeymap, indentOnInput } from "@codemirror/language";
import { effect } from "@preact/signals";
import { selectNextOccurrence } from "@codemirror/search";
import { Compartment, EditorState, Prec, type Extension } from "@codemirror/state";
import { crosshairCursor, drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, lineNumbers, placeholder, rectangularSelection, type KeyBinding } from "@codemirror/view";
import { kernelCompletions, type AskKernel } from "./completion";
import { closeInspection, hoverHelp, inspectAtCursor, inspection } from "./inspection";
import { magicLines } from "./magics";
import { lineNumbersShown } from "./preferences";
import { closeSignature, signatureHelp } from "./signature";
import { theme } from "./theme";

export interface EditorEvents {
  changed(text: string): void;
  focused(): void;
  /** Leave the editor for command mode. */
  escape(): void;
  run(then: "stay" | "next" | "insert"): void;
  split(at: number): void;
  /** The cursor goes over an edge: to the cell above (-1) or below (1). */
  leave(by: -1 | 1): void;
  tell(words: string): void;
}

export interface EditorOptions {
  text: string;
  label: string;
  placeholder: string;
  code: boolean;
  ask: AskKernel;
  events: EditorEvents;
}

export class CellEditor {
  readonly view: EditorView;
  private language = new Compartment();
  private naming = new Compartment();
  private numbers = new Compartment();
  private lock = new Compartment();
  private readonly forget: () => void;

  constructor(parent: HTMLElement, options: EditorOptions) {
    const state = EditorState.create({ doc: options.text, extensions: [this.extensions(options), this.language.of([]), this.naming.of(named(options.label)), this.numbers.of([]), this.lock.of([])] });
    this.view = new EditorView({ state, parent });
    this.forget = effect(() => {
      const shown = lineNumbersShown.value && options.code;
      this.view.dispatch({ effects: this.numbers.reconfigure(shown ? lineNumbers() : []) });
    });
  }

  setLanguage(extension: Extension): void {
    this.view.dispatch({ effects: this.language.reconfigure(extension) });
  }

  setLabel(label: string): void {
    this.view.dispatch({ effects: this.naming.reconfigure(named(label)) });
  }

  /** It can be read, selected and copied, and not changed. */
  setReadOnly(locked: boolean): void {
    this.view.dispatch({ effects: this.lock.reconfigure(locked ? [EditorState.readOnly.of(true), EditorView.contentAttributes.of({ "aria-readonly": "true" })] : []) });
  }

  /** Text that changed elsewhere, such as by an undo. */
  setText(text: string): void {
    const now = this.view.state.doc.toString();
    if (now !== text) this.view.dispatch({ changes: { from: 0, to: now.length, insert: text } });
  }

  focus(): void {
    if (!this.view.hasFocus) this.view.focus();
  }

  destroy(): void {
    this.forget();
    this.view.destroy();
  }

  private extensions({ events, ask, code, placeholder: hint }: EditorOptions): Extension {
    return [
      Prec.highest(keymap.of(cellKeys(events))),
      Prec.high(keymap.of(code ? codeKeys(events, ask) : [])),
      highlightSpecialChars(),
      history(),
      drawSelection(),
      dropCursor(),
      EditorState.allowMultipleSelections.of(true),
      rectangularSelection(),
      crosshairCursor(),
      EditorView.lineWrapping,
      placeholder(hint),
      theme,
      code ? [indentOnInput(), bracketMatching(), closeBrackets(), codeFolding(), magicLines, inspection, hoverHelp(ask), signatureHelp(ask), completions(ask)] : [],
      keymap.of([...closeBracketsKeymap, ...foldKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
      // After completion, which uses the same keys while its list is open.
      Prec.lowest(keymap.of([{ key: "Escape", run: () => (events.escape(), true) }])),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) events.changed(update.state.doc.toString());
        if (update.focusChanged && update.view.hasFocus) events.focused();
      }),
    ];
  }
}

function named(label: string): Extension {
  return EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": "editor-help", autocapitalize: "off", spellcheck: "false" });
}

function completions(ask: AskKernel): Extension {
  return autocompletion({ override: [kernelCompletions(ask)], activateOnTypingDelay: 150, icons: true, closeOnBlur: true });
}

function cellKeys(events: EditorEvents): KeyBinding[] {
  const run = (then: "stay" | "next" | "insert") => () => (events.run(then), true);
  return [
    { key: "Shift-Enter", run: run("next") },
    { key: "Ctrl-Enter", mac: "Cmd-Enter", run: run("stay") },
    { key: "Alt-Enter", run: run("insert") },
    { key: "Ctrl-Shift--", run: (view) => (events.split(view.state.selection.main.head), true) },
    { key: "Ctrl-Shift-_", run: (view) => (events.split(view.state.selection.main.head), true) },
  ];
}

function codeKeys(events: EditorEvents, ask: AskKernel): KeyBinding[] {
  return [
    { key: "Tab", run: (view) => acceptCompletion(view) || (afterName(view) ? startCompletion(view) : indentMore(view)) },
    { key: "Shift-Tab", run: (view) => inspectAtCursor(view, ask, events.tell) || indentLess(view) },
    { key: "Mod-d", run: selectNextOccurrence, preventDefault: true },
    { key: "Escape", run: (view) => [closeInspection(view), closeSignature(view)].some(Boolean) },
    { key: "Enter", run: (view) => acceptCompletion(view) || insertNewlineAndIndent(view) },
    { key: "ArrowUp", run: (view) => atEdge(view, -1) && (events.leave(-1), true) },
    { key: "ArrowDown", run: (view) => atEdge(view, 1) && (events.leave(1), true) },
  ];
}

function afterName(view: EditorView): boolean {
  const { main } = view.state.selection;
  return main.empty && /[\p{L}\p{N}_.%/"']$/u.test(view.state.sliceDoc(Math.max(0, main.head - 1), main.head));
}

function atEdge(view: EditorView, direction: -1 | 1): boolean {
  const { main } = view.state.selection;
  // An open list of completions wants the arrows for itself.
  if (!main.empty || view.dom.querySelector(".cm-tooltip-autocomplete")) return false;
  const line = view.state.doc.lineAt(main.head);
  if (line.number !== (direction < 0 ? 1 : view.state.doc.lines)) return false;
  return view.moveVertically(main, direction > 0).head === (direction < 0 ? 0 : view.state.doc.length) || main.head === (direction < 0 ? 0 : view.state.doc.length);
}
