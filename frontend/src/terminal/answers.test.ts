// @vitest-environment jsdom
// The real terminal, so that a new version which answers more is noticed here.
import { Terminal } from "@xterm/xterm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ANSWERS_A_SECOND, guardAnswers } from "./answers";

const ESC = "\x1b";
const MARK = "touch /tmp/owned";
// Device attributes, status, cursor, modes, DECRQSS with words of the terminal's own, and colours of the page's.
const HARMLESS = /^(\x1b\[\?1;2c|\x1b\[>0;276;0c|\x1b\[0n|\x1b\[\??\d+;\d+R|\x1b\[\??\d+;[0-4]\$y|\x1bP[01]\$r[0-9;"qp rm]*\x1b\\|\x1b\]1[0-2];rgb:[0-9a-f/]+\x1b\\)*$/;

let typed = "";
let clock = 0;
let repeated = false;
let terminal: Terminal;

function show(text: string): Promise<string> {
  typed = "";
  return new Promise((done) => terminal.write(text, () => done(typed)));
}

describe("what a terminal answers", () => {
  beforeEach(() => {
    vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {} }));
    terminal = new Terminal({ allowProposedApi: true });
    const holder = document.createElement("div");
    document.body.append(holder);
    terminal.open(holder);
    terminal.onData((text) => (typed += text));
    terminal.onBinary((text) => (typed += text));
    guardAnswers(terminal, () => repeated, () => clock);
    repeated = false;
    clock += 10_000;
  });
  afterEach(() => {
    terminal.dispose();
    vi.unstubAllGlobals();
  });

  it("tells programs what they need", async () => {
    expect(await show(`${ESC}[c`)).toBe(`${ESC}[?1;2c`);
    expect(await show(`${ESC}[6n`)).toBe(`${ESC}[1;1R`);
    expect(await show(`${ESC}[5n`)).toBe(`${ESC}[0n`);
    expect(await show(`${ESC}[?25$p`)).toMatch(/^\x1b\[\?25;[12]\$y$/);
    expect(await show(`${ESC}]11;?${ESC}\\`)).toMatch(/^\x1b\]11;rgb:[0-9a-f/]+\x1b\\$/);
  });

  it("answers nothing that is only repeated", async () => {
    repeated = true;
    expect(await show(`${ESC}[c${ESC}[6n${ESC}]11;?${ESC}\\${ESC}P$qm${ESC}\\`)).toBe("");
  });

  const QUESTIONS: Record<string, string> = {
    "title by report": `${ESC}]2;${MARK}\x07${ESC}[21t`,
    "icon by report": `${ESC}]1;${MARK}\x07${ESC}[20t`,
    "title from the stack": `${ESC}]0;${MARK}\x07${ESC}[22;0t${ESC}[23;0t${ESC}[21t`,
    "size and place": `${ESC}[11t${ESC}[13t${ESC}[14t${ESC}[16t${ESC}[18t${ESC}[19t`,
    "clipboard read": `${ESC}]52;c;?\x07`,
    "clipboard write": `${ESC}]52;c;dG91Y2g=\x07${ESC}]52;c;?\x07`,
    "own palette": `${ESC}]4;1;rgb:6666/6666/6666\x07${ESC}]4;1;?\x07`,
    "own palette at once": `${ESC}]4;1;rgb:6666/6666/6666;1;?\x07`,
    "several colours": `${ESC}]10;rgb:6666/6666/6666;?;?\x07`,
    "answer-back": `\x05${ESC}[0\x05`,
    "name of the terminal": `${ESC}[>q${ESC}[>0q`,
    "DECRQSS of words": `${ESC}P$q${MARK}\r${ESC}\\`,
    "terminfo by XTGETTCAP": `${ESC}P+q544e${ESC}\\`,
    "user-defined keys": `${ESC}P0;1|17/746f7563680d${ESC}\\`,
    "macros": `${ESC}P1;0;0!z746f7563680d${ESC}\\${ESC}[1*z`,
    "checksums": `${ESC}[1;1;1;1;10;10*y`,
    "other attributes": `${ESC}[=c${ESC}[0x`,
    "keyboard protocol": `${ESC}[?u${ESC}[?4m`,
    "graphics": `${ESC}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA${ESC}\\${ESC}[?1;1;0S`,
    "folder and links": `${ESC}]7;file://x/${MARK}\x07${ESC}]8;;javascript:alert(1)\x07x${ESC}]8;;\x07`,
    "iTerm": `${ESC}]1337;ReportVariable=bmFtZQ==\x07${ESC}]1337;ReportCellSize\x07`,
  };
  it.each(Object.entries(QUESTIONS))("says no word of the questioner's: %s", async (_, question) => {
    const answer = await show(question);
    expect(answer).toMatch(HARMLESS);
    expect(answer).not.toMatch(/touch|owned|6666|\r|\n/);
  });

  it("reports colours that no program has chosen", async () => {
    const before = await show(`${ESC}]11;?${ESC}\\`);
    for (const number of [10, 11, 12]) await show(`${ESC}]${number};rgb:6666/7777/8888\x07`);
    expect(await show(`${ESC}]11;?${ESC}\\`)).toBe(before);
  });

  it("answers so many questions in a second and no more", async () => {
    const flood = `${ESC}[c${ESC}[6n${ESC}P$qm${ESC}\\${ESC}]11;?\x07${ESC}[?1$p`.repeat(1000);
    const answers = (await show(flood)).split(ESC).filter((part) => part && part !== "\\");
    expect(answers).toHaveLength(ANSWERS_A_SECOND);
    clock += 1000;
    expect(await show(`${ESC}[5n`)).toBe(`${ESC}[0n`);
  });

  it("says nothing else, whatever comes", async () => {
    let seed = 7;
    const random = (most: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % most;
    const pick = <T>(of: readonly T[]) => of[random(of.length)]!;
    for (let round = 0; round < 100; round++) {
      clock += 1000;
      let text = "";
      for (let number = 0; number < 100; number++) {
        const parameters = Array.from({ length: random(3) }, () => random(120)).join(";");
        const end = pick([ESC + "\\", "\x07"]);
        text += pick([
          `${ESC}[${pick(["", "?", ">", "=", "!"])}${parameters}${pick(["", "$", "*", "'", '"', " "])}${String.fromCharCode(64 + random(63))}`,
          `${ESC}]${random(120)};${pick(["?", MARK, "1;?", "rgb:66/66/66"])}${end}`,
          `${ESC}P${parameters}${pick(["", "$", "+", "!"])}${pick(["q", "p", "z", "|"])}${pick(["m", "r", MARK, '"p'])}${ESC}\\`,
        ]);
      }
      // What is reported of a mouse or a focus needs a person who moves one.
      const answer = (await show(text)).replace(/\x1b\[[IO]/g, "");
      expect(answer).toMatch(HARMLESS);
    }
  });
});
