import { describe, expect, it } from "vitest";
import { imageType, kindOf, readingHint, textOf } from "./kinds";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a file", () => {
  it("is shown by what it is", () => {
    expect(["a.CSV", "a.tsv", "p.svg", "README.md", "n.ipynb", "a.json", "d.parquet", "Makefile", "x.tar.gz", "a.b.py"].map(kindOf)).toEqual(["table", "table", "image", "markdown", "notebook", "json", "binary", "text", "binary", "text"]);
    expect([imageType("a.JPG"), imageType("b.svg"), imageType("c.png")]).toEqual(["image/jpeg", "image/svg+xml", "image/png"]);
  });

  it("is text only if it is UTF-8 without NUL", () => {
    expect(textOf(bytes("h\u00e9llo"))?.text).toBe("h\u00e9llo");
    expect(textOf(new Uint8Array([0x68, 0xff, 0x69]))).toBeNull();
    expect(textOf(new Uint8Array([0x68, 0, 0x69]))).toBeNull();
    expect(textOf(new Uint8Array())?.text).toBe("");
  });

  it("keeps its mark of order and its ends of lines", () => {
    expect(textOf(bytes("\ufeffa"))?.text).toBe("\ufeffa");
    expect(textOf(bytes("a\r\nb\r\n"))?.newline).toBe("\r\n");
    expect(textOf(bytes("a\r\nb\n"))?.newline).toBe("\n");
  });

  it("that is cut may end in the middle of a character", () => {
    const cut = bytes("a\ud83d\ude00").subarray(0, 3);
    expect(textOf(cut)).toBeNull();
    expect(textOf(cut, true)?.text).toBe("a");
    expect(textOf(bytes("ab\u00e9"), true)?.text).toBe("ab\u00e9");
  });

  it("that cannot be shown is read by code", () => {
    expect(readingHint('a "b".parquet', "Python")).toBe('pd.read_parquet("a \\"b\\".parquet")');
    expect(readingHint("a.parquet", "R")).toBe("");
  });
});
