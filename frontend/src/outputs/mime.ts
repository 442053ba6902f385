// Which of the forms of an output is shown.

import type { MimeBundle } from "../protocol";

export const RICHEST_FIRST = [
  "text/html", "application/javascript", "text/javascript", "image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp",
  "text/latex", "text/markdown", "application/json", "text/plain",
] as const;

export type ShownType = (typeof RICHEST_FIRST)[number];

export function richest(data: MimeBundle): ShownType | null {
  return RICHEST_FIRST.find((type) => data[type] !== undefined && data[type] !== null) ?? null;
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : Array.isArray(value) ? value.join("") : JSON.stringify(value, null, 2);
}

/** A data address for an <img>: an SVG inside one runs no scripts and loads nothing. */
export function imageAddress(type: string, value: unknown): string {
  const text = textOf(value);
  return type === "image/svg+xml" ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}` : `data:${type};base64,${text.replace(/\s/g, "")}`;
}
