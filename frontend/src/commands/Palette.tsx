// The command palette: everything that can be done, found by a few letters, without the mouse.

import type { VNode } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { usePage } from "../components/context";
import { Icon } from "../components/Icon";
import { COMMANDS, isAvailable, type PageCommand } from "../notebook/commands";
import { recent, remember, search } from "./fuzzy";
import { Combination } from "./Keys";

export function Palette(): VNode {
  const page = usePage();
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const chosen = useRef<PageCommand | null>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);

  // Before the next key: what is typed right after Ctrl Shift P must not be taken for commands.
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const shown = dialog.current!;
    shown.showModal();
    return () => {
      // While it is open, nothing else can have the focus. Its event comes when another dialog may be open already.
      shown.close();
      before?.focus?.();
      // Once the focus is back: what is done may move it.
      const command = chosen.current;
      if (command) queueMicrotask(() => command.run(page));
    };
  }, []);

  const offered = useMemo(() => {
    const last = recent();
    const rank = (command: PageCommand) => (last.includes(command.id) ? last.indexOf(command.id) : last.length);
    return COMMANDS.filter((command) => command.id !== "view.palette" && isAvailable(command, page)).sort((a, b) => rank(a) - rank(b));
  }, []);
  const used = useMemo(() => new Set(recent()), []);
  const found = search(text, offered, (command) => `${command.group}: ${command.title}`);

  const close = () => void (page.dialog.value = null);
  const choose = (command: PageCommand) => {
    remember(command.id);
    chosen.current = command;
    close();
  };
  const move = (to: number) => {
    const next = found.length ? (to + found.length) % found.length : 0;
    setAt(next);
    list.current!.children[next]?.scrollIntoView({ block: "nearest" });
  };
  const press = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: Math.min(found.length - 1, at + 10), PageUp: Math.max(0, at - 10) };
    if (event.key in moves) {
      event.preventDefault();
      move(moves[event.key]!);
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      const command = found[at]?.item;
      if (command) choose(command);
    }
  };

  return (
    <dialog ref={dialog} class="palette" aria-label="Commands" onClose={(event) => event.currentTarget.isConnected && close()} onClick={(event) => event.target === dialog.current && close()}>
      <input
        type="text"
        role="combobox"
        aria-label="Find a command"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-autocomplete="list"
        aria-activedescendant={found[at] ? `palette-${found[at].item.id}` : undefined}
        placeholder="What do you want to do?"
        autocomplete="off"
        spellcheck={false}
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
          list.current!.scrollTop = 0;
        }}
        onKeyDown={press}
      />
      <ul ref={list} id="palette-list" role="listbox" aria-label="Commands">
        {found.map(({ item, places }, index) => (
          <li key={item.id} id={`palette-${item.id}`} role="option" aria-selected={index === at} onPointerMove={() => index !== at && setAt(index)} onClick={() => choose(item)}>
            <span class="grow">
              <span class="muted">{marked(`${item.group}: `, places, 0)}</span>
              {marked(item.title, places, item.group.length + 2)}
              {item.checked?.(page) && <Icon name="check" size={14} />}
              {item.checked && <span class="vh">{item.checked(page) ? ", on" : ", off"}</span>}
            </span>
            {!text && used.has(item.id) && <span class="muted recent">recent</span>}
            {page.keys.keysOf(item)[0] && <Combination keys={page.keys.keysOf(item)[0]!} />}
          </li>
        ))}
      </ul>
      {!found.length && <p class="muted pad" role="status">No command fits “{text}”. Try fewer letters.</p>}
    </dialog>
  );
}

function marked(text: string, places: readonly number[], offset: number): (string | VNode)[] {
  return [...text].map((letter, index) => (places.includes(index + offset) ? <b key={index}>{letter}</b> : letter));
}
