// The notebook's menu: every command that is looked for, by group.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePage } from "../components/context";
import { Icon } from "../components/Icon";
import { COMMANDS, GROUPS, isAvailable } from "../notebook/commands";
import { Combination } from "./Keys";

export function Menu(): VNode {
  const [open, setOpen] = useState(false);
  return (
    <details class="menu command-menu" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="button tool quiet words" aria-label="Menu of the notebook" title="Menu">
        <Icon name="menu" />
        <span class="tool-label">Menu</span>
      </summary>
      {open && <Groups />}
    </details>
  );
}

function Groups(): VNode {
  const page = usePage();
  const press = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const stops = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>("summary, details[open] button:not(:disabled)")];
    const at = stops.indexOf(document.activeElement as HTMLElement);
    stops[(at + by + stops.length) % stops.length]?.focus();
  };
  return (
    <div class="sheet" onKeyDown={press}>
      {GROUPS.map((group, index) => {
        const commands = COMMANDS.filter((command) => command.group === group && !command.unlisted);
        return (
          commands.length > 0 && (
            <details key={group} name="command-groups" class="menu-group" open={index === 0}>
              <summary>{group}</summary>
              {commands.map((command) => (
                <button
                  key={command.id}
                  class="button quiet wide"
                  disabled={!isAvailable(command, page)}
                  aria-pressed={command.checked ? command.checked(page) : undefined}
                  onClick={(event) => {
                    event.currentTarget.closest<HTMLDetailsElement>("details.menu")!.open = false;
                    command.run(page);
                  }}
                >
                  <span class="grow">{command.title}</span>
                  {command.checked?.(page) && <Icon name="check" size={14} />}
                  {page.keys.keysOf(command)[0] && <Combination keys={page.keys.keysOf(command)[0]!} />}
                </button>
              ))}
            </details>
          )
        );
      })}
    </div>
  );
}
