// Terminals of the session at the bottom of the page: tabs, search, and a height that is dragged or moved by arrow keys.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { usePage } from "../components/context";
import { Icon } from "../components/Icon";
import { TerminalView } from "./TerminalView";

const names = signal<string[]>(["1"]);
const current = signal("1");
const height = signal(Number(localStorage.getItem("terminal-height")) || 280);
const MOST = 8;

export function TerminalDock(): VNode {
  const page = usePage();
  const { session } = page;
  const search = useRef<HTMLInputElement>(null);
  const [searching, setSearching] = useState(false);
  const [query, setQuery] = useState({ text: "", step: 0 });
  const id = session.id.value;
  const leased = session.view.value.state === "leased";

  useEffect(() => {
    if (!session.live) void session.open();
  }, []);
  useEffect(() => {
    const link = document.querySelector<HTMLElement>("[data-skip-terminal]");
    if (link) link.hidden = false;
    return () => void (link && (link.hidden = true));
  }, []);

  const choose = (name: string) => {
    current.value = name;
    page.terminalFocus.wanted.value++;
  };
  const close = (name: string) => {
    const rest = names.value.filter((each) => each !== name);
    if (!rest.length) {
      names.value = ["1"];
      current.value = "1";
      page.terminalOpen.value = false;
      page.go(page.notebook.indexOf(page.current.id));
      return;
    }
    if (current.value === name) current.value = rest.at(-1)!;
    names.value = rest;
  };
  const add = () => {
    const free = Array.from({ length: MOST }, (_, index) => String(index + 1)).find((name) => !names.value.includes(name));
    if (!free) return page.say(`A session has at most ${MOST} terminals: close one first.`);
    names.value = [...names.value, free];
    choose(free);
  };

  return (
    <section id="terminal" class="dock" aria-label="Terminal" tabIndex={-1} style={{ height: `${height.value}px` }}>
      <Divider />
      <div class="dock-bar">
        <div class="tabs" role="group" aria-label="Terminals">
          {names.value.map((name) => (
            <span class={`tab${name === current.value ? " current" : ""}`} key={name}>
              <button class="button quiet small" aria-pressed={name === current.value} onClick={() => choose(name)}>
                Terminal {name}
              </button>
              <button class="button quiet icon" aria-label={`Close tab of terminal ${name}`} onClick={() => close(name)}>
                <Icon name="close" size={12} />
              </button>
            </span>
          ))}
          <button class="button quiet icon" aria-label="New terminal" title="New terminal" onClick={add}>
            <Icon name="plus" size={16} />
          </button>
        </div>
        <span class="grow muted hint">
          <kbd>Ctrl</kbd> <kbd>Shift</kbd> <kbd>`</kbd> leaves the terminal
        </span>
        {searching && (
          <form
            class="search"
            onSubmit={(event) => {
              event.preventDefault();
              setQuery({ text: search.current!.value, step: query.step + 1 });
            }}
          >
            <input ref={search} type="search" aria-label="Search in the terminal" placeholder="Search" autofocus onKeyDown={(event) => event.key === "Escape" && setSearching(false)} />
          </form>
        )}
        <button class="button quiet icon" aria-label="Search in the terminal" aria-pressed={searching} title="Search" onClick={() => setSearching(!searching)}>
          <Icon name="search" size={16} />
        </button>
        <button class="button quiet icon" aria-label="Hide terminals" title="Hide; they go on running" onClick={() => (page.terminalOpen.value = false)}>
          <Icon name="close" size={16} />
        </button>
      </div>
      {id && leased ? (
        names.value.map((name) => <TerminalView key={`${id}/${name}`} session={id} name={name} shown={name === current.value} query={query} focus={page.terminalFocus} />)
      ) : (
        <p class="dock-empty muted" role="status">
          {session.live ? "The terminal opens when the session is ready…" : "There is no session."}{" "}
          {!session.live && (
            <button class="button" onClick={() => void session.open()}>
              Start one
            </button>
          )}
        </p>
      )}
    </section>
  );
}

function Divider(): VNode {
  const set = (wanted: number) => {
    height.value = Math.round(Math.min(Math.max(120, wanted), innerHeight * 0.8));
    localStorage.setItem("terminal-height", String(height.value));
  };
  const drag = (down: PointerEvent) => {
    const divider = down.currentTarget as HTMLElement;
    const [startY, start] = [down.clientY, height.value];
    divider.setPointerCapture(down.pointerId);
    divider.onpointermove = (move) => set(start + startY - move.clientY);
    divider.onpointerup = divider.onpointercancel = () => (divider.onpointermove = null);
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowUp: 24, ArrowDown: -24 }[event.key];
    if (!step) return;
    event.preventDefault();
    set(height.value + step);
  };
  return <div class="divider-row" role="separator" aria-orientation="horizontal" aria-label="Height of the terminal" aria-valuenow={height.value} aria-valuemin={120} aria-valuemax={2000} tabIndex={0} onPointerDown={drag} onKeyDown={keys} />;
}
