// Where the code runs and how it is: state, load, and when it ends.

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { languageDialogOpen } from "../languages/LanguageDialog";
import type { Usage } from "../protocol";
import { clock, endInWords, nearlyFull, share, usedInWords, type Limit } from "../session/attention";
import { toggleNotifications } from "../session/commands";
import { wanted } from "../session/notify";
import { describe, duration, retryInWords, size } from "../session/words";
import { StateSign } from "./StateSign";
import { usePage } from "./context";

export function SessionBar(): VNode {
  const page = usePage();
  const { session, settings, watch } = page;
  const words = describe(session.view.value);
  const end = watch.end.value;
  const usage = session.usage.value;
  const label = `${words.label}${useClock()}`;
  return (
    <div class="session">
      {end?.near && <span class="countdown">Ends in {clock(end.seconds)}</span>}
      {usage && session.live && !end?.near && (
        <span class="meters">
          <Meter label="CPU" name="CPU" share={Math.min(1, usage.cpu)} text={`${Math.round(usage.cpu * 100)}%`} words={`${usage.cpu.toFixed(2)} cores`} />
          <LimitMeter label="RAM" name="Memory" of="memory" usage={usage} />
          {watch.full.disk.value && <LimitMeter label="Disk" name="Disk" of="disk" usage={usage} />}
        </span>
      )}
      <details class="menu session-menu">
        <summary class={`button chip ${words.sign}`} aria-label={`Session: ${words.label} ${settings.language}`} title={words.detail}>
          <StateSign sign={words.sign} />
          <span class="chip-label">{label}</span>{" "}
          <span class="chip-language">{settings.language}</span>
        </summary>
        <div class="sheet">
          <SessionSheet />
        </div>
      </details>
    </div>
  );
}

/** While it starts or is cut off: for how long, or how long yet. */
function useClock(): string {
  const { session, watch } = usePage();
  const { state, line } = session.view.value;
  const starting = state === "opening" || state === "starting" || state === "waiting";
  const since = useRef(0);
  useEffect(() => void (since.current = starting ? Date.now() : 0), [starting]);
  if (line === "waiting") {
    const left = session.retryAt.value === null ? 0 : Math.ceil((session.retryAt.value - watch.now.value) / 1000);
    return left > 0 ? `, again in ${left} s` : "";
  }
  const seconds = since.current ? Math.floor((watch.now.value - since.current) / 1000) : 0;
  return starting && seconds > 1 ? ` ${seconds < 10 ? `${seconds} s` : duration(seconds)}` : "";
}

function SessionSheet(): VNode {
  const page = usePage();
  const { session, settings, watch } = page;
  const view = session.view.value;
  const words = describe(view);
  const usage = session.usage.value;
  const down = view.line === "waiting";
  return (
    <>
      <p>
        <strong>{words.label}</strong> · {settings.language}
        {words.detail && <span class="muted block">{words.detail}</span>}
        {down && <span class="muted block">{retryInWords(session.retryAt.value, watch.now.value)}</span>}
      </p>
      {usage && session.live && <Figures usage={usage} />}
      {view.state === "leased" && <p class="muted">{endInWords(watch.end.value, watch.busy.value, session.endsAt.value, watch.now.value)}</p>}
      {!page.live.mayEdit.value ? null : session.live ? (
        <>
          {down && <MenuButton act={() => session.tryNow()}>Try to connect now</MenuButton>}
          <MenuButton act={() => session.keepAlive()}>Keep running</MenuButton>
          <MenuButton act={() => page.interrupt()}>Interrupt</MenuButton>
          <MenuButton act={() => (page.dialog.value = "restart")}>Restart…</MenuButton>
          <MenuButton act={() => (page.dialog.value = "restartAndRun")}>Restart and run all…</MenuButton>
          <MenuButton act={() => (page.dialog.value = "ports")}>Open port…</MenuButton>
          <MenuButton act={() => (page.dialog.value = "end")} danger>
            End session…
          </MenuButton>
        </>
      ) : (
        <button class="button primary wide" onClick={() => void session.open()}>
          Start a new session
        </button>
      )}
      {page.live.right.value === "own" && <MenuButton act={() => (languageDialogOpen.value = true)}>Change the language…</MenuButton>}
      <label class="check">
        <input type="checkbox" checked={wanted.value} onChange={() => void toggleNotifications(page)} /> Notify me when a long run or the session ends
      </label>
    </>
  );
}

function Figures({ usage }: { usage: Usage }): VNode {
  return (
    <dl class="figures">
      <dt>CPU</dt>
      <dd>{usage.cpu.toFixed(2)} cores</dd>
      <dt>Memory</dt>
      <dd>
        {size(usage.memory)} of {size(usage.memory_limit)}
      </dd>
      <dt>Disk</dt>
      <dd>
        {size(usage.disk)} of {size(usage.disk_limit)}
      </dd>
      <dt>Processes</dt>
      <dd>
        {usage.pids} of {usage.pids_limit}
      </dd>
    </dl>
  );
}

function MenuButton({ act, danger = false, children }: { act(): void; danger?: boolean; children: string }): VNode {
  const choose = (event: MouseEvent) => {
    (event.currentTarget as Element).closest("details")!.open = false;
    act();
  };
  return (
    <button class={`button quiet wide${danger ? " danger" : ""}`} onClick={choose}>
      {children}
    </button>
  );
}

function LimitMeter({ label, name, of, usage }: { label: string; name: string; of: Limit; usage: Usage }): VNode {
  return <Meter label={label} name={name} share={share(usage, of)} text={size(usage[of])} words={usedInWords(usage, of)} high={nearlyFull(usage, of)} />;
}

interface MeterProps {
  label: string;
  name: string;
  share: number;
  text: string;
  words: string;
  high?: boolean;
}

/** A figure that is drawn, and the same in words for who does not see it. */
function Meter({ label, name, share, text, words, high = false }: MeterProps): VNode {
  const percent = Math.round(Math.min(1, share) * 100);
  return (
    <span class={`meter${high ? " high" : ""}`} title={`${name}: ${words}`}>
      <span class="meter-label" aria-hidden="true">
        {label}
      </span>
      <span class="meter-track" role="meter" aria-label={name} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent} aria-valuetext={words}>
        <span class="meter-bar" style={{ width: `${percent}%` }} />
      </span>
      <span class="meter-text" aria-hidden="true">
        {high && "⚠ "}
        {text}
      </span>
    </span>
  );
}
