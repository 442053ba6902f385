// Which call the cursor is in, and what its signature is, from text alone: each language writes calls alike enough.

export interface Call {
  /** Just behind the name of what is called. */
  at: number;
  /** The number of arguments before the cursor's. */
  argument: number;
}

const FAR = 4000;
const OPEN = "([{";
const CLOSE = ")]}";

/** The innermost call around a place, or null. */
export function callAround(text: string, pos: number): Call | null {
  const stack: { at: number; sign: string; commas: number }[] = [];
  let quote = "";
  for (let at = Math.max(0, pos - FAR); at < pos; at++) {
    const sign = text[at]!;
    if (quote) {
      if (sign === "\\") at++;
      else if (sign === quote || (sign === "\n" && quote !== "`")) quote = "";
    } else if (sign === '"' || sign === "'" || sign === "`") quote = sign;
    else if (OPEN.includes(sign)) stack.push({ at, sign, commas: 0 });
    else if (CLOSE.includes(sign)) stack.pop();
    else if (sign === "," && stack.length) stack[stack.length - 1]!.commas++;
  }
  const inner = stack[stack.length - 1];
  if (quote || !inner || inner.sign !== "(" || !/[\p{L}\p{N}_]$/u.test(text.slice(0, inner.at))) return null;
  const name = /[\p{L}\p{N}_.]+$/u.exec(text.slice(0, inner.at))![0];
  if (/^(if|for|while|switch|def|function|class|return|and|or|not|in|values|from|where|select)$/i.test(name)) return null;
  if (/\b(def|function|class)\s+$/.test(text.slice(0, inner.at - name.length))) return null;
  return { at: inner.at, argument: inner.commas };
}

export interface Signature {
  before: string;
  parameters: string[];
  after: string;
}

/** The signature in what a kernel says about a function; null if there is none that can be told. */
export function signatureIn(told: string): Signature | null {
  const plain = told.replace(/\x1b\[[\d;]*m/g, "");
  const found = /(?:^|\n)(?:Init signature|Call signature|Signature):\s*([^\n]*(?:\n[ \t)][^\n]*)*)/.exec(plain);
  const line = (found ? found[1]! : (/^(?:function )?[\w.$]+\(.*\).*/.exec(plain)?.[0] ?? "")).replace(/\s+/g, " ").trim();
  const open = line.indexOf("(");
  if (open < 0) return null;
  const parameters: string[] = [];
  let depth = 0;
  let start = open + 1;
  let quote = "";
  for (let at = open; at < line.length; at++) {
    const sign = line[at]!;
    if (quote) {
      if (sign === quote) quote = "";
      continue;
    }
    if (sign === "'" || sign === '"') quote = sign;
    else if (OPEN.includes(sign)) depth++;
    else if (CLOSE.includes(sign)) depth--;
    if (depth === 0 || (depth === 1 && sign === ",")) {
      const parameter = line.slice(start, at).trim();
      if (parameter) parameters.push(parameter);
      start = at + 1;
      if (depth === 0) return { before: line.slice(0, open + 1), parameters, after: line.slice(at) };
    }
  }
  return null;
}

/** Which parameter an argument is for: `*` and `/` take none, `*args` takes all that is left. */
export function currentParameter(signature: Signature, argument: number): number {
  const taking = signature.parameters.map((parameter, index) => ({ parameter, index })).filter(({ parameter }) => parameter !== "*" && parameter !== "/");
  const rest = taking.findIndex(({ parameter }) => /^(\*|\.\.\.)/.test(parameter));
  return (taking[rest >= 0 ? Math.min(argument, rest) : argument] ?? { index: -1 }).index;
}
