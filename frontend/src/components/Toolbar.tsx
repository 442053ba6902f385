import type { VNode } from "preact";
import { Presence } from "../live/Presence";
import { usePage } from "./context";
import { Icon, type IconName } from "./Icon";
import { PANELS, type PanelName } from "./panels";
import { SessionBar } from "./SessionBar";

export function Toolbar(): VNode {
  const page = usePage();
  return (
    <section class="toolbar" aria-label="Notebook tools">
      <div class="tools">
        <Tool icon="run" label="Run" hint="Run the cell and go to the next (Shift Enter)" act={() => page.runAnd(page.current, "next")} disabled={page.readOnly.value} primary />
        <Tool icon="stop" label="Stop" hint="Interrupt the running code (I I)" act={() => page.interrupt()} disabled={!page.busy.value || page.readOnly.value} />
        <Tool icon="restart" label="Restart" hint="Restart the kernel (0 0)" act={() => (page.dialog.value = "restart")} disabled={page.readOnly.value} />
        <Tool icon="runAll" label="Run all" hint="Run all cells from the first" act={() => page.runAll()} disabled={page.readOnly.value} />
        <span class="divider" />
        <Tool icon="plus" label="Code" hint="Add a code cell below (B)" act={() => page.insert(page.notebook.indexOf(page.current.id) + 1)} disabled={page.readOnly.value} words />
        <Tool icon="plus" label="Text" hint="Add a Markdown cell below" act={() => page.insert(page.notebook.indexOf(page.current.id) + 1, "markdown")} disabled={page.readOnly.value} words />
      </div>
      <Presence />
      <SessionBar />
      <div class="tools">
        {page.live.right.value === "own" && <Tool icon="share" label="Share" hint="Share this notebook" act={() => (page.dialog.value = "share")} words />}
        {page.live.mayEdit.value && (Object.keys(PANELS) as PanelName[]).map((name) => (
          <Toggle key={name} icon={PANELS[name].icon} label={PANELS[name].title} pressed={page.panel.value === name} act={() => page.togglePanel(name)} />
        ))}
        {page.live.mayEdit.value && <Toggle icon="terminal" label="Terminal" pressed={page.terminalOpen.value} act={() => page.toggleTerminal()} />}
        <Tool icon="keyboard" label="Keys" hint="List of keys (?)" act={() => (page.dialog.value = "help")} />
      </div>
    </section>
  );
}

/** A click on a tool leaves the cursor where it is; the keyboard still reaches every tool. */
function keepFocus(event: MouseEvent): void {
  event.preventDefault();
}

interface ToolProps {
  icon: IconName;
  label: string;
  hint: string;
  act(): void;
  disabled?: boolean;
  primary?: boolean;
  words?: boolean;
}

function Tool({ icon, label, hint, act, disabled = false, primary = false, words = false }: ToolProps): VNode {
  return (
    <button class={`button tool${primary ? " primary" : " quiet"}${words || primary ? " words" : ""}${icon === "keyboard" ? " keys" : ""}`} title={hint} aria-label={label === "Code" || label === "Text" ? `Add ${label.toLowerCase()} cell` : label} aria-disabled={disabled} onMouseDown={keepFocus} onClick={() => !disabled && act()}>
      <Icon name={icon} />
      <span class="tool-label" aria-hidden="true">{label}</span>
    </button>
  );
}

function Toggle({ icon, label, pressed, act }: { icon: IconName; label: string; pressed: boolean; act(): void }): VNode {
  return (
    <button class="button tool quiet words" aria-pressed={pressed} title={label} onMouseDown={keepFocus} onClick={act}>
      <Icon name={icon} />
      <span class="tool-label">{label}</span>
    </button>
  );
}
