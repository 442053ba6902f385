// Markdown as HTML that is safe in our page. Mathematics is typeset after its library has been loaded, when there is any.

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

const markdown = new MarkdownIt({ html: true, linkify: true });
const MATH = /\$\$[\s\S]+?\$\$|\\\[[\s\S]+?\\\]|\\\([\s\S]+?\\\)|(?<![\\$\w])\$(?=\S)(?:[^$\n\\]|\\.)+?(?<=\S)\$(?!\d)|\\begin\{(equation|align|gather)\*?\}[\s\S]+?\\end\{\1\*?\}/g;
const CODE = /(`{3,}|~{3,})[\s\S]*?(?:\1|$)|(`+)(?!`)[\s\S]*?[^`]\2(?!`)/g;
// Private use characters that Markdown leaves alone and nobody types.
const [OPEN, CLOSE] = ["\ue000", "\ue001"];

export type Typeset = (tex: string, display: boolean) => string;

export interface Rendered {
  html: string;
  /** There is mathematics that was not typeset because no `typeset` was given. */
  wantsMath: boolean;
}

export function renderMarkdown(source: string, attachments: Record<string, unknown> = {}, typeset: Typeset | null = null): Rendered {
  const formulas: string[] = [];
  const text = outsideCode(source.replace(/[\ue000\ue001]/g, ""), (part) => part.replace(MATH, (formula) => `${OPEN}${formulas.push(formula) - 1}${CLOSE}`));
  const clean = DOMPurify.sanitize(withAttachments(markdown.render(text), attachments), {
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "iframe", "object", "embed"],
    FORBID_ATTR: ["style", "id", "class", "name"],
    ALLOW_DATA_ATTR: false,
  });
  const html = clean.replace(new RegExp(`${OPEN}(\\d+)${CLOSE}`, "g"), (_, index) => formulaHtml(formulas[Number(index)] ?? "", typeset));
  return { html: outwardLinks(html), wantsMath: formulas.length > 0 && !typeset };
}

function outsideCode(text: string, change: (part: string) => string): string {
  let result = "";
  let at = 0;
  for (const code of text.matchAll(CODE)) {
    result += change(text.slice(at, code.index)) + code[0];
    at = code.index + code[0].length;
  }
  return result + change(text.slice(at));
}

function formulaHtml(formula: string, typeset: Typeset | null): string {
  const display = /^(\$\$|\\\[|\\begin)/.test(formula);
  const tex = formula.startsWith("\\begin") ? formula.replace(/^\\begin\{equation\*?\}|\\end\{equation\*?\}$/g, "").replace(/\{align(\*?)\}/g, "{aligned}").replace(/\{gather(\*?)\}/g, "{gathered}") : formula.replace(/^(\$\$|\$|\\\[|\\\()|(\$\$|\$|\\\]|\\\))$/g, "");
  if (typeset) return typeset(tex, display);
  const escaped = formula.replace(/[&<>]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[character]!);
  return `<code class="math">${escaped}</code>`;
}

/**
 * Pictures pasted into a cell travel in it, as `attachment:name`. They come into what is rendered: Markdown takes seconds for an
 * address of megabytes. Into <img> alone, where the scripts of an SVG never run.
 */
function withAttachments(html: string, attachments: Record<string, unknown>): string {
  return html.replace(/(<img [^>]*?src=)(["'])attachment:(.*?)\2/gi, (whole, before: string, quote: string, address: string) => {
    const name = address.replace(/&amp;/g, "&");
    const bundle = (attachments[decoded(name)] ?? attachments[name]) as Record<string, unknown> | undefined;
    const [type, data] = Object.entries(bundle ?? {}).find(([key]) => /^image\/(png|jpeg|gif|svg\+xml|webp)$/.test(key)) ?? [];
    return type && typeof data === "string" ? `${before}${quote}data:${type};base64,${data.replace(/[^\w+/=]/g, "")}${quote}` : whole;
  });
}

/** What is written by hand may be no address. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function outwardLinks(html: string): string {
  return html.replace(/<a href="(?!#)/g, '<a target="_blank" rel="noopener noreferrer" href="');
}

let typesetter: Promise<Typeset> | null = null;

/** KaTeX, on first need. It writes no links and loads no pictures. */
export function loadTypesetter(): Promise<Typeset> {
  typesetter ??= Promise.all([import("katex"), import("katex/dist/katex.min.css")]).then(([{ default: katex }]) => (tex: string, displayMode: boolean) =>
    katex.renderToString(tex, { displayMode, throwOnError: false, trust: false, maxExpand: 500, maxSize: 50, output: "htmlAndMathml" }),
  );
  return typesetter;
}
