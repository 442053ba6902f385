// What runs scripts, in a frame with an origin of its own: no cookie, no network, no way to our page but a few checked words.

import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { adviceFor, frameBudget, heard, librariesOf, refusedHost, type Frame, type FrameContent } from "../outputs/frames";
import { libraryText, type Library } from "../outputs/libraries";
import { saveAddress } from "../outputs/saving";
import { darkNow } from "../theme";
import type { CommRecord } from "../outputs/comms";
import { openInSandbox } from "../outputs/links";
import { showStill } from "../outputs/widgets";
import { usePage } from "./context";
import { OutputTools, ToolButton } from "./OutputTools";

// A frame that is taller is cut, and opened by a button: the wheel always moves the page.
const TALL = 800;
const TALLEST = 20_000;
const NAMES: Record<FrameContent["kind"], string> = { html: "HTML", script: "a script", plotly: "Plotly", vega: "Vega", vegalite: "Vega-Lite", widget: "widgets" };

/** `still`: the models of a widget whose kernel is gone. */
export function FramedOutput({ execution, still, ...content }: FrameContent & { execution: string; still?: CommRecord[] }): VNode {
  const page = usePage();
  const place = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLIFrameElement>(null);
  const [awake, setAwake] = useState(false);
  const [height, setHeight] = useState(content.kind === "plotly" ? 450 : 40);
  const [open, setOpen] = useState(false);
  const [full, setFull] = useState(false);
  const [refused, setRefused] = useState<ReadonlySet<string>>(new Set());
  const [failed, setFailed] = useState(false);
  const dark = darkNow.value;
  const cut = height > TALL && !open && !full;

  useEffect(() => near(place.current!, setAwake), []);

  // Before the page is drawn: an effect after it comes too late for a frame that was quick to say that it is ready.
  useLayoutEffect(() => {
    if (!awake) return;
    let filled = false;
    const comms = content.kind !== "widget" ? null : still ? showStill(still, post) : page.widgets.connect(content.content, execution, post);
    const hear = (event: MessageEvent) => {
      if (!frame.current || event.source !== frame.current.contentWindow) return;
      const words = heard(event.data);
      if (words.ready && !filled) {
        filled = true;
        void fill();
      }
      if (words.height !== undefined) setHeight(Math.min(Math.max(24, words.height), TALLEST));
      if (words.link) offer(words.link);
      if (words.format) keep(words.picture!, words.format);
      if (words.refused) note(words.refused);
      if (words.library) void give(words.library);
      if (comms && words.comm) comms.say(words.comm);
      if (comms && words.wants) comms.want(words.wants);
    };
    // Each once: a frame that asks again and again would keep the page busy with copies of megabytes.
    const given = new Set<Library>();
    const give = async (library: Library) => {
      if (given.has(library)) return;
      given.add(library);
      post({ library, text: await libraryText(library).catch(() => "") });
    };
    const fill = async () => {
      try {
        const libraries = await Promise.all(librariesOf(content).map(libraryText));
        post({ theme: theme() });
        post({ kind: content.kind, content: content.content, libraries });
        comms?.begin();
      } catch {
        setFailed(true);
      }
    };
    addEventListener("message", hear);
    return () => {
      removeEventListener("message", hear);
      comms?.close();
    };
  }, [awake]);

  useEffect(() => {
    if (awake) post({ theme: theme() });
  }, [dark]);
  useEffect(() => post({ open: open || full }), [open, full, height > TALL]);
  useEffect(() => {
    const changed = () => setFull(document.fullscreenElement === place.current);
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, []);

  // The frame has no origin to name: its sandbox is what keeps others out.
  function post(message: unknown): void {
    frame.current?.contentWindow?.postMessage(message, "*");
  }
  function offer(link: string): void {
    const open = () => void (openInSandbox(page, link) || window.open(link, "_blank", "noopener,noreferrer"));
    page.say(`This output links to ${link.length > 120 ? `${link.slice(0, 120)}…` : link}`, { label: "Open", run: open });
  }
  function keep(picture: string, format: "png" | "svg"): void {
    if (picture) saveAddress(picture, `figure.${format}`);
    else page.say("This output could not be turned into a picture.");
  }
  function note(address: string): void {
    const host = refusedHost(address);
    if (host) setRefused((known) => (known.has(host) || known.size > 5 ? known : new Set([...known, host])));
  }

  const drawn = content.kind === "plotly" || content.kind === "vega" || content.kind === "vegalite";
  return (
    <div class={`output frame-output${full ? " full" : ""}`} ref={place}>
      {awake && !failed ? (
        <iframe ref={frame} src={page.addresses.frame} sandbox="allow-scripts" title={`Output drawn by ${NAMES[content.kind]}`} style={full ? undefined : { height: `${cut ? TALL : height}px` }} />
      ) : (
        <div class="frame-place" style={{ height: `${Math.min(height, TALL)}px` }} />
      )}
      {failed && <p class="cut" role="alert">The library that draws this output could not be loaded. Load the page again.</p>}
      {height > TALL && !full && (
        <button class="button quiet more" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : `Show all of it (${height.toLocaleString("en")} pixels)`}
        </button>
      )}
      {refused.size > 0 && (
        <p class="cut">
          This output wants the internet: {[...refused].join(", ")}. Outputs are shown without it, so a part may be missing.
          {content.kind === "html" && adviceFor(String(content.content))}
        </p>
      )}
      <OutputTools>
        {drawn && <ToolButton icon="download" label="Download as PNG" run={() => post({ picture: "png" })} />}
        <ToolButton icon={full ? "shrink" : "expand"} label={full ? "Leave full screen" : "Full screen"} run={() => void (full ? document.exitFullscreen() : place.current!.requestFullscreen().catch(() => page.say("This browser does not allow full screen here.")))} />
      </OutputTools>
    </div>
  );
}

/** Follow whether a frame is near the window, and let it sleep when others need its room. */
function near(element: HTMLElement, setAwake: (awake: boolean) => void): () => void {
  let visible = false;
  const member: Frame = { visible: () => visible || document.fullscreenElement === element, sleep: () => setAwake(false) };
  const observer = new IntersectionObserver(
    (entries) => {
      visible = entries.at(-1)!.isIntersecting;
      if (!visible) return;
      setAwake(true);
      frameBudget.near(member);
    },
    // Of what scrolls: a margin around the window would not count in there.
    { root: element.closest(".cells"), rootMargin: "800px 0px" },
  );
  observer.observe(element);
  return () => {
    observer.disconnect();
    frameBudget.forget(member);
  };
}

/** The colours that outputs take over from the page. */
function theme(): Record<string, string> {
  const page = getComputedStyle(document.documentElement);
  const colour = (name: string) => {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const colours = Object.fromEntries(["text", "muted", "line", "accent", "surface", "raised", "hover", "danger", "good", "warning"].map((name) => [name, colour(name)]));
  return { scheme: darkNow.peek() ? "dark" : "light", strong: colour("line-strong"), mono: page.getPropertyValue("--mono"), ...colours };
}
