// A table as data: what came with the display, checked, and pages of it. A whole table is sorted and filtered here; of a
// larger one the kernel is asked, by the same words.

import { objectOf } from "./mime";

export type ColumnType = "integer" | "number" | "boolean" | "datetime" | "string" | "object";

export interface Column {
  name: string;
  type: ColumnType;
  index: boolean;
}

export interface Table {
  id: string | null;
  columns: Column[];
  rows: unknown[][];
  total: number;
  /** All of it is here. */
  whole: boolean;
  hiddenColumns: number;
}

export type FilterOp = "contains" | "eq" | "lt" | "gt" | "empty";

export interface Question {
  offset: number;
  limit: number;
  sort: { column: number; descending: boolean }[];
  filters: { column: number; op: FilterOp; value: string }[];
  search: string;
}

export interface Page {
  rows: unknown[][];
  total: number;
  filtered: number;
}

const TYPES = new Set<string>(["integer", "number", "boolean", "datetime", "string", "object"]);

/** The MIME's content; null if it is none. */
export function readTable(value: unknown): Table | null {
  const given = objectOf(value);
  if (given?.version !== 1 || !Array.isArray(given.columns) || !Array.isArray(given.rows)) return null;
  const columns = given.columns.map((column): Column => {
    const { name, type, index } = objectOf(column) ?? {};
    return { name: String(name ?? ""), type: TYPES.has(String(type)) ? (type as ColumnType) : "object", index: index === true };
  });
  const rows = given.rows.filter(Array.isArray).map((row: unknown[]) => columns.map((_, place) => row[place] ?? null));
  const total = typeof given.total === "number" && given.total >= rows.length ? given.total : rows.length;
  const hiddenColumns = typeof given.hidden_columns === "number" ? Math.max(0, given.hidden_columns) : 0;
  return { id: typeof given.id === "string" ? given.id : null, columns, rows, total, whole: rows.length === total, hiddenColumns };
}

/** A kernel's answer; null if it is none. */
export function readPage(value: unknown, table: Table): Page | null {
  const given = objectOf(value);
  if (!given || !Array.isArray(given.rows) || typeof given.total !== "number" || typeof given.filtered !== "number") return null;
  const rows = given.rows.filter(Array.isArray).map((row: unknown[]) => table.columns.map((_, place) => row[place] ?? null));
  return { rows, total: given.total, filtered: given.filtered };
}

/** A page of the rows that are here. */
export function pageOf(table: Table, { offset, limit, sort, filters, search }: Question): Page {
  let rows = table.rows.filter((row) => filters.every(({ column, op, value }) => matches(row[column], table.columns[column]?.type, op, value)));
  const wanted = search.toLowerCase();
  if (wanted) rows = rows.filter((row) => row.some((cell) => cell !== null && written(cell).toLowerCase().includes(wanted)));
  // The last is the first key: each sorting keeps the order of equals.
  for (const { column, descending } of [...sort].reverse()) rows = [...rows].sort((one, other) => compare(one[column], other[column], descending));
  return { rows: rows.slice(offset, offset + limit), total: table.total, filtered: rows.length };
}

function matches(cell: unknown, type: ColumnType | undefined, op: FilterOp, value: string): boolean {
  if (op === "empty") return cell === null || cell === "";
  if (cell === null) return false;
  if (op === "contains") return written(cell).toLowerCase().includes(value.toLowerCase());
  const order = type === "integer" || type === "number" ? (typeof cell === "string" ? numberIn(cell) : Number(cell)) - Number(value) : type === "boolean" ? Number(cell) - Number(isTrue(value)) : compareText(written(cell), value);
  return op === "eq" ? order === 0 : op === "lt" ? order < 0 : order > 0;
}

function isTrue(value: string): boolean {
  return ["true", "1", "yes"].includes(value.trim().toLowerCase());
}

/** What is missing comes last, either way. */
function compare(one: unknown, other: unknown, descending: boolean): number {
  if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1;
  const numbers = [one, other].map((value) => (typeof value === "string" ? numberIn(value) : Number(value))) as [number, number];
  const texts = typeof one === "string" && typeof other === "string" && numbers.some(Number.isNaN);
  const order = texts || numbers.some(Number.isNaN) ? compareText(written(one), written(other)) : numbers[0] - numbers[1] || 0;
  return descending ? -order : order;
}

/** Numbers for which JSON has no form come as text. */
function numberIn(text: string): number {
  return text === "inf" ? Infinity : text === "-inf" ? -Infinity : /^-?\d{16,}$/.test(text) ? Number(text) : NaN;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** The whole of a value, as copies and files have it. */
export function written(cell: unknown): string {
  return cell === null || cell === undefined ? "" : typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

/** A value as it is shown: numbers short, what is missing by its usual name. */
export function shown(cell: unknown, type: ColumnType): string {
  if (cell === null || cell === undefined) return type === "integer" || type === "number" ? "NaN" : type === "datetime" ? "NaT" : "None";
  if (typeof cell === "boolean") return cell ? "True" : "False";
  if (typeof cell !== "number" || Number.isInteger(cell)) return written(cell);
  const size = Math.abs(cell);
  if (size >= 1e15 || size < 1e-4) return cell.toExponential(4);
  return String(Number(cell.toFixed(Math.max(0, 6 - Math.max(0, Math.floor(Math.log10(size)))))));
}

/** What somebody types above a column: a text that is contained, "=5", ">5", "<5", or "=" alone for empty ones. */
export function readFilter(column: number, typed: string): Question["filters"][number] | null {
  const text = typed.trim();
  if (!text) return null;
  if (text === "=") return { column, op: "empty", value: "" };
  const op = ({ "=": "eq", ">": "gt", "<": "lt" } as const)[text[0]!];
  if (!op) return { column, op: "contains", value: text };
  const value = text.slice(1).trim();
  return value ? { column, op, value } : null;
}
