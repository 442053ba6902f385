// HTML from a cell goes one of two ways: a plain table, as pandas makes it, is cleaned and becomes part of our page, where it
// can be read, selected and found; anything else is shown in a frame that reaches nothing of ours.

import DOMPurify from "dompurify";

const TABLE_TAGS = ["table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td", "div", "p", "span", "b", "strong", "i", "em", "code", "br"];
const LARGEST = 300_000;

/** The cleaned table, or null if this is more than a table and needs the frame. */
export function plainTable(html: string): string | null {
  if (html.length > LARGEST || !/<table[\s>]/i.test(html) || /<(?:script|svg|img|iframe|canvas|video|audio|object|embed|link|form|input|button|select|textarea|math|a)[\s/>]|\son\w+\s*=/i.test(html)) return null;
  // Only the three rules that pandas writes with every table may be dropped; a styled table keeps its look in the frame.
  const styles = html.match(/<style[^>]*>([\s\S]*?)<\/style>/gi) ?? [];
  if (styles.some((style) => !/<style scoped>/.test(style) || !style.includes(".dataframe"))) return null;
  const clean = DOMPurify.sanitize(html.replace(/<style[^>]*>[\s\S]*?<\/style>/gi, ""), {
    ALLOWED_TAGS: TABLE_TAGS,
    ALLOWED_ATTR: ["colspan", "rowspan", "scope"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
  return withScopes(clean);
}

/** pandas leaves `scope` out; with it, readers know which header a cell belongs to. */
function withScopes(html: string): string {
  const body = new DOMParser().parseFromString(html, "text/html").body;
  for (const cell of body.querySelectorAll("th:not([scope])")) {
    cell.setAttribute("scope", cell.closest("thead") ? "col" : "row");
  }
  for (const corner of body.querySelectorAll("th:empty")) corner.replaceWith(document.createElement("td"));
  return body.innerHTML;
}
