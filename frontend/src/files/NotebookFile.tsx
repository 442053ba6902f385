// A notebook that lies among the files: what is in it, and how it becomes one of ours.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { ApiError, ask, csrfHeaders } from "../api";
import { Markdown } from "../components/Markdown";
import type { Files } from "./files";
import { plain } from "./names";
import type { Entry } from "./tree";

const SHOWN = 200;

interface CellLike {
  cell_type?: unknown;
  source?: unknown;
}

export function NotebookFile({ files, entry, text }: { files: Files; entry: Entry; text: string }): VNode {
  const cells = cellsOf(text);
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState("");
  const [problem, setProblem] = useState("");
  if (!cells) return <p class="notice error" role="alert">This is not a notebook that can be read. Download it to look at it.</p>;
  const bring = async () => {
    setBusy(true);
    setProblem("");
    const form = new FormData();
    form.append("files", new Blob([text], { type: "application/x-ipynb+json" }), plain(entry.name));
    form.append("pool", files.page.settings.pool);
    try {
      const headers = { Accept: "application/json", ...csrfHeaders() };
      const { body } = await ask<{ made?: { url?: string }[] }>("POST", "/notebooks/import", undefined, { headers, body: form });
      setMade(String(body.made?.[0]?.url ?? files.page.addresses.list));
    } catch (error) {
      setProblem((error as ApiError).message);
    }
    setBusy(false);
  };
  return (
    <div class="preview-notebook">
      <p class="row">
        <span class="grow muted">
          {cells.length} {cells.length === 1 ? "cell" : "cells"}
        </span>
        {made ? (
          <a class="button primary" href={made} target="_blank" rel="noopener">
            Open the imported notebook
          </a>
        ) : (
          <button class="button primary" disabled={busy} onClick={() => void bring()}>
            {busy ? "Importing…" : "Import as a notebook"}
          </button>
        )}
      </p>
      {problem && <p class="notice error" role="alert">{problem}</p>}
      {cells.slice(0, SHOWN).map((cell, index) => (
        <section key={index} aria-label={`Cell ${index + 1}`}>
          {cell.type === "markdown" ? <Markdown source={cell.source} /> : <pre>{cell.source}</pre>}
        </section>
      ))}
      {cells.length > SHOWN && <p class="muted">{cells.length - SHOWN} more cells are not shown.</p>}
    </div>
  );
}

export function cellsOf(text: string): { type: string; source: string }[] | null {
  try {
    const cells = (JSON.parse(text) as { cells?: unknown } | null)?.cells;
    if (!Array.isArray(cells)) return null;
    return (cells as (CellLike | null)[]).map((cell) => ({ type: String(cell?.cell_type), source: ([] as unknown[]).concat(cell?.source ?? "").map(String).join("") }));
  } catch {
    return null;
  }
}
