// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../notebook/page";
import type { Usage } from "../protocol";
import { SessionWatch } from "./watch";
import type { SessionView } from "./words";

const LEASED: SessionView = { state: "leased", line: "open", phase: "", position: 0, reason: "", message: "", kernel: null };

function watched() {
  const announced = signal<string[]>([]);
  const session = {
    view: signal<SessionView>(LEASED), usage: signal<Usage | null>(null), expiresAt: signal<number | null>(null), endsAt: signal<number | null>(null),
    cooldown: signal<number | null>(900), downSince: signal<number | null>(null),
    askKernel: async () => ({ variables: [{ name: "big", bytes: 300 * 2 ** 20 }] }),
  };
  const page = { session, busy: signal(false), title: signal("mine"), tell: (words: string) => (announced.value = [...announced.value, words]) };
  return { watch: new SessionWatch(page as unknown as Page), session, page, announced };
}

describe("what is told of a session", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is its end when that comes near, and once more in the last two minutes", () => {
    const { watch, session, announced } = watched();
    session.expiresAt.value = Date.now() + 400_000;
    vi.advanceTimersByTime(90_000);
    expect([watch.end.value!.near, watch.mark.value, announced.value]).toEqual([false, "", []]);
    vi.advanceTimersByTime(20_000);
    expect([watch.end.value!.near, watch.mark.value]).toEqual([true, "⚠ "]);
    expect(announced.value).toHaveLength(1);
    expect(announced.value[0]).toContain("Keep running");
    vi.advanceTimersByTime(200_000);
    expect(announced.value).toHaveLength(2);
    session.expiresAt.value = Date.now() + 900_000;
    expect([watch.end.value!.near, watch.mark.value]).toEqual([false, ""]);
  });

  it("is no end while a cell runs", () => {
    const { watch, session, page } = watched();
    session.expiresAt.value = Date.now() + 60_000;
    page.busy.value = true;
    expect(watch.end.value).toBeNull();
  });

  it("is a break that lasts, and that it is over", () => {
    const { watch, session, announced } = watched();
    session.downSince.value = Date.now();
    vi.advanceTimersByTime(2000);
    expect([watch.cutOff.value, announced.value]).toEqual([false, []]);
    vi.advanceTimersByTime(2000);
    expect(watch.cutOff.value).toBe(true);
    session.downSince.value = null;
    expect(announced.value.map((words) => words.split(".")[0])).toEqual(["Disconnected", "Connected again"]);
  });

  it("is memory that is nearly full, with the largest variables, until it is dismissed or there is room", async () => {
    const { watch, session, announced } = watched();
    const usage = (memory: number) => ({ cpu: 0, memory, memory_limit: 100, pids: 0, pids_limit: 0, disk: 0, disk_limit: 0 });
    session.usage.value = usage(90);
    await vi.advanceTimersByTimeAsync(10);
    expect([watch.shows("memory"), watch.largest.value]).toEqual([true, ["big (300 MiB)"]]);
    expect(announced.value).toEqual(["The memory is almost full"]);
    watch.dismiss("memory");
    session.usage.value = usage(88);
    expect(watch.shows("memory")).toBe(false);
    session.usage.value = usage(50);
    session.usage.value = usage(90);
    expect(watch.shows("memory")).toBe(true);
  });

  it("is why it ended, once", () => {
    const { session, announced } = watched();
    session.view.value = { ...LEASED, state: "gone", line: "none", reason: "cooldown" };
    expect(announced.value).toHaveLength(1);
    expect(announced.value[0]).toContain("idle for too long");
  });
});
