// One terminal. The line to it comes back after a break; the server then repeats the last of what was shown.

import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Signal } from "@preact/signals";
import { copyText } from "../components/CopyButton";
import { openPreview, placeOf } from "../session/ports";
import { darkNow } from "../theme";
import { guardAnswers } from "./answers";
import { chordOf } from "./keys";
import { PtyLine } from "./line";
import { colours } from "./colours";
import { copyOnSelect, fontSize, resizeFont, screenReader } from "./settings";
import { scrollByTouch } from "./touch";

/** Counted up when somebody asks for the keyboard to go to the terminal; `done` is the last count that was obeyed. */
export interface FocusWish {
  wanted: Signal<number>;
  done: number;
}

interface Props {
  focus: FocusWish;
  session: string;
  name: string;
  label: string;
  shown: boolean;
  query: { text: string; step: number };
  /** Since when the page's line to the session is down; a line that was cut without a word is made anew when it is back. */
  downSince: number | null;
  leave(): void;
  find?(): void;
  say(problem: string): void;
}

const LINK = /https?:\/\/[^\s"'<>()]+[^\s"'<>().,;:!?]/;

export function TerminalView({ session, name, label, shown, query, downSince, focus: wish, leave, find, say }: Props): VNode {
  const holder = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal | null>(null);
  const fit = useRef<FitAddon | null>(null);
  const search = useRef<SearchAddon | null>(null);
  const line = useRef<PtyLine | null>(null);
  const [ended, setEnded] = useState<{ words: string; again: boolean } | null>(null);
  const dark = darkNow.value;
  const focus = wish.wanted.value;
  const [size, reader] = [fontSize.value, screenReader.value];

  useEffect(() => {
    const made = new Terminal({
      allowProposedApi: true, // which Unicode's widths is one
      fontFamily: getComputedStyle(document.body).getPropertyValue("--mono"),
      fontSize: fontSize.peek(),
      lineHeight: 1.2,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      minimumContrastRatio: 4.5,
      screenReaderMode: screenReader.peek(),
      scrollback: 5000,
      theme: colours(dark),
    });
    const fitter = new FitAddon();
    const searcher = new SearchAddon();
    made.loadAddon(fitter);
    made.loadAddon(searcher);
    made.loadAddon(new Unicode11Addon());
    made.unicode.activeVersion = "11";
    made.loadAddon(new WebLinksAddon((_, address) => follow(session, address, say), { urlRegex: LINK }));
    made.open(holder.current!);
    const acts = {
      leave,
      copy: () => made.hasSelection() && void copyText(made.getSelection()).then(() => made.focus()),
      find: () => find?.(),
      larger: () => resizeFont(1),
      smaller: () => resizeFont(-1),
      usual: () => resizeFont(0),
    };
    made.attachCustomKeyEventHandler((event) => {
      const chord = chordOf(event);
      if (!chord || (chord === "find" && !find)) return true;
      if (chord === "paste") return false; // the browser pastes, and the terminal hears of that
      event.preventDefault();
      event.stopPropagation();
      if (event.type === "keydown") acts[chord]();
      return false;
    });
    made.onSelectionChange(() => copyOnSelect.peek() && made.hasSelection() && void navigator.clipboard?.writeText(made.getSelection()).catch(() => undefined));
    fitter.fit();
    const pty = new PtyLine(session, name, made, (words, again) => setEnded(words === null ? null : { words, again }));
    guardAnswers(made, () => pty.repeats);
    made.onData((text) => pty.type(text));
    made.onBinary((text) => pty.typeBinary(text));
    made.onResize(({ rows, cols }) => pty.resize(rows, cols));
    scrollByTouch(holder.current!, made, (keys) => pty.type(keys));
    const watch = new ResizeObserver(() => holder.current?.offsetHeight && fitter.fit());
    watch.observe(holder.current!);
    terminal.current = made;
    fit.current = fitter;
    search.current = searcher;
    line.current = pty;
    return () => {
      watch.disconnect();
      pty.close();
      made.dispose();
    };
  }, []);

  useEffect(() => {
    if (!shown) return;
    fit.current?.fit();
    // Only when somebody asked for it: a terminal that comes back with a new session must not catch what is being typed.
    if (focus !== wish.done) terminal.current?.focus();
    wish.done = focus;
  }, [shown, focus]);
  useEffect(() => {
    const options = terminal.current!.options;
    options.theme = colours(dark);
    options.fontSize = size;
    options.screenReaderMode = reader;
    if (holder.current!.offsetHeight) fit.current!.fit();
  }, [dark, size, reader]);
  useEffect(() => {
    if (shown && query.step && query.text) search.current?.findPrevious(query.text);
  }, [query]);
  useEffect(() => terminal.current!.textarea?.setAttribute("aria-label", `${label}. Shift F6 leaves it.`), [label]);
  const wasDown = useRef(false);
  useEffect(() => {
    if (downSince === null && wasDown.current) line.current?.renew();
    wasDown.current = downSince !== null;
  }, [downSince]);

  const again = () => {
    line.current?.again();
    terminal.current?.focus();
  };
  return (
    <>
      <div ref={holder} class="terminal-holder" role="group" aria-label={label} hidden={!shown} />
      {ended && (
        <p class="terminal-end" hidden={!shown}>
          <span class="grow">{ended.words}</span>
          {ended.again && (
            <button class="button small" onClick={again}>
              Open a new one
            </button>
          )}
        </p>
      )}
    </>
  );
}

/** Only the web: no file:, no javascript:, and the other side learns nothing of where one came from. A server of the sandbox is opened as a preview. */
function follow(session: string, address: string, say: (problem: string) => void): void {
  const place = placeOf(address);
  if (place) void openPreview(session, place).then((problem) => problem && say(problem));
  else if (/^https?:\/\//.test(address)) window.open(address, "_blank", "noopener,noreferrer");
}
