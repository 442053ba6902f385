// One terminal. The line to it comes back after a break; the server then repeats the last of what was shown.

import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Signal } from "@preact/signals";
import { darkNow } from "../theme";
import { guardAnswers } from "./answers";
import { PtyLine } from "./line";
import { colours } from "./colours";

/** Counted up when somebody asks for the keyboard to go to the terminal; `done` is the last count that was obeyed. */
export interface FocusWish {
  wanted: Signal<number>;
  done: number;
}

interface Props {
  focus: FocusWish;
  session: string;
  name: string;
  shown: boolean;
  query: { text: string; step: number };
}

export function TerminalView({ session, name, shown, query, focus: wish }: Props): VNode {
  const holder = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal | null>(null);
  const fit = useRef<FitAddon | null>(null);
  const search = useRef<SearchAddon | null>(null);
  const dark = darkNow.value;
  const focus = wish.wanted.value;

  useEffect(() => {
    const made = new Terminal({
      fontFamily: getComputedStyle(document.body).getPropertyValue("--mono"),
      fontSize: 13,
      lineHeight: 1.2,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      minimumContrastRatio: 4.5,
      scrollback: 5000,
      theme: colours(dark),
    });
    const fitter = new FitAddon();
    const searcher = new SearchAddon();
    made.loadAddon(fitter);
    made.loadAddon(searcher);
    // Only the web: no file:, no javascript:, and the sandbox learns nothing of where one came from.
    made.loadAddon(new WebLinksAddon((_, uri) => /^https?:\/\//.test(uri) && window.open(uri, "_blank", "noopener,noreferrer"), { urlRegex: /https?:\/\/[^\s"'<>()]+[^\s"'<>().,;:!?]/ }));
    made.open(holder.current!);
    made.textarea?.setAttribute("aria-label", `Terminal ${name}. Control Shift Backquote leaves it.`);
    // This chord goes to the page, which moves the focus out: the terminal would swallow it.
    made.attachCustomKeyEventHandler((event) => !(event.ctrlKey && event.shiftKey && event.code === "Backquote"));
    fitter.fit();
    guardAnswers(made);
    const line = new PtyLine(session, name, made);
    made.onData((text) => line.type(text));
    made.onBinary((text) => line.typeBinary(text));
    made.onResize(({ rows, cols }) => line.resize(rows, cols));
    const watch = new ResizeObserver(() => holder.current?.offsetHeight && fitter.fit());
    watch.observe(holder.current!);
    terminal.current = made;
    fit.current = fitter;
    search.current = searcher;
    return () => {
      watch.disconnect();
      line.close();
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
    if (terminal.current) terminal.current.options.theme = colours(dark);
  }, [dark]);
  useEffect(() => {
    if (shown && query.step && query.text) search.current?.findPrevious(query.text);
  }, [query]);

  return <div ref={holder} class="terminal-holder" role="group" aria-label={`Terminal ${name}`} hidden={!shown} />;
}
