// A CSV or TSV as a table: the first rows of it.

import type { ParseResult } from "papaparse";
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";

const ROWS = 500;
const COLUMNS = 100;

export interface Parsed {
  header: string[];
  rows: string[][];
  /** Rows that were read, whether shown or not; the file may have more. */
  total: number;
  columns: number;
  cut: boolean;
}

/** `cut`: the text is only the beginning of the file, so its last line is left out. */
export async function parse(text: string, tabs: boolean, cut: boolean): Promise<Parsed> {
  const { default: papa } = await import("papaparse");
  const whole = cut ? text.slice(0, text.lastIndexOf("\n") + 1) : text;
  const result: ParseResult<string[]> = papa.parse<string[]>(whole.replace(/^\ufeff/, ""), { delimiter: tabs ? "\t" : "", skipEmptyLines: "greedy" });
  const [header = [], ...rows] = result.data;
  const columns = Math.max(header.length, ...rows.slice(0, ROWS).map((row) => row.length));
  const across = (row: string[]) => Array.from({ length: Math.min(columns, COLUMNS) }, (_, index) => row[index] ?? "");
  return { header: across(header), rows: rows.slice(0, ROWS).map(across), total: rows.length, columns, cut };
}

export function TableFile({ name, text, cut }: { name: string; text: string; cut: boolean }): VNode {
  const [parsed, setParsed] = useState<Parsed | null>(null);
  useEffect(() => void parse(text, /\.(tsv|tab)$/i.test(name), cut).then(setParsed), [text]);
  if (!parsed) return <p class="muted pad" role="status">Reading…</p>;
  if (!parsed.header.length) return <p class="muted pad">This table is empty.</p>;
  return (
    <>
      <p class="muted pad" role="status">{summary(parsed)}</p>
      <div class="preview-table" tabIndex={0} role="region" aria-label={`Table ${name}`}>
        <table>
          <caption class="vh">{name}</caption>
          <thead>
            <tr>
              <th scope="col" class="row-number"><span class="vh">Row</span></th>
              {parsed.header.map((title, index) => (
                <th scope="col" key={index}>{title}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {parsed.rows.map((row, index) => (
              <tr key={index}>
                <th scope="row" class="row-number">{index + 1}</th>
                {row.map((value, column) => (
                  <td key={column} class={/^-?[\d.,]+(e[+-]?\d+)?$/i.test(value) ? "number" : ""}>{value}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function summary({ rows, total, columns, cut }: Parsed): string {
  const all = cut ? `more than ${total.toLocaleString()} rows` : `${total.toLocaleString()} ${total === 1 ? "row" : "rows"}`;
  const across = `${columns} ${columns === 1 ? "column" : "columns"}`;
  const shown = rows.length < total || cut ? ` The first ${rows.length} rows are shown.` : "";
  return `${all}, ${across}.${shown}${columns > COLUMNS ? ` The first ${COLUMNS} columns are shown.` : ""}`.replace(/^m/, "M");
}
