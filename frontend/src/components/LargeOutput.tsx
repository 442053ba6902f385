// Outputs that were left out of the document as they are large: read when they come near; when asked for, if they are huge.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import type { Execution } from "../outputs/execution";
import { size } from "../session/words";
import { usePage } from "./context";

const HUGE = 5_000_000;
const NEAR = "800px";

export function LargeOutput({ execution, label }: { execution: Execution; label: string }): VNode {
  const page = usePage();
  const place = useRef<HTMLDivElement>(null);
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState("");
  const huge = execution.leftOut > HUGE;
  const bring = () => {
    setLoading(true);
    setProblem("");
    page.results.bring(execution.cell, page.addresses.outputs).catch((error: ApiError) => {
      setLoading(false);
      setProblem(error.message);
    });
  };
  useEffect(() => {
    if (huge) return;
    const watch = new IntersectionObserver(
      ([seen]) => {
        if (!seen?.isIntersecting) return;
        watch.disconnect();
        bring();
      },
      { rootMargin: NEAR },
    );
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, [execution.id]);
  return (
    <div ref={place} class="outputs large" role="region" aria-label={label} aria-busy={loading}>
      {loading ? (
        <p class="muted">Loading {size(execution.leftOut)} of output…</p>
      ) : (
        <button class="button quiet more" onClick={bring}>
          Show {size(execution.leftOut)} of output
        </button>
      )}
      {problem && <p class="cut">{problem}</p>}
    </div>
  );
}
