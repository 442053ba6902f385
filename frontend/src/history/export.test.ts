import { describe, expect, it } from "vitest";
import { nameOf } from "./ExportMenu";

describe("the name of a download", () => {
  it("is read as the server wrote it", () => {
    expect(nameOf('attachment; filename="Study.ipynb"')).toBe("Study.ipynb");
    expect(nameOf("attachment; filename*=utf-8''%D0%90%20%E6%95%B0.ipynb")).toBe("А 数.ipynb");
    expect(nameOf("attachment")).toBe("notebook");
  });
});
