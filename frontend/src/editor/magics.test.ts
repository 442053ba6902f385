import { describe, expect, it } from "vitest";
import { languageOf } from "./magics";

describe("the language of a cell", () => {
  it("is what its first line says", () => {
    expect(languageOf("%%bash\nls", "Python")).toBe("bash");
    expect(languageOf("%%time\nf()", "Python")).toBe("Python");
    expect(languageOf("x\n%%bash", "Python")).toBe("Python");
    expect(languageOf("%%bash\nls", "R")).toBe("R");
  });
});
