// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { renderMarkdown } from "./markdown";

const html = (source: string) => renderMarkdown(source).html;

describe("Markdown", () => {
  it("renders", () => expect(html("# Hi *you*")).toContain("<h1>Hi <em>you</em></h1>"));
  it.each(["<script>alert(1)</script>", '<img src=x onerror="alert(1)">', "[x](javascript:alert(1))", '<a href="javascript:alert(1)">x</a>', '<div id="settings" style="position:fixed">x</div>', "<iframe src=/></iframe>"])(
    "lets nothing act on the page: %s",
    (source) => expect(html(source)).not.toMatch(/<script|onerror|href="javascript:|settings|fixed|<iframe/i),
  );
  it("opens links outside", () => expect(html("[x](https://example.org)")).toContain('rel="noopener noreferrer"'));
  it("keeps mathematics from Markdown, and says that it wants typesetting", () => {
    const rendered = renderMarkdown("area $a_1 * b_1 * c$ and `$5`, costs $5 or $6");
    expect(rendered.html).toContain("$a_1 * b_1 * c$");
    expect(rendered.wantsMath).toBe(true);
    expect(renderMarkdown("`$a$` costs 5$").wantsMath).toBe(false);
  });
  it("typesets with what it is given", () => {
    expect(renderMarkdown("$$x^2$$ $y$", {}, (tex, display) => `[${tex}|${display}]`).html).toContain("[x^2|true] [y|false]");
  });
  it("shows attached pictures", () => expect(renderMarkdown("![p](attachment:a.png)", { "a.png": { "image/png": "AAAA" } }).html).toContain('src="data:image/png;base64,AAAA"'));
  it("shows an attached SVG as a picture, and nowhere else", () => {
    const rendered = (text: string) => renderMarkdown(text, { "a.svg": { "image/svg+xml": 'PHN2Zy8+" onerror="x' } }).html;
    expect(rendered("![p](attachment:a.svg)")).toContain('<img src="data:image/svg+xml;base64,PHN2Zy8+onerror=x" alt="p">');
    expect(rendered('`attachment:a.svg` [p](attachment:a.svg) <a href="attachment:a.svg">q</a> <object data="attachment:a.svg"></object>')).not.toContain("data:");
  });
  it.each(["![p](attachment:a%20&b's.png)", "![p](<attachment:a &b's.png>)", `<img alt=p src="attachment:a &b's.png">`, "![p](attachment:50%.png)"])("finds attached pictures by any name: %s", (text) => {
    const image = { "image/png": "AAAA" };
    expect(renderMarkdown(text, { "a &b's.png": image, "50%.png": image }).html).toContain('src="data:image/png;base64,AAAA"');
  });
  it("takes what is no address", () => expect(html('<img src="attachment:100%"> attachment:100%')).toContain("100%"));
});
