// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from "vitest";

type Hear = (entries: { target: Element; isIntersecting: boolean }[]) => void;
let hear: Hear;
const watched = new Set<Element>();
const idle: (() => void)[] = [];

beforeEach(() => {
  vi.resetModules();
  watched.clear();
  idle.length = 0;
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      constructor(given: Hear) {
        hear = given;
      }
      observe = (element: Element) => void watched.add(element);
      unobserve = (element: Element) => void watched.delete(element);
    },
  );
  vi.stubGlobal("requestIdleCallback", (work: () => void) => idle.push(work));
});

const elements = (count: number) => Array.from({ length: count }, () => document.createElement("section"));

test("what comes near is told once, and no more when the page is idle", async () => {
  const { whenNearOrIdle } = await import("./near");
  const one = elements(1)[0]!;
  const told = vi.fn();
  whenNearOrIdle(one, told);
  hear([{ target: one, isIntersecting: false }]);
  expect(told).not.toHaveBeenCalled();
  hear([{ target: one, isIntersecting: true }]);
  idle.shift()!();
  expect(told).toHaveBeenCalledTimes(1);
  expect(watched.size).toBe(0);
});

test("what stays far away is told in idle time, a few at a time, in its order", async () => {
  const { whenNearOrIdle } = await import("./near");
  const told: number[] = [];
  elements(7).forEach((element, number) => whenNearOrIdle(element, () => told.push(number)));
  expect(idle.length).toBe(1);
  idle.shift()!();
  expect(told).toEqual([0, 1, 2]);
  while (idle.length) idle.shift()!();
  expect(told).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(watched.size).toBe(0);
});

test("who waits no longer is told nothing", async () => {
  const { whenNearOrIdle } = await import("./near");
  const told = vi.fn();
  whenNearOrIdle(elements(1)[0]!, told)();
  while (idle.length) idle.shift()!();
  expect(told).not.toHaveBeenCalled();
  expect(watched.size).toBe(0);
});
