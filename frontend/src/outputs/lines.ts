// A small line terminal: what a program printed, as lines of styled runs.
//
// It knows what programs that draw progress bars use: \r, \b, \n, moving up and down, erasing, colours. It is fed text in
// pieces cut anywhere, even inside an escape sequence. Lines are never changed in place: a changed line is a new object,
// so whoever draws them compares by identity.

import { applySgr, linked, PLAIN, type Style } from "./ansi";
import { sliceColumns, width } from "./columns";

export interface Run {
  readonly text: string;
  readonly style: Style;
}
export type Line = readonly Run[];

const EMPTY: Line = [];
// Beyond this the middle is dropped, in steps, and counted.
const HEAD_LINES = 2000;
const MAX_LINES = 12000;
const DROP_STEP = 1000;
const MAX_PENDING = 4096;

const TAB = 8;
const CONTROL = /[\x00-\x1f\x7f]/g;
const CSI = /\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])/y;
const OSC = /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)/y;
// OSC 8: what follows is a link, until one without an address.
const LINK = /^\x1b\]8;[^;]*;([^\x07\x1b]*)/;
const OTHER_ESCAPE = /\x1b[ -/]*[0-Z\\^-~]/y;

export class LineTerminal {
  private rows: Line[] = [EMPTY];
  private row = 0;
  private column = 0;
  private style: Style = PLAIN;
  private pending = "";
  /** Lines dropped after the first HEAD_LINES. */
  dropped = 0;

  /** The lines as they are now, without a last one that is still empty: later writes do not show in it. */
  get lines(): readonly Line[] {
    return this.rows.slice(0, this.rows.at(-1)!.length === 0 ? -1 : undefined);
  }

  get droppedAfter(): number {
    return HEAD_LINES;
  }

  text(): string {
    return this.lines.map((line) => line.map((run) => run.text).join("")).join("\n");
  }

  write(chunk: string): void {
    const text = this.pending + chunk;
    this.pending = "";
    let at = 0;
    while (at < text.length) {
      CONTROL.lastIndex = at;
      const next = CONTROL.exec(text)?.index ?? text.length;
      if (next > at) this.print(text.slice(at, next));
      if (next === text.length) return;
      at = text[next] === "\x1b" ? this.escape(text, next) : this.control(text, next);
    }
  }

  private control(text: string, at: number): number {
    switch (text[at]) {
      case "\n":
      case "\v":
      case "\f":
        this.moveTo(this.row + 1, 0);
        break;
      case "\r":
        this.column = 0;
        break;
      case "\b":
        this.column = Math.max(0, this.column - 1);
        break;
      case "\t":
        // Written as spaces: the columns of what is written over it later must be right.
        this.print(" ".repeat(TAB - (this.column % TAB)));
        break;
    }
    return at + 1;
  }

  /** Obey one escape sequence; returns where the text goes on. An unfinished one waits for the next chunk. */
  private escape(text: string, at: number): number {
    CSI.lastIndex = OSC.lastIndex = OTHER_ESCAPE.lastIndex = at;
    const csi = CSI.exec(text);
    if (csi) {
      this.command(csi[2]!, csi[1]!);
      return CSI.lastIndex;
    }
    const osc = OSC.exec(text);
    if (osc) {
      const address = LINK.exec(osc[0]);
      if (address) this.style = linked(this.style, address[1]!);
      return OSC.lastIndex;
    }
    const begins = text[at + 1];
    if (begins !== undefined && begins !== "[" && begins !== "]" && OTHER_ESCAPE.test(text)) return OTHER_ESCAPE.lastIndex;
    const rest = text.slice(at);
    const unfinished = /^\x1b(?:\[[0-9;:<=>?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)$/.test(rest);
    if (!unfinished || rest.length > MAX_PENDING) return at + 1;
    this.pending = rest;
    return text.length;
  }

  private command(name: string, parameters: string): void {
    const first = parseInt(parameters, 10);
    const count = Math.min(Number.isNaN(first) ? 1 : Math.max(1, first), MAX_LINES);
    const mode = Number.isNaN(first) ? 0 : first;
    switch (name) {
      case "m":
        if (!/[<=>?]/.test(parameters)) this.style = applySgr(this.style, parameters);
        break;
      case "A":
        this.row = Math.max(0, this.row - count);
        break;
      case "B":
        this.row = Math.min(this.rows.length - 1, this.row + count);
        break;
      case "C":
        this.column += Math.min(count, 1000);
        break;
      case "D":
        this.column = Math.max(0, this.column - count);
        break;
      case "E":
        this.moveTo(Math.min(this.rows.length - 1, this.row + count), 0);
        break;
      case "F":
        this.moveTo(Math.max(0, this.row - count), 0);
        break;
      case "G":
        this.column = Math.min(count, 1000) - 1;
        break;
      case "H":
      case "f":
        this.moveTo(0, 0);
        break;
      case "J":
        this.eraseDisplay(mode);
        break;
      case "K":
        this.eraseLine(mode);
        break;
    }
  }

  private moveTo(row: number, column: number): void {
    this.row = row;
    this.column = column;
    while (this.rows.length <= row) this.rows.push(EMPTY);
    if (this.rows.length > MAX_LINES + DROP_STEP) {
      this.rows.splice(HEAD_LINES, DROP_STEP);
      this.dropped += DROP_STEP;
      this.row = Math.max(HEAD_LINES, this.row - DROP_STEP);
    }
  }

  private print(text: string): void {
    const line = this.rows[this.row]!;
    const length = lengthOf(line);
    const run: Run = { text, style: this.style };
    const columns = width(text);
    if (this.column === length) this.rows[this.row] = append(line, run);
    else if (this.column > length) this.rows[this.row] = append(append(line, { text: " ".repeat(this.column - length), style: PLAIN }), run);
    else {
      const kept = append(slice(line, 0, this.column), run);
      this.rows[this.row] = slice(line, this.column + columns, length).reduce(append, kept);
    }
    this.column += columns;
  }

  private eraseLine(mode: number): void {
    const line = this.rows[this.row]!;
    if (mode === 0) this.rows[this.row] = slice(line, 0, this.column);
    else if (mode === 2) this.rows[this.row] = EMPTY;
    else if (mode === 1) {
      const blank: Line = [{ text: " ".repeat(this.column + 1), style: PLAIN }];
      this.rows[this.row] = slice(line, this.column + 1, lengthOf(line)).reduce(append, blank);
    }
  }

  private eraseDisplay(mode: number): void {
    if (mode === 0) {
      this.eraseLine(0);
      this.rows.length = this.row + 1;
    } else if (mode === 1) {
      this.rows.fill(EMPTY, 0, this.row);
      this.eraseLine(1);
    } else {
      this.rows = [EMPTY];
      this.row = this.column = this.dropped = 0;
    }
  }
}

function append(line: Line, run: Run): Line {
  const last = line.at(-1);
  if (last && last.style === run.style) return [...line.slice(0, -1), { text: last.text + run.text, style: run.style }];
  return [...line, run];
}

/** The part of a line between two columns. */
function slice(line: Line, from: number, to: number): Line {
  const part: Run[] = [];
  let column = 0;
  for (const run of line) {
    const columns = width(run.text);
    const [start, end] = [Math.max(0, from - column), Math.min(columns, to - column)];
    if (start < end) part.push({ text: start === 0 && end === columns ? run.text : sliceColumns(run.text, start, end), style: run.style });
    column += columns;
  }
  return part;
}

function lengthOf(line: Line): number {
  let length = 0;
  for (const run of line) length += width(run.text);
  return length;
}
