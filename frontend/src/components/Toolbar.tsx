import type { VNode } from "preact";
import { Menu } from "../commands/Menu";
import { Presence } from "../live/Presence";
import { usePage } from "./context";
import { Icon, type IconName } from "./Icon";
import { PANELS, type PanelName } from "./panels";
import { QueueChip } from "./QueueChip";
import { SessionBar } from "./SessionBar";

/** Only what is used all the time: everything else is in the menu and the palette. */
export function Toolbar(): VNode {
  const page = usePage();
  const looking = page.readOnly.value;
  const below = () => page.selection.end;
  return (
    <section class="toolbar" aria-label="Notebook tools">
      <div class="tools">
        <Menu />
        <Tool icon="run" label="Run" hint="Run the selected cells and go to the next (Shift Enter)" act={() => page.running.selectedAnd("next")} disabled={looking} primary />
        <Tool icon="stop" label="Stop" hint="Interrupt the running code (I I)" act={() => page.interrupt()} disabled={!page.watch.busy.value || looking} />
        <Tool icon="restart" label="Restart" hint="Restart the kernel (0 0)" act={() => (page.dialog.value = "restart")} disabled={looking} spare />
        <Tool icon="runAll" label="Run all" hint="Run all cells from the first" act={() => page.running.all()} disabled={looking} />
        <span class="divider" />
        <Tool icon="plus" label="Code" name="Add code cell" hint="Add a code cell below (B)" act={() => page.insert(below())} disabled={looking} words />
        <Tool icon="text" label="Text" name="Add text cell" hint="Add a Markdown cell below" act={() => page.insert(below(), "markdown")} disabled={looking} words />
      </div>
      <QueueChip />
      <Presence />
      <SessionBar />
      <div class="tools">
        {page.live.right.value === "own" && <Tool icon="share" label="Share" hint="Share this notebook" act={() => (page.dialog.value = "share")} words />}
        {page.live.mayEdit.value && (Object.keys(PANELS) as PanelName[]).map((name) => (
          <Toggle key={name} icon={PANELS[name].icon} label={PANELS[name].title} pressed={page.panel.value === name} act={() => page.togglePanel(name)} />
        ))}
        {page.live.mayEdit.value && <Toggle icon="terminal" label="Terminal" pressed={page.terminalOpen.value} act={() => page.toggleTerminal()} />}
        <Tool icon="search" label="Commands" hint="Find a command (Ctrl Shift P)" act={() => (page.dialog.value = "palette")} spare />
        <Tool icon="keyboard" label="Keys" hint="List of keys (?)" act={() => (page.dialog.value = "keys")} spare />
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
  /** What it is called where its label does not say enough. */
  name?: string;
  hint: string;
  act(): void;
  disabled?: boolean;
  primary?: boolean;
  words?: boolean;
  /** Left to the menu on a small screen. */
  spare?: boolean;
}

function Tool({ icon, label, name = label, hint, act, disabled = false, primary = false, words = false, spare = false }: ToolProps): VNode {
  return (
    <button class={`button tool${primary ? " primary" : " quiet"}${words || primary ? " words" : ""}${spare ? " spare" : ""}`} title={hint} aria-label={name} aria-disabled={disabled} onMouseDown={keepFocus} onClick={() => !disabled && act()}>
      <Icon name={icon} />
      <span class="tool-label" aria-hidden="true">{label}</span>
    </button>
  );
}

function Toggle({ icon, label, pressed, act }: { icon: IconName; label: string; pressed: boolean; act(): void }): VNode {
  return (
    <button class="button tool quiet words" aria-pressed={pressed} aria-label={label} title={label} onMouseDown={keepFocus} onClick={act}>
      <Icon name={icon} />
      <span class="tool-label">{label}</span>
    </button>
  );
}
