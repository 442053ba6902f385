// HTML and scripts of a cell, in a frame with an origin of its own: no cookie, no network, no way to our page but its height.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { darkNow } from "../theme";
import { usePage } from "./context";

const TALLEST = 2000;

export function FramedOutput({ html, script }: { html?: string; script?: string }): VNode {
  const { addresses } = usePage();
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState(24);
  const dark = darkNow.value;
  const theme = () => ({ scheme: dark ? "dark" : "light", colour: getComputedStyle(document.body).color });
  const filled = useRef(false);

  useEffect(() => {
    const hear = (event: MessageEvent) => {
      if (event.source !== frame.current?.contentWindow || typeof event.data !== "object" || event.data === null) return;
      const { ready, height: wanted } = event.data as { ready?: unknown; height?: unknown };
      if (ready === true && !filled.current) {
        filled.current = true;
        // The frame has no origin to name: its sandbox is what keeps others out.
        frame.current.contentWindow!.postMessage({ html, script, theme: theme() }, "*");
      }
      if (typeof wanted === "number" && wanted >= 0) setHeight(Math.min(Math.ceil(wanted), TALLEST));
    };
    addEventListener("message", hear);
    return () => removeEventListener("message", hear);
  }, []);

  useEffect(() => {
    if (filled.current) frame.current?.contentWindow?.postMessage({ theme: theme() }, "*");
  }, [dark]);

  return (
    <div class="output frame-output">
      <iframe ref={frame} src={addresses.frame} sandbox="allow-scripts" title="Output drawn with HTML" style={{ height: `${height}px` }} />
    </div>
  );
}
