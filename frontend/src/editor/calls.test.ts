import { describe, expect, it } from "vitest";
import { callAround, currentParameter, signatureIn } from "./calls";

const at = (text: string) => callAround(text.replace("|", ""), text.indexOf("|"));

describe("the call around the cursor", () => {
  it("is the innermost, with the number of the argument", () => {
    expect(at("f(a, g(1, 2), |")).toEqual({ at: 1, argument: 2 });
    expect(at("df.merge(other, |)")).toEqual({ at: 8, argument: 1 });
    expect(at("f([1, 2, |")).toBeNull();
    expect(at('f("a, (b", |')).toEqual({ at: 1, argument: 1 });
  });
  it("is none in words of the language, definitions and strings", () => {
    for (const text of ["if (|", "def f(|", "class A(|", "(|", "f('|", "f()|"]) expect(at(text)).toBeNull();
  });
});

describe("a signature", () => {
  it("is found in what IPython says", () => {
    const told = "\x1b[31mSignature:\x1b[39m print(*args, sep=' , ', end='\\n')\n\x1b[31mDocstring:\x1b[39m Prints.";
    const signature = signatureIn(told)!;
    expect(signature.parameters).toEqual(["*args", "sep=' , '", "end='\\n'"]);
    expect(currentParameter(signature, 5)).toBe(0);
  });
  it("may be over several lines, with types", () => {
    const told = "Init signature:\npd.DataFrame(\n    data: 'dict[str, int]' = None,\n    *,\n    copy: bool = False,\n)\nDocstring: x";
    const signature = signatureIn(told)!;
    expect(signature.parameters).toEqual(["data: 'dict[str, int]' = None", "*", "copy: bool = False"]);
    expect(currentParameter(signature, 1)).toBe(2);
    expect(currentParameter(signature, 9)).toBe(-1);
  });
  it("is none where none is told", () => {
    expect(signatureIn("Type: int\nString form: 7")).toBeNull();
  });
});
