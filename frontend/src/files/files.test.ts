import { signal } from "@preact/signals";
import { describe, expect, it } from "vitest";
import type { Page } from "../notebook/page";
import { Files } from "./files";

describe("leaving the page", () => {
  it("is asked about while a file is edited or uploaded", async () => {
    const page = { session: { id: signal("s") }, risks: new Set<() => boolean>() };
    const files = new Files(page as unknown as Page);
    const atRisk = () => [...page.risks].some((risk) => risk());
    expect(atRisk()).toBe(false);
    files.unsaved.value = true;
    expect(atRisk()).toBe(true);
    files.unsaved.value = false;
    void files.transfers.add("download", "a", null, () => new Promise(() => undefined));
    expect(atRisk(), "a download can be had again").toBe(false);
    let finish = () => {};
    const sent = files.transfers.add("upload", "b", 1, () => new Promise((resolve) => (finish = resolve)));
    expect(atRisk()).toBe(true);
    finish();
    await sent;
    expect(atRisk()).toBe(false);
  });
});
