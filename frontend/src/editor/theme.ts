// The editor in the colours of the page: every colour is one of its variables, so light and dark need no second theme.

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const look = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "transparent", fontSize: "var(--code-size)" },
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--caret)", padding: "10px 0", lineHeight: "1.55" },
  ".cm-line": { padding: "0 12px" },
  ".cm-cursor": { borderLeftColor: "var(--caret)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  ".cm-matchingBracket": { backgroundColor: "transparent" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--match)", outline: "none" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--muted)", border: "none", fontSize: "0.92em" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "2.4em", padding: "0 4px 0 8px" },
  ".found": { backgroundColor: "var(--match)", borderRadius: "2px" },
  ".found-current": { outline: "2px solid var(--accent)" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", border: "1px solid var(--line)", borderRadius: "8px", boxShadow: "var(--shadow)", color: "var(--text)", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "13px", maxHeight: "15em" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px 3px 4px", lineHeight: "1.5" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "600" },
  ".cm-magic, .cm-magic *": { color: "var(--code-function)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--accent-soft)", border: "1px solid var(--line)", color: "var(--text)", padding: "0 6px" },
  ".cm-completionIcon": { opacity: "0.7", width: "1.2em" },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword, tags.definitionKeyword, tags.moduleKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: [tags.comment, tags.lineComment, tags.blockComment], color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.function(tags.definition(tags.variableName))], color: "var(--code-function)" },
  { tag: [tags.className, tags.typeName, tags.namespace, tags.standard(tags.variableName)], color: "var(--code-type)" },
  { tag: [tags.meta, tags.annotation], color: "var(--code-function)" },
  { tag: [tags.heading], color: "var(--code-keyword)", fontWeight: "600" },
  { tag: [tags.link, tags.url], color: "var(--link)" },
  { tag: [tags.emphasis], fontStyle: "italic" },
  { tag: [tags.strong], fontWeight: "600" },
  { tag: [tags.monospace], color: "var(--code-string)" },
  { tag: [tags.invalid], color: "var(--danger)" },
]);

export const theme: Extension = [look, syntaxHighlighting(colours)];
