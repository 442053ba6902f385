// One CodeMirror editor, as a cell needs it.

import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap, completionStatus, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentLess, indentMore, insertNewlineAndIndent } from "@codemirror/commands";
import { bracketMatching, codeFolding, foldKeymap, indentOnInput } from "@codemirror/language";
import { selectNextOccurrence } from "@codemirror/search";
import { Compartment, EditorState, Prec, type Extension } from "@codemirror/state";
import { crosshairCursor, drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, lineNumbers, placeholder, rectangularSelection, type KeyBinding } from "@codemirror/view";
import { kernelCompletions, type AskKernel } from "./completion";
import { closeInspection, hoverHelp, inspectAtCursor, inspection } from "./inspection";
import { magicLines } from "./magics";
import { matchMarks, showMatches, type MarkedMatch } from "./matches";
import { closeSignature, signatureHelp } from "./signature";
import { theme } from "./theme";

export interface EditorEvents {
  changed(text: string): void;
  focused(): void;
  /** Leave the editor for command mode. */
  escape(): void;
  /** The cursor goes over an edge: to the cell above (-1) or below (1). */
  leave(by: -1 | 1): void;
  tell(words: string): void;
  /** Whether what is pasted or dropped is taken care of; else it is text. */
  bring?(data: DataTransfer | null): boolean;
}

export interface EditorOptions {
  text: string;
  label: string;
  placeholder: string;
  code: boolean;
  readOnly: boolean;
  lineNumbers: boolean;
  ask: AskKernel;
  events: EditorEvents;
}

export class CellEditor {
  readonly view: EditorView;
  private language = new Compartment();
  private naming = new Compartment();
  private numbering = new Compartment();
  private guarding = new Compartment();

  constructor(parent: HTMLElement, options: EditorOptions) {
    const state = EditorState.create({ doc: options.text, extensions: [this.extensions(options), this.language.of([]), this.naming.of(named(options.label)), this.numbering.of(numbered(options.lineNumbers)), this.guarding.of(guarded(options.readOnly))] });
    this.view = new EditorView({ state, parent });
  }

  setLanguage(extension: Extension): void {
    this.view.dispatch({ effects: this.language.reconfigure(extension) });
  }

  setLabel(label: string): void {
    this.view.dispatch({ effects: this.naming.reconfigure(named(label)) });
  }

  /** What is open over the editor, or was just asked for, is of no use once the cell runs. */
  closePopups(): void {
    closeCompletion(this.view);
    closeSignature(this.view);
  }

  setLineNumbers(on: boolean): void {
    this.view.dispatch({ effects: this.numbering.reconfigure(numbered(on)) });
  }

  setReadOnly(on: boolean): void {
    this.view.dispatch({ effects: this.guarding.reconfigure(guarded(on)) });
  }

  /** Text that changed elsewhere, such as by an undo. */
  setText(text: string): void {
    const now = this.view.state.doc.toString();
    if (now !== text) this.view.dispatch({ changes: { from: 0, to: now.length, insert: text } });
  }

  /** Where the cursors are; of what is selected, both ends. */
  cursors(): number[] {
    return this.view.state.selection.ranges.flatMap((range) => (range.empty ? [range.head] : [range.from, range.to]));
  }

  selectedText(): string {
    const { from, to } = this.view.state.selection.main;
    return this.view.state.sliceDoc(from, to);
  }

  /** In place of what is selected. */
  insert(text: string): void {
    this.view.dispatch(this.view.state.replaceSelection(text), { scrollIntoView: true, userEvent: "input.paste" });
  }

  select(from: number, to: number): void {
    const { length } = this.view.state.doc;
    if (to <= length) this.view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true });
  }

  showMatches(matches: readonly MarkedMatch[], current: number): void {
    showMatches(this.view, matches, current);
  }

  /** The cursor where a click on what stood in for this editor was. */
  placeCursorAt(x: number, y: number): void {
    const at = this.view.posAtCoords({ x, y }, false);
    this.view.dispatch({ selection: { anchor: at } });
  }

  focus(): void {
    if (!this.view.hasFocus) this.view.focus();
  }

  destroy(): void {
    this.view.destroy();
  }

  private extensions({ events, ask, code, placeholder: hint }: EditorOptions): Extension {
    return [
      Prec.highest(keymap.of([{ key: "Escape", run: (view) => leave(view, events) }])),
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
      matchMarks,
      events.bring ? bringing(events.bring) : [],
      code ? [indentOnInput(), bracketMatching(), closeBrackets(), codeFolding(), magicLines, inspection, hoverHelp(ask), signatureHelp(ask), completions(ask)] : [],
      keymap.of([...closeBracketsKeymap, ...foldKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
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

function numbered(on: boolean): Extension {
  return on ? lineNumbers() : [];
}

function guarded(on: boolean): Extension {
  return [EditorState.readOnly.of(on), EditorView.editable.of(!on), on ? EditorView.contentAttributes.of({ tabindex: "0", "aria-readonly": "true" }) : []];
}

function bringing(bring: NonNullable<EditorEvents["bring"]>): Extension {
  return EditorView.domEventHandlers({
    paste: (event, view) => !view.state.readOnly && bring(event.clipboardData),
    // Else a browser may not let a file be dropped here.
    dragover: (event, view) => !view.state.readOnly && event.dataTransfer?.types.includes("Files"),
    drop: (event, view) => {
      if (view.state.readOnly || !bring(event.dataTransfer)) return false;
      view.dispatch({ selection: { anchor: view.posAtCoords({ x: event.clientX, y: event.clientY }, false) } });
      view.focus();
      return true;
    },
  });
}

function completions(ask: AskKernel): Extension {
  return autocompletion({ override: [kernelCompletions(ask)], activateOnTypingDelay: 150, icons: true, closeOnBlur: true });
}

function codeKeys(events: EditorEvents, ask: AskKernel): KeyBinding[] {
  return [
    { key: "Tab", run: (view) => acceptCompletion(view) || (afterName(view) ? startCompletion(view) : indentMore(view)) },
    { key: "Shift-Tab", run: (view) => inspectAtCursor(view, ask, events.tell) || indentLess(view) },
    { key: "Mod-d", run: selectNextOccurrence, preventDefault: true },
    { key: "Enter", run: (view) => acceptCompletion(view) || insertNewlineAndIndent(view) },
    { key: "ArrowUp", run: (view) => atEdge(view, -1) && (events.leave(-1), true) },
    { key: "ArrowDown", run: (view) => atEdge(view, 1) && (events.leave(1), true) },
  ];
}

/** Escape closes what is open over the editor, and else leaves it: also while completions are only being looked for. */
function leave(view: EditorView, events: EditorEvents): boolean {
  if (completionStatus(view.state) === "active") return false;
  if ([closeInspection(view), closeSignature(view)].some(Boolean)) return true;
  closeCompletion(view);
  events.escape();
  return true;
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
