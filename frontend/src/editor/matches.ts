// Marks what find and replace found in this editor. The list comes from the page, which looks in all cells.

import { StateEffect, StateField, type Extension } from "@codemirror/state";
import { Decoration, EditorView, type DecorationSet } from "@codemirror/view";

export interface MarkedMatch {
  from: number;
  to: number;
}

const setMatches = StateEffect.define<{ matches: readonly MarkedMatch[]; current: number }>();

const field = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let now = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(setMatches)) continue;
      const { matches, current } = effect.value;
      const length = transaction.newDoc.length;
      now = Decoration.set(matches.filter((match) => match.to <= length).map((match, index) => Decoration.mark({ class: index === current ? "found found-current" : "found" }).range(match.from, match.to)));
    }
    return now;
  },
  provide: (marks) => EditorView.decorations.from(marks),
});

export const matchMarks: Extension = field;

export function showMatches(view: EditorView, matches: readonly MarkedMatch[], current: number): void {
  if (!matches.length && view.state.field(field).size === 0) return;
  const at = matches[current];
  const scroll = at && at.from <= view.state.doc.length ? [EditorView.scrollIntoView(at.from, { y: "nearest", yMargin: 80 })] : [];
  view.dispatch({ effects: [setMatches.of({ matches, current }), ...scroll] });
}
