// Which of the forms of an output is shown.

import type { MimeBundle } from "../protocol";

export const WIDGET = "application/vnd.jupyter.widget-view+json";
/** Beside it: what the widget last was, as nbformat keeps it. */
export const WIDGET_STATE = "application/vnd.jupyter.widget-state+json";
export const PLOTLY = "application/vnd.plotly.v1+json";
export const TABLE = "application/vnd.thermae.table+json";
const VEGA = /^application\/vnd\.vega\.v[2-6](?:\+json|\.json)$/;
const VEGA_LITE = /^application\/vnd\.vegalite\.v[2-6](?:\+json|\.json)$/;

export const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"] as const;

/** What draws an output, the richest first. */
export type Form =
  | "widget" | "vega" | "vegalite" | "plotly" | "table" | "html" | "script" | "svg" | "image" | "pdf" | "latex" | "markdown" | "json" | "text";

const RICHEST_FIRST: readonly [Form, (type: string) => boolean][] = [
  ["widget", (type) => type === WIDGET],
  ["vegalite", (type) => VEGA_LITE.test(type)],
  ["vega", (type) => VEGA.test(type)],
  ["plotly", (type) => type === PLOTLY],
  ["table", (type) => type === TABLE],
  ["html", (type) => type === "text/html"],
  ["script", (type) => type === "application/javascript" || type === "text/javascript"],
  ["svg", (type) => type === "image/svg+xml"],
  ["image", (type) => (IMAGES as readonly string[]).includes(type)],
  ["pdf", (type) => type === "application/pdf"],
  ["latex", (type) => type === "text/latex"],
  ["markdown", (type) => type === "text/markdown"],
  ["json", (type) => type === "application/json"],
  ["text", (type) => type === "text/plain"],
];

export interface Chosen {
  form: Form;
  type: string;
  value: unknown;
}

/** The richest form that we know how to show; `without` are forms that turned out not to be usable. */
export function richest(data: MimeBundle, without: readonly Form[] = []): Chosen | null {
  const types = Object.keys(data).filter((type) => data[type] !== undefined && data[type] !== null);
  for (const [form, fits] of RICHEST_FIRST) {
    const type = without.includes(form) ? undefined : types.find(fits);
    if (type !== undefined) return { form, type, value: data[type] };
  }
  // Any other JSON is shown as what it is.
  const other = types.find((type) => type.endsWith("+json") && !without.length);
  return other ? { form: "json", type: other, value: data[other] } : null;
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : Array.isArray(value) && value.every((part) => typeof part === "string") ? value.join("") : JSON.stringify(value, null, 2);
}

/** A JSON form may come as its text. */
export function objectOf(value: unknown): Record<string, unknown> | null {
  let parsed = value;
  if (typeof value === "string") {
    try {
      parsed = JSON.parse(value);
    } catch {
      return null;
    }
  }
  return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : null;
}

/** A data address for an <img>: an SVG inside one runs no scripts and loads nothing. */
export function imageAddress(type: string, value: unknown): string {
  const text = textOf(value);
  return type === "image/svg+xml" ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}` : `data:${type};base64,${text.replace(/\s/g, "")}`;
}
