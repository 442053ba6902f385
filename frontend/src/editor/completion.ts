// Completion and inspection: the kernel knows what names mean here.

import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { toCodePoints, toUnits } from "./positions";

export type AskKernel = (type: "complete" | "inspect", code: string, cursor: number) => Promise<Record<string, unknown> | null>;

const TYPES: Record<string, string> = {
  function: "function", method: "method", class: "class", module: "namespace", instance: "variable", statement: "variable",
  keyword: "keyword", param: "property", property: "property", path: "text", magic: "keyword",
};
const MOST = 500;

export function kernelCompletions(ask: AskKernel) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const before = context.matchBefore(/[\p{L}\p{N}_.%$]+/u);
    if (!context.explicit && (!before || before.text.length < 2)) return null;
    const code = context.state.doc.toString();
    const reply = await ask("complete", code, toCodePoints(code, context.pos));
    if (context.aborted || !reply || !Array.isArray(reply.matches) || !reply.matches.length) return null;
    return toResult(code, context.pos, reply);
  };
}

export function toResult(code: string, pos: number, reply: Record<string, unknown>): CompletionResult {
  const matches = (reply.matches as unknown[]).slice(0, MOST).map(String);
  const from = typeof reply.cursor_start === "number" ? Math.min(pos, toUnits(code, reply.cursor_start)) : pos;
  const kinds = kindsOf(reply);
  const typed = code.slice(from, pos);
  // A kernel may answer `df.head` where `df.` is typed: the part up to the last dot is only repeated.
  const common = matches.every((match) => match.startsWith(typed.slice(0, typed.lastIndexOf(".") + 1))) ? typed.lastIndexOf(".") + 1 : 0;
  const options: Completion[] = matches.map((match, index) => ({
    label: match.slice(common),
    ...(kinds.has(match) && { type: kinds.get(match)! }),
    boost: match.startsWith("_") || match.includes("._") ? -50 : (matches.length - index) / matches.length,
  }));
  return { from: from + common, options, validFor: /^[\p{L}\p{N}_]*$/u };
}

function kindsOf(reply: Record<string, unknown>): Map<string, string> {
  const listed = (reply.metadata as { _jupyter_types_experimental?: unknown } | undefined)?._jupyter_types_experimental;
  const kinds = new Map<string, string>();
  if (!Array.isArray(listed)) return kinds;
  for (const each of listed as { text?: unknown; type?: unknown }[]) {
    const kind = TYPES[String(each?.type)];
    if (kind) kinds.set(String(each.text), kind);
  }
  return kinds;
}
