// Syntax by language. Python comes with the page; every other language is loaded when a notebook needs it.

import { python } from "@codemirror/lang-python";
import { indentUnit, StreamLanguage, type StreamParser } from "@codemirror/language";
import type { Extension } from "@codemirror/state";

type Load = () => Promise<Extension>;

const legacy = (load: () => Promise<StreamParser<unknown>>): Load => async () => StreamLanguage.define(await load());

const LOADERS: [RegExp, Load][] = [
  [/typescript|deno/, async () => (await import("@codemirror/lang-javascript")).javascript({ typescript: true, jsx: true })],
  [/javascript|\bjs\b|node/, async () => (await import("@codemirror/lang-javascript")).javascript({ jsx: true })],
  [/^r\b/, legacy(async () => (await import("@codemirror/legacy-modes/mode/r")).r)],
  [/bash|shell|\bsh\b/, legacy(async () => (await import("@codemirror/legacy-modes/mode/shell")).shell)],
  [/sql/, async () => (({ sql, PostgreSQL }) => sql({ dialect: PostgreSQL, upperCaseKeywords: true }))(await import("@codemirror/lang-sql"))],
  [/json/, async () => (await import("@codemirror/lang-json")).json()],
  [/julia/, legacy(async () => (await import("@codemirror/legacy-modes/mode/julia")).julia as StreamParser<unknown>)],
  [/java|kotlin|scala/, legacy(async () => (await import("@codemirror/legacy-modes/mode/clike")).java as StreamParser<unknown>)],
  [/octave/, legacy(async () => (await import("@codemirror/legacy-modes/mode/octave")).octave as StreamParser<unknown>)],
];

/** Columns of a step, as people write the language. */
const FOUR = /python|java|kotlin|scala|julia|octave/;
const indented = (name: string, extension: Extension): Extension => [extension, indentUnit.of(/javascript/.test(name) || !FOUR.test(name) ? "  " : "    ")];

const loaded = new Map<string, Extension>([["python", indented("python", python())]]);

/** The extension if it is there already, else null and `loadLanguage` brings it. */
export function readyLanguage(name: string): Extension | null {
  return loaded.get(name.toLowerCase()) ?? null;
}

export async function loadLanguage(name: string): Promise<Extension> {
  const key = name.toLowerCase();
  const known = loaded.get(key);
  if (known) return known;
  const load = /python/.test(key) ? async () => python() : LOADERS.find(([pattern]) => pattern.test(key))?.[1];
  const extension = indented(key, load ? await load() : []);
  loaded.set(key, extension);
  return extension;
}

export async function loadMarkdown(): Promise<Extension> {
  const known = loaded.get("markdown");
  if (known) return known;
  const extension = (await import("@codemirror/lang-markdown")).markdown();
  loaded.set("markdown", extension);
  return extension;
}
