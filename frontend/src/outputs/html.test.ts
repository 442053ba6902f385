// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { plainTable } from "./html";

const PANDAS = `<div>
<style scoped>
    .dataframe tbody tr th:only-of-type { vertical-align: middle; }
    .dataframe thead th { text-align: right; }
</style>
<table border="1" class="dataframe"><thead><tr><th></th><th>a</th></tr></thead><tbody><tr><th>0</th><td>1</td></tr></tbody></table></div>`;

describe("HTML from a cell", () => {
  it("shows the table of a data frame in the page, with scopes for its headers", () => {
    const table = plainTable(PANDAS)!;
    expect(table).toContain('<th scope="row">0</th>');
    expect(table).not.toMatch(/style|class|border/);
  });
  it.each([
    "<b>no table</b>",
    `${PANDAS}<script>alert(1)</script>`,
    '<table><tr><td onclick="x()">1</td></tr></table>',
    '<table><tr><td><img src="x"></td></tr></table>',
    "<style>body{display:none}</style><table></table>",
    "<table><tr><td><svg/onload=alert(1)></td></tr></table>",
  ])("sends the rest to the frame: %s", (html) => expect(plainTable(html)).toBeNull());
  it("lets no attribute through that could act on the page", () => {
    expect(plainTable('<table><tr><td style="position:fixed" id="settings" class="top">x</td></tr></table>')).not.toMatch(/fixed|settings|top/);
  });
});
