// What is this? A tooltip with what the kernel says about the name at the cursor.

import { StateEffect, StateField, type Extension } from "@codemirror/state";
import { closeHoverTooltips, EditorView, hasHoverTooltips, hoverTooltip, showTooltip, type Tooltip } from "@codemirror/view";
import { render } from "preact";
import { LineTerminal } from "../outputs/lines";
import { StyledLines } from "../components/StyledLines";
import type { AskKernel } from "./completion";
import { toCodePoints } from "./positions";

const show = StateEffect.define<Tooltip | null>();

export const inspection = StateField.define<Tooltip | null>({
  create: () => null,
  update(tooltip, transaction) {
    for (const effect of transaction.effects) if (effect.is(show)) return effect.value;
    return transaction.docChanged || transaction.selection ? null : tooltip;
  },
  provide: (field) => showTooltip.from(field),
});

/** Ask about the name before the cursor; false when there is none, so that the key can mean something else. */
export function inspectAtCursor(view: EditorView, ask: AskKernel, tell: (words: string) => void): boolean {
  const pos = view.state.selection.main.head;
  const line = view.state.doc.lineAt(pos);
  if (!/[\p{L}\p{N}_)\].]\s*$|[([,]\s*$/u.test(view.state.sliceDoc(line.from, pos))) return false;
  const code = view.state.doc.toString();
  void ask("inspect", code, toCodePoints(code, pos)).then((reply) => {
    const text = reply?.found ? String((reply.data as Record<string, unknown> | undefined)?.["text/plain"] ?? "") : "";
    if (!text) return tell(reply ? "Nothing is known about this name." : "The kernel did not answer.");
    if (view.state.doc.toString() === code) view.dispatch({ effects: show.of(tooltipOf(text, pos)) });
    tell(text.replace(/\x1b\[[\d;]*m/g, "").slice(0, 300));
  });
  return true;
}

export function closeInspection(view: EditorView): boolean {
  const hovered = hasHoverTooltips(view.state);
  if (!view.state.field(inspection, false) && !hovered) return false;
  view.dispatch({ effects: [show.of(null), ...(hovered ? [closeHoverTooltips] : [])] });
  return true;
}

/** The pointer rests on a name: the same, until it goes away or Escape is pressed. Nothing is said where nothing is known. */
export function hoverHelp(ask: AskKernel): Extension {
  return hoverTooltip(
    async (view, pos) => {
      const line = view.state.doc.lineAt(pos);
      const before = /[\p{L}\p{N}_.]*$/u.exec(line.text.slice(0, pos - line.from))![0];
      const behind = /^[\p{L}\p{N}_]*/u.exec(line.text.slice(pos - line.from))![0];
      if (!/[\p{L}_]/u.test(before + behind)) return null;
      const code = view.state.doc.toString();
      const end = pos + behind.length;
      const reply = await ask("inspect", code, toCodePoints(code, end));
      const text = reply?.found ? String((reply.data as Record<string, unknown> | undefined)?.["text/plain"] ?? "") : "";
      if (!text || view.state.doc.toString() !== code || view.state.field(inspection)) return null;
      // The kernel may answer late: what would cover something else by then is not shown.
      if (!view.contentDOM.matches(":hover")) return null;
      return { ...tooltipOf(text, pos - before.length), end };
    },
    { hoverTime: 600, hideOnChange: true },
  );
}

function tooltipOf(text: string, pos: number): Tooltip {
  return {
    pos,
    above: false,
    create: () => {
      const dom = document.createElement("div");
      dom.className = "inspection";
      const terminal = new LineTerminal();
      terminal.write(text.slice(0, 100_000));
      render(StyledLines({ lines: terminal.lines }), dom);
      return { dom };
    },
  };
}
