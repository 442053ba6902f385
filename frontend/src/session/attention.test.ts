import { describe, expect, it } from "vitest";
import { clock, countdown, endInWords, largest, nearlyFull, share, usedInWords } from "./attention";

const NOW = 1_000_000;
const at = (seconds: number) => NOW + seconds * 1000;
const times = (expires: number | null, ends: number | null, cooldown = 900) => ({ expiresAt: expires === null ? null : at(expires), endsAt: ends === null ? null : at(ends), cooldown });

describe("the end of a session", () => {
  it("is near in its last five minutes, or in the second half of a short cooldown", () => {
    expect(countdown(times(600, 9999), false, NOW)).toEqual({ seconds: 600, hard: false, near: false });
    expect(countdown(times(300, 9999), false, NOW)!.near).toBe(true);
    expect(countdown(times(8, 9999, 10), false, NOW)!.near).toBe(false);
    expect(countdown(times(5, 9999, 10), false, NOW)!.near).toBe(true);
  });

  it("is the hard one where that comes first, and then cannot be put off", () => {
    expect(countdown(times(120, 100), false, NOW)).toEqual({ seconds: 100, hard: true, near: true });
    expect(countdown(times(null, null), false, NOW)).toBeNull();
  });

  it("does not come by idleness while a cell runs", () => {
    expect(countdown(times(10, null), true, NOW)).toBeNull();
    expect(countdown(times(10, 5000), true, NOW)).toEqual({ seconds: 5000, hard: true, near: false });
    expect(countdown(times(10, 200), true, NOW)!.near).toBe(true);
    expect(endInWords(countdown(times(10, null), true, NOW), true, null, NOW)).toContain("counts as use");
  });

  it("is told in words", () => {
    expect(clock(299.2)).toBe("5:00");
    expect(endInWords(countdown(times(600, 9999), false, NOW), false, at(9999), NOW)).toContain("Ends in 10 min if nothing happens");
    expect(endInWords(countdown(times(120, 100), false, NOW), false, at(100), NOW)).toBe("Ends in 1 min 40 s, whatever happens.");
    expect(endInWords(null, false, null, NOW)).toBe("");
  });
});

describe("limits", () => {
  const usage = (memory: number) => ({ cpu: 0, memory, memory_limit: 100, pids: 0, pids_limit: 0, disk: 0, disk_limit: 0 });

  it("warn at 85 percent of the memory, and stay until there is room again", () => {
    expect(nearlyFull(usage(84), "memory")).toBe(false);
    expect(nearlyFull(usage(85), "memory")).toBe(true);
    expect(nearlyFull(usage(81), "memory", true)).toBe(true);
    expect(nearlyFull(usage(79), "memory", true)).toBe(false);
    expect(nearlyFull(null, "memory")).toBe(false);
    expect(share(usage(5), "disk")).toBe(0);
    expect(usedInWords(usage(41), "memory")).toBe("41 B of 100 B, 41 percent");
  });

  it("name the largest variables, whatever the kernel answers", () => {
    const MIB = 1 << 20;
    const variables = [{ name: "a", size: 5 * MIB }, { name: "b", bytes: 9 * MIB }, { name: "tiny", size: 3 }, { name: 7, size: 1e9 }, null, { name: "no" }, { name: "c", size: 2 * MIB }, { name: "d", size: MIB }];
    expect(largest({ variables })).toEqual(["b (9.0 MiB)", "a (5.0 MiB)", "c (2.0 MiB)"]);
    for (const odd of [null, {}, { variables: "x" }, { variables: {} }]) expect(largest(odd)).toEqual([]);
  });
});
