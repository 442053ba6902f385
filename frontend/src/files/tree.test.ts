import { describe, expect, it } from "vitest";
import { chosen, moved, moveFault, rowsOf, sorted, targetOf, typedAhead, type Entry, type Folders } from "./tree";

const file = (path: string): Entry => ({ name: path.split("/").at(-1)!, path, type: "file", size: 1, modified: 0 });
const folder = (path: string): Entry => ({ ...file(path), type: "directory" });
const FOLDERS: Folders = new Map([
  ["", { entries: [folder("data"), file(".env"), file("a.py"), file("b.py")], more: 0, problem: "" }],
  ["data", { entries: [file("data/x.csv")], more: 0, problem: "" }],
]);
const paths = (open: string[], hidden = false) => rowsOf(FOLDERS, new Set(open), hidden).map((row) => row.entry.path);
const NOTHING = { current: "", selected: new Set<string>(), anchor: "" };

describe("the tree", () => {
  it("shows what is open, and hides what is hidden", () => {
    expect(paths([])).toEqual(["data", "a.py", "b.py"]);
    expect(paths(["data"], true)).toEqual(["data", "data/x.csv", ".env", "a.py", "b.py"]);
    const rows = rowsOf(FOLDERS, new Set(["data"]), false);
    expect(rows.map((row) => [row.level, row.position, row.of, row.open])).toEqual([[1, 1, 3, true], [2, 1, 1, null], [1, 2, 3, null], [1, 3, 3, null]]);
  });

  it("has folders first, and 2 before 10", () => {
    expect(sorted([file("10"), file("2"), folder("z")]).map((each) => each.name)).toEqual(["z", "2", "10"]);
  });

  it("is walked by keys", () => {
    const rows = rowsOf(FOLDERS, new Set(["data"]), false);
    expect(moved(rows, NOTHING, "down", false).current).toBe("data");
    expect(moved(rows, { ...NOTHING, current: "data" }, "up", false).current).toBe("data");
    expect(moved(rows, NOTHING, "last", false).current).toBe("b.py");
    const two = moved(rows, chosen(rows, NOTHING, "data/x.csv", "only"), "down", true);
    expect([...two.selected]).toEqual(["data/x.csv", "a.py"]);
    expect([...moved(rows, two, "up", true).selected]).toEqual(["data/x.csv"]);
    expect([...chosen(rows, two, "a.py", "toggle").selected]).toEqual(["data/x.csv"]);
  });

  it("finds what is typed", () => {
    const rows = rowsOf(FOLDERS, new Set(["data"]), false);
    expect(typedAhead(rows, "data", "b")).toBe("b.py");
    expect(typedAhead(rows, "b.py", "b")).toBe("b.py");
    expect(typedAhead(rows, "data", "zz")).toBeNull();
  });

  it("moves nothing into itself", () => {
    expect(moveFault(["data"], "data/in")).not.toBe("");
    expect(moveFault(["data"], "data")).not.toBe("");
    expect(moveFault(["a.py"], "")).not.toBe("");
    expect(moveFault(["a.py", "data/x.csv"], "")).toBe("");
    expect([targetOf(undefined), targetOf(folder("data")), targetOf(file("data/x.csv"))]).toEqual(["", "data", "data"]);
  });
});
