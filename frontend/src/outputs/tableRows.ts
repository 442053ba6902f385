// Where the rows of a table come from: from what is here, or from the kernel that has the whole.

import type { NotebookSession } from "../session/session";
import { pageOf, readPage, type Page, type Question, type Table } from "./table";

export interface Told {
  page: Page;
  /** Why these are not the rows that were asked for; in words. */
  trouble: string;
}

/** Rows that a file may hold; a table that is larger is written by code. */
export const MOST_IN_A_FILE = 50_000;
const IN_ONE_PAGE = 5000;
const FROZEN = "These are the first rows only: the kernel does not have the table any more. Run the cell again to see all of it.";

export async function askRows(session: NotebookSession, table: Table, question: Question): Promise<Told> {
  if (table.whole) return { page: pageOf(table, question), trouble: "" };
  const answer = table.id === null ? null : await session.askKernel("table", { id: table.id, ...question });
  const page = readPage(answer, table);
  if (page) return { page, trouble: "" };
  const plain = !question.sort.length && !question.filters.length && !question.search;
  const here = pageOf(table, question);
  // Of rows that are not sorted and filtered the first are known, and how many there are.
  if (plain && question.offset + question.limit <= table.rows.length) return { page: { ...here, filtered: table.total }, trouble: "" };
  return { page: { ...here, total: table.total }, trouble: reason(answer) };
}

function reason(answer: Record<string, unknown> | null): string {
  if (answer?.error === "busy") return "The kernel is busy: of this table only the first rows can be shown until it is done.";
  if (answer?.error === "bad" && typeof answer.message === "string") return answer.message;
  return FROZEN;
}

/** All rows of a view, up to what a file may hold. */
export async function allRows(session: NotebookSession, table: Table, question: Question): Promise<unknown[][]> {
  const rows: unknown[][] = [];
  for (let offset = 0; offset < MOST_IN_A_FILE; offset += IN_ONE_PAGE) {
    const { page, trouble } = await askRows(session, table, { ...question, offset, limit: IN_ONE_PAGE });
    rows.push(...page.rows);
    if (trouble || offset + IN_ONE_PAGE >= page.filtered || page.rows.length === 0) break;
  }
  return rows.slice(0, MOST_IN_A_FILE);
}
