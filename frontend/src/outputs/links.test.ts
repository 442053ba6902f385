// @vitest-environment jsdom
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../notebook/page";
import { follow, openInSandbox, pieces } from "./links";

function page(live = true): Page & { said: string[] } {
  const said: string[] = [];
  return { settings: {}, session: { live, id: { value: "s1" } }, say: (words: string) => said.push(words), said } as unknown as Page & { said: string[] };
}

function clicked(html: string, selector = "a"): MouseEvent {
  document.body.innerHTML = html;
  const event = new MouseEvent("click", { cancelable: true, bubbles: true });
  Object.defineProperty(event, "target", { value: document.querySelector(selector) });
  return event;
}

describe("addresses in outputs", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("are found in text, without the sentence around them", () => {
    const links = (text: string) => pieces(text).filter(({ address }) => address).map(({ text }) => text);
    expect(links(" * Running on http://127.0.0.1:5000/ (Press CTRL+C to quit)")).toEqual(["http://127.0.0.1:5000/"]);
    expect(links("see https://a.example/x?y=1, or (http://b.example).")).toEqual(["https://a.example/x?y=1", "http://b.example"]);
    expect(links("javascript://x file:///etc ftp://a.example http:// ://")).toEqual([]);
    expect(pieces("a http://b.example c").map(({ text }) => text).join("")).toBe("a http://b.example c");
  });

  it("that mean the sandbox open its port, and others are the browser's", async () => {
    const tab = { location: { href: "" }, opener: {} };
    vi.stubGlobal("open", () => tab);
    const asked: string[] = [];
    vi.stubGlobal("fetch", async (url: string, options: RequestInit) => {
      asked.push(`${url} ${String(options.body)}`);
      return new Response('{"url": "http://x-8501.preview/?key=k"}', { status: 201 });
    });
    const here = clicked('<div class="outputs"><a href="http://localhost:8501/app">x</a></div>');
    follow(page(), here);
    expect(here.defaultPrevented).toBe(true);
    await vi.waitFor(() => expect(tab.location.href).toContain("preview"));
    expect(asked).toEqual(['/api/v1/sessions/s1/previews {"port":8501}']);
    for (const html of ['<div class="outputs"><a href="https://example.org/">x</a></div>', '<nav><a href="http://localhost:8501/">x</a></nav>', `<div class="rendered"><a href="${location.origin}/notebooks/">x</a></div>`]) {
      const elsewhere = clicked(html);
      follow(page(), elsewhere);
      expect(elsewhere.defaultPrevented).toBe(false);
    }
  });

  it("say so where there is no session any more", () => {
    const ended = page(false);
    expect(openInSandbox(ended, "http://127.0.0.1:8000/")).toBe(true);
    expect(ended.said[0]).toContain("there is no session");
  });
});
