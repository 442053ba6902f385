// Terminals of the session below the notebook or at its right: tabs, search, settings, and a size that is dragged or moved by keys.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { usePage } from "../components/context";
import { Icon } from "../components/Icon";
import { copyOnSelect, fontSize, height, place, resizeFont, screenReader, width } from "./settings";
import { MOST, Tabs } from "./tabs";
import { WIDE } from "./TerminalPlace";
import { TerminalView } from "./TerminalView";

const tabs = new Tabs();

export function TerminalDock(): VNode {
  const page = usePage();
  const { session } = page;
  const search = useRef<HTMLInputElement>(null);
  const [searching, setSearching] = useState(false);
  const [query, setQuery] = useState({ text: "", step: 0 });
  const [wide, setWide] = useState(WIDE.matches);
  const [listed, setListed] = useState<string | null>(null);
  const id = session.id.value;
  const leased = session.view.value.state === "leased";
  const right = wide && place.value === "right";
  const names = tabs.names.value;
  const current = tabs.current.value;

  useEffect(() => {
    if (!session.live) void session.open();
  }, []);
  useEffect(() => {
    if (id && leased) void tabs.follow(id).then(() => setListed(id));
  }, [id, leased]);
  useEffect(() => {
    const link = document.querySelector<HTMLElement>("[data-skip-terminal]");
    if (link) link.hidden = false;
    const change = () => setWide(WIDE.matches);
    WIDE.addEventListener("change", change);
    return () => {
      if (link) link.hidden = true;
      WIDE.removeEventListener("change", change);
    };
  }, []);

  const leave = () => page.go(page.notebook.indexOf(page.current.id));
  const hide = () => {
    page.terminalOpen.value = false;
    leave();
  };
  const choose = (name: string) => {
    tabs.current.value = name;
    page.terminalFocus.wanted.value++;
  };
  const close = (name: string) => {
    page.tell(`${tabs.label(name)} closed`);
    if (tabs.close(name)) page.terminalFocus.wanted.value++;
    else hide();
  };
  const add = async () => {
    try {
      if (await tabs.add()) page.terminalFocus.wanted.value++;
      else page.say(`A session has at most ${MOST} terminals: close one first.`);
    } catch (error) {
      page.say((error as ApiError).message);
    }
  };
  const press = (event: KeyboardEvent) => {
    if (event.key !== "F6" || !event.shiftKey || event.ctrlKey) return;
    event.preventDefault();
    leave();
  };

  return (
    <section id="terminal" class={`dock${right ? " right" : ""}`} aria-label="Terminal" tabIndex={-1} style={right ? { width: `${width.value}px` } : { height: `${height.value}px` }} onKeyDown={press}>
      <Divider right={right} />
      <div class="dock-bar">
        <div class="tabs" role="group" aria-label="Terminals">
          {names.map((name) => (
            <Tab key={name} name={name} label={tabs.label(name)} current={name === current} choose={() => choose(name)} close={() => close(name)} />
          ))}
          <button class="button quiet icon" aria-label="New terminal" title="New terminal" onClick={() => void add()}>
            <Icon name="plus" size={16} />
          </button>
        </div>
        <span class="grow muted hint">
          {!right && (
            <>
              <kbd>Shift</kbd> <kbd>F6</kbd> leaves the terminal
            </>
          )}
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
        <button class="button quiet icon" aria-label="Search in the terminal" aria-pressed={searching} title="Search (Ctrl Shift F)" onClick={() => setSearching(!searching)}>
          <Icon name="search" size={16} />
        </button>
        <Settings />
        <button class="button quiet icon" aria-label="Hide terminals" title="Hide; they go on running" onClick={hide}>
          <Icon name="close" size={16} />
        </button>
      </div>
      {id && leased && listed === id ? (
        names.map((name) => (
          <TerminalView
            key={`${id}/${name}`} session={id} name={name} label={tabs.label(name)} shown={name === current} query={query} focus={page.terminalFocus}
            downSince={session.downSince.value} leave={leave} find={() => setSearching(true)} say={(problem) => page.say(problem)}
          />
        ))
      ) : (
        <p class="dock-empty muted">
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

interface TabProps {
  name: string;
  label: string;
  current: boolean;
  choose(): void;
  close(): void;
}

function Tab({ name, label, current, choose, close }: TabProps): VNode {
  const [naming, setNaming] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, [naming]);
  const done = (event: Event) => {
    tabs.rename(name, (event.currentTarget as HTMLInputElement).value);
    setNaming(false);
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    if (event.key === "Enter") done(event);
    setNaming(false);
    choose();
  };
  return (
    <span class={`tab${current ? " current" : ""}`}>
      {naming ? (
        <input aria-label={`Name of ${label}`} defaultValue={label} maxLength={40} ref={input} onKeyDown={keys} onBlur={done} />
      ) : (
        <button class="button quiet small" aria-pressed={current} title="F2 or a double click renames it" onClick={(event) => event.detail < 2 && choose()} onDblClick={() => setNaming(true)} onKeyDown={(event) => event.key === "F2" && setNaming(true)}>
          {label}
        </button>
      )}
      <button class="button quiet icon" aria-label={`Close ${label}`} title="Close; its shell is ended" onClick={close}>
        <Icon name="close" size={12} />
      </button>
    </span>
  );
}

function Settings(): VNode {
  return (
    <details class="menu">
      <summary class="button quiet icon" aria-label="Settings of the terminal" title="Settings">
        <Icon name="more" size={16} />
      </summary>
      <div class="sheet">
        <fieldset class="segments">
          <legend>Place</legend>
          {(["bottom", "right"] as const).map((where) => (
            <button key={where} aria-pressed={place.value === where} onClick={() => (place.value = where)}>
              {where === "bottom" ? "Bottom" : "Right"}
            </button>
          ))}
        </fieldset>
        <span class="font-size" role="group" aria-label="Size of the text">
          <span class="grow">Text {fontSize.value} px</span>
          <button class="button small" aria-label="Smaller text" title="Ctrl -" onClick={() => resizeFont(-1)}>
            −
          </button>
          <button class="button small" aria-label="Larger text" title="Ctrl +" onClick={() => resizeFont(1)}>
            +
          </button>
        </span>
        <label class="check">
          <input type="checkbox" checked={screenReader.value} onChange={() => (screenReader.value = !screenReader.value)} /> For a screen reader
        </label>
        <label class="check">
          <input type="checkbox" checked={copyOnSelect.value} onChange={() => (copyOnSelect.value = !copyOnSelect.value)} /> Copy what is selected
        </label>
        <p class="muted">
          <kbd>Ctrl Shift C</kbd> copies, <kbd>Ctrl Shift V</kbd> pastes, <kbd>Shift F6</kbd> or <kbd>Ctrl Shift `</kbd> leaves the terminal.
        </p>
      </div>
    </details>
  );
}

function Divider({ right }: { right: boolean }): VNode {
  const [size, least, most] = right ? [width, 240, innerWidth * 0.7] : [height, 120, innerHeight * 0.8];
  const set = (wanted: number) => (size.value = Math.round(Math.min(Math.max(least, wanted), most)));
  const drag = (down: PointerEvent) => {
    const divider = down.currentTarget as HTMLElement;
    const at = (event: PointerEvent) => (right ? event.clientX : event.clientY);
    const [from, start] = [at(down), size.value];
    divider.setPointerCapture(down.pointerId);
    divider.onpointermove = (move) => set(start + from - at(move));
    divider.onpointerup = divider.onpointercancel = () => (divider.onpointermove = null);
  };
  const keys = (event: KeyboardEvent) => {
    const [more, less] = right ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    const step = event.key === more ? 24 : event.key === less ? -24 : 0;
    if (!step) return;
    event.preventDefault();
    set(size.value + step);
  };
  return (
    <div
      class={`divider-row${right ? " upright" : ""}`} role="separator" aria-orientation={right ? "vertical" : "horizontal"} aria-label={right ? "Width of the terminal" : "Height of the terminal"}
      aria-valuenow={size.value} aria-valuemin={least} aria-valuemax={Math.round(most)} tabIndex={0} onPointerDown={drag} onKeyDown={keys}
    />
  );
}
