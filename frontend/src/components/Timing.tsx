import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isFinal, type Execution } from "../outputs/execution";
import { duration } from "../session/words";
import { usePage } from "./context";
import { Icon } from "./Icon";

const ORDINALS = ["", "next", "2nd", "3rd"];

/** How long it took, takes, or how many come before it. */
export function Timing({ execution }: { execution: Execution }): VNode | null {
  const page = usePage();
  const { state, startedAt, finishedAt } = execution;
  if (state === "queued") {
    if (page.session.view.value.state === "waiting") return <span class="timing">waits for a place</span>;
    const place = page.placeOf(execution.cell);
    return <span class="timing">{ORDINALS[place] ?? `${place}th`}</span>;
  }
  if (state === "running") return <Stopwatch since={startedAt} />;
  if (!isFinal(execution) || !startedAt || !finishedAt) return null;
  const failed = state !== "ok";
  return (
    <span class={`timing ${failed ? "failed" : "done"}`} title={`Ran ${new Date(startedAt * 1000).toLocaleString()}, took ${duration(finishedAt - startedAt)}`}>
      <Icon name={failed ? "cross" : "check"} size={12} />
      {duration(finishedAt - startedAt)}
    </span>
  );
}

/** The clocks of the server and of this machine may differ: count from when this page first saw it run, if that is less. */
function Stopwatch({ since }: { since: number | null }): VNode {
  const [now, setNow] = useState(() => Date.now() / 1000);
  const [seen] = useState(now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() / 1000), 200);
    return () => clearInterval(timer);
  }, []);
  const started = since === null || since > now ? seen : since;
  const seconds = now - started;
  return <span class="timing live">{seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds)}</span>;
}
