// What a terminal answers is typed into the shell. So no answer may carry words of who printed the question: a file that
// somebody only looks at would type for them.
//
// xterm.js refuses by itself to tell its title and to touch the clipboard, knows no answer-back and no name, and says fixed
// words to DECRQSS. Two things are left to us: colours, which a program could set to what is then reported; and floods of
// questions, which would be answered one by one.

import type { IDisposable, Terminal } from "@xterm/xterm";

export const ANSWERS_A_SECOND = 64;
const COLOURS = [10, 11, 12];
const SETTINGS_AND_MORE = [4, 52, 104, 110, 111, 112];

type Parsers = Pick<Terminal, "parser">;

/** Keep a terminal from being used to type. Handlers that say true have swallowed what they were shown. */
export function guardAnswers(terminal: Parsers, repeated: () => boolean = () => false, now: () => number = () => performance.now()): IDisposable {
  const budget = new Budget(now);
  // What is only repeated was answered when it was new.
  const ask = () => repeated() || !budget.take();
  const parser = terminal.parser;
  const made = [
    // Who it is, where the cursor stands, which modes are on: programs need to know.
    parser.registerCsiHandler({ final: "c" }, ask),
    parser.registerCsiHandler({ prefix: ">", final: "c" }, ask),
    parser.registerCsiHandler({ final: "n" }, ask),
    parser.registerCsiHandler({ prefix: "?", final: "n" }, ask),
    parser.registerCsiHandler({ intermediates: "$", final: "p" }, ask),
    parser.registerCsiHandler({ prefix: "?", intermediates: "$", final: "p" }, ask),
    parser.registerDcsHandler({ intermediates: "$", final: "q" }, ask),
    // Size and title of the window: xterm.js refuses them too, as long as nobody sets its option.
    parser.registerCsiHandler({ final: "t" }, () => true),
    // What is asked is the page's own colour, as long as it cannot be set.
    ...COLOURS.map((number) => parser.registerOscHandler(number, (data) => data !== "?" || ask())),
    ...SETTINGS_AND_MORE.map((number) => parser.registerOscHandler(number, () => true)),
  ];
  return { dispose: () => made.forEach((handler) => handler.dispose()) };
}

class Budget {
  private second = -Infinity;
  private left = 0;

  constructor(private readonly now: () => number) {}

  take(): boolean {
    const at = this.now();
    if (at - this.second >= 1000) [this.second, this.left] = [at, ANSWERS_A_SECOND];
    return this.left-- > 0;
  }
}
