import { describe, expect, it } from "vitest";
import { LineTerminal } from "./lines";

const ESC = "\x1b";

function printed(...chunks: string[]): string {
  const terminal = new LineTerminal();
  for (const chunk of chunks) terminal.write(chunk);
  return terminal.text();
}

describe("the line terminal", () => {
  it("keeps plain lines", () => expect(printed("a\nb\n", "c")).toBe("a\nb\nc"));
  it("keeps blank lines, but not the one after a last newline", () => expect(printed("a\n\nb\n")).toBe("a\n\nb"));
  it("goes back to the start on \\r and writes over", () => expect(printed("hello\rHE")).toBe("HEllo"));
  it("treats \\r\\n as a newline", () => expect(printed("one\r\ntwo\r", "\nthree")).toBe("one\ntwo\nthree"));
  it("goes back one column on \\b", () => expect(printed("ab\b\bc")).toBe("cb"));
  it("erases to the end of the line", () => expect(printed(`loading\r${ESC}[Kok`)).toBe("ok"));
  it("erases from the start of the line", () => expect(printed(`abcd${ESC}[2D${ESC}[1K`)).toBe("   d"));
  it("obeys an escape sequence cut in two", () => expect(printed(`a${ESC}`, "[3", "1mb")).toBe("ab"));
  it("ignores titles and unknown sequences", () => expect(printed(`${ESC}]0;title\x07a${ESC}[?25lb${ESC}(Bc`)).toBe("abc"));
  it("never loses text to a lone escape", () => expect(printed(`${ESC}[`, "\nx")).toContain("x"));
  it("writes over whole emoji", () => expect(printed("😀😀😀\rab")).toBe("ab😀😀"));
  it("clears everything on 2J", () => expect(printed(`a\nb${ESC}[2Jc`)).toBe("c"));
  it("does not climb above its first line", () => expect(printed(`a\n${ESC}[99Ab`)).toBe("b"));

  it("draws nested progress bars in place, as tqdm prints them", () => {
    const up = `${ESC}[A`;
    const frames = ["outer 0%\n", "inner 0%", "\rinner 50%", "\rinner 100%", `${up}\router 50%\n`, "\rinner 0%  ", "\rinner 100%", `${up}\router 100%\n`, "\n"];
    expect(printed(...frames)).toBe("outer 100%\ninner 100%");
  });

  it("styles runs and joins those of one style", () => {
    const terminal = new LineTerminal();
    terminal.write(`${ESC}[31mre`);
    terminal.write(`d${ESC}[0m plain ${ESC}[1;38;5;208mbold${ESC}[m`);
    expect(terminal.lines[0]!.map((run) => [run.text, run.style])).toEqual([
      ["red", { fg: 1 }],
      [" plain ", {}],
      ["bold", { bold: true, fg: 208 }],
    ]);
  });

  it("drops the middle of a flood and counts it", () => {
    const terminal = new LineTerminal();
    for (let i = 0; i < 30_000; i++) terminal.write(`line ${i}\n`);
    expect(terminal.lines.length + terminal.dropped).toBe(30_000);
    expect(terminal.lines.length).toBeLessThan(13_100);
    expect(terminal.lines[0]![0]!.text).toBe("line 0");
    expect(terminal.lines.at(-1)![0]!.text).toBe("line 29999");
  });

  it("gives lines that later writes do not change", () => {
    const terminal = new LineTerminal();
    terminal.write("outer 1");
    const before = terminal.lines;
    terminal.write("\router 3");
    expect(before[0]![0]!.text).toBe("outer 1");
    expect(terminal.lines[0]![0]!.text).toBe("outer 3");
  });

  it("changes no line in place", () => {
    const terminal = new LineTerminal();
    terminal.write("a\nb");
    const [first, second] = [terminal.lines[0], terminal.lines[1]];
    terminal.write("c");
    expect(terminal.lines[0]).toBe(first);
    expect(terminal.lines[1]).not.toBe(second);
  });
});

describe("columns", () => {
  it("of East Asian characters and emoji are two, of marks none", () => {
    expect(printed("日本\rA")).toBe("A 本");
    expect(printed("日本語\b\bx")).toBe("日本x ");
    expect(printed("e\u0301a\b\bx")).toBe("xa");
    expect(printed("👩‍👩‍👧ab\rxy")).toBe("xyab");
    expect(printed("🇩🇪|\r..|")).toBe("..|");
    expect(printed("ab\rあ")).toBe("あ");
    expect(printed("✓ ok\r✗")).toBe("✗ ok");
  });

  it("of a tab reach to the next multiple of eight, and are written over", () => {
    expect(printed("a\tb")).toBe("a       b");
    expect(printed("12345678\tb")).toBe("12345678        b");
    expect(printed("a\tb\rxxxxxxxxx")).toBe("xxxxxxxxx");
  });
});

describe("links", () => {
  it("by OSC 8 are kept with the text, through colours, and end", () => {
    const terminal = new LineTerminal();
    terminal.write(`${ESC}]8;;https://example.org/a${ESC}\\see ${ESC}[31mthis${ESC}[0m`);
    terminal.write(`!${ESC}]8;;\x07 end`);
    expect(terminal.lines[0]!.map((run) => [run.text, run.style.link])).toEqual([["see ", "https://example.org/a"], ["this", "https://example.org/a"], ["!", "https://example.org/a"], [" end", undefined]]);
    expect(terminal.text()).toBe("see this! end");
  });

  it("may come in pieces, and other OSC leave nothing", () => {
    expect(printed(`${ESC}]8;;https://exam`, `ple.org${ESC}`, `\\x${ESC}]0;title\x07y`)).toBe("xy");
  });
});

describe("a large output", () => {
  it("is taken whole", () => {
    const terminal = new LineTerminal();
    for (let at = 0; at < 10_000; at++) terminal.write(`line ${at} 日本 with some text\n`);
    expect(terminal.lines).toHaveLength(10_000);
  });
});
