// `%%bash` makes a cell of another language, `%time` and `!ls` a line: IPython's, drawn as what they are.

import { RangeSetBuilder } from "@codemirror/state";
import { Decoration, ViewPlugin, type DecorationSet, type EditorView, type ViewUpdate } from "@codemirror/view";

const CELLS: Record<string, string> = {
  bash: "bash", sh: "bash", script: "bash", system: "bash", sx: "bash", "!": "bash", sql: "sql", js: "javascript", javascript: "javascript",
  r: "r", markdown: "markdown", html: "text", svg: "text", latex: "text", writefile: "text",
};

/** The language of a cell's code: its notebook's, unless its first line says another. */
export function languageOf(source: string, language: string): string {
  if (!/python/i.test(language)) return language;
  const named = /^\s*%%(!|\w+)/.exec(source)?.[1]?.toLowerCase();
  return (named && CELLS[named]) || language;
}

const mark = Decoration.mark({ class: "cm-magic" });

export const magicLines = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = marked(view);
    }
    update(update: ViewUpdate): void {
      if (update.docChanged || update.viewportChanged) this.decorations = marked(update.view);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

function marked(view: EditorView): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to; ) {
      const line = view.state.doc.lineAt(at);
      const found = /^\s*(%{1,2}\w+|!|\?{1,2}[\w.]+)/.exec(line.text);
      if (found && line.length) builder.add(line.from, line.text.trimStart().startsWith("!") ? line.to : line.from + found[0].length, mark);
      at = line.to + 1;
    }
  }
  return builder.finish();
}
