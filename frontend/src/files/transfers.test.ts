import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../api";
import { Transfers } from "./transfers";

const pending = () => {
  const started: { finish(): void; fail(error: Error): void; stop: AbortSignal }[] = [];
  const work = (_: unknown, stop: AbortSignal) =>
    new Promise<void>((finish, fail) => {
      started.push({ finish, fail, stop });
      stop.addEventListener("abort", () => fail(new Error("stopped")));
    });
  return { started, work };
};

describe("transfers", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("run a few at a time, in order", async () => {
    const transfers = new Transfers();
    const { started, work } = pending();
    for (const name of ["a", "b", "c", "d", "e"]) void transfers.add("upload", name, 1, work);
    expect(started.length).toBe(3);
    expect(transfers.list.value.map((each) => each.state)).toEqual(["running", "running", "running", "waiting", "waiting"]);
    started[0]!.finish();
    await vi.advanceTimersByTimeAsync(1);
    expect(started.length).toBe(4);
    expect(transfers.list.value[3]!.state).toBe("running");
  });

  it("that fail say why, hold up nobody, and are tried again", async () => {
    const transfers = new Transfers();
    const { started, work } = pending();
    let over = false;
    void transfers.add("upload", "a", 1, work).then(() => (over = true));
    started[0]!.fail(new ApiError(413, "too_large", "Split it."));
    await vi.advanceTimersByTimeAsync(1);
    expect(transfers.list.value[0]).toMatchObject({ state: "failed", problem: "Split it." });
    expect(over).toBe(true);
    transfers.retry(1);
    expect(transfers.list.value[0]).toMatchObject({ state: "running", problem: "" });
    started[1]!.finish();
    await vi.advanceTimersByTimeAsync(5000);
    expect(transfers.list.value).toEqual([]);
  });

  it("are stopped while they wait and while they run", async () => {
    const transfers = new Transfers();
    const { started, work } = pending();
    for (const name of ["a", "b", "c", "d"]) void transfers.add("download", name, null, work);
    transfers.stop(4);
    transfers.stop(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(started[0]!.stop.aborted).toBe(true);
    expect(started.length).toBe(3);
    expect(transfers.list.value.map((each) => each.state)).toEqual(["stopped", "running", "running", "stopped"]);
    expect(transfers.running).toBe(2);
  });
});
