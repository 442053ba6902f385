// Names of files. A name may be any bytes: what is no text, and every control character, comes from the server as a character
// of a private range, one for each byte (docs/protocol.md §4). People see such bytes as \xff, and what turns text around as
// its number, so that no name looks like another one.

const ESCAPE = 0x10fe00;
const STRANGE = /[\u{10fe00}-\u{10feff}\u0080-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

export interface Part {
  text: string;
  /** This is not in the name itself: it stands for what cannot be shown. */
  escaped: boolean;
}

/** A name for people, in parts. */
export function parts(name: string): Part[] {
  const found: Part[] = [];
  let at = 0;
  for (const match of name.matchAll(STRANGE)) {
    if (match.index > at) found.push({ text: name.slice(at, match.index), escaped: false });
    found.push({ text: written(match[0]), escaped: true });
    at = match.index + match[0].length;
  }
  if (at < name.length) found.push({ text: name.slice(at), escaped: false });
  return found;
}

/** The same as one text, for labels and messages. */
export function plain(name: string): string {
  return name.replace(STRANGE, written);
}

function written(character: string): string {
  const code = character.codePointAt(0)!;
  if (code < ESCAPE) return `\\u${code.toString(16).padStart(4, "0")}`;
  const byte = code - ESCAPE;
  const short: Record<number, string> = { 9: "\\t", 10: "\\n", 13: "\\r" };
  return short[byte] ?? `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** Why nothing may be given this name, or "". */
export function faultOf(name: string): string {
  if (!name.trim()) return "Write a name.";
  if (name === "." || name === "..") return "This name has a meaning of its own. Choose another.";
  if (name.includes("/")) return "A name has no slash. Make the folder first, or move the file into it.";
  if (new TextEncoder().encode(name).length > 255) return "A name has at most 255 bytes. Shorten it.";
  if (/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(name)) return "A name has no control characters.";
  return "";
}

export function join(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether `path` is `folder` or in it. */
export function within(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

/** A name that is free: "data.csv" becomes "data (2).csv". */
export function freeName(name: string, taken: (name: string) => boolean): string {
  if (!taken(name)) return name;
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  const numbered = / \((\d{1,6})\)$/.exec(stem);
  const base = numbered ? stem.slice(0, numbered.index) : stem;
  for (let number = numbered ? Number(numbered[1]) + 1 : 2; ; number++) {
    const name = `${base} (${number})${ending}`;
    if (!taken(name)) return name;
  }
}

/** What of a selection is to be handled: not what is in a folder that is selected itself. */
export function topmost(paths: Iterable<string>): string[] {
  const all = [...paths].sort();
  return all.filter((path) => !all.some((other) => other !== path && within(path, other)));
}
