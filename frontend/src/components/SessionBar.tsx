// Where the code runs and how it is: state, load, and when it ends.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { languageDialogOpen } from "../languages/LanguageDialog";
import { describe, duration, size } from "../session/words";
import { StateSign } from "./StateSign";
import { usePage } from "./context";

const SOON = 120;

export function SessionBar(): VNode {
  const page = usePage();
  const { session, settings } = page;
  const words = describe(session.view.value);
  const left = useSecondsLeft();
  const usage = session.usage.value;
  const live = session.live;
  const ending = left !== null && left <= soon(session.cooldown.value) && !page.busy.value && live;
  return (
    <div class="session">
      {ending && (
        <span class="countdown">
          <span title="This session ends when it stays idle">Ends in {clock(left)}</span>
          <button class="button small" onClick={() => session.keepAlive()}>
            Keep running
          </button>
        </span>
      )}
      {usage && live && !ending && (
        <span class="meters" aria-hidden="true">
          <Meter label="CPU" share={Math.min(1, usage.cpu)} text={`${Math.round(usage.cpu * 100)}%`} />
          <Meter label="RAM" share={usage.memory_limit ? usage.memory / usage.memory_limit : 0} text={size(usage.memory)} />
        </span>
      )}
      <details class="menu session-menu">
        <summary class={`button chip ${words.sign}`} aria-label={`Session: ${words.label} ${settings.language}`}>
          <StateSign sign={words.sign} />
          <span class="chip-label">{words.label}</span>{" "}
          <span class="chip-language">{settings.language}</span>
        </summary>
        <div class="sheet">
          <p>
            <strong>{words.label}</strong> · {settings.language}
            {words.detail && <span class="muted block">{words.detail}</span>}
          </p>
          {usage && live && (
            <dl class="figures">
              <dt>CPU</dt>
              <dd>{usage.cpu.toFixed(2)} cores</dd>
              <dt>Memory</dt>
              <dd>{size(usage.memory)} of {size(usage.memory_limit)}</dd>
              <dt>Disk</dt>
              <dd>{size(usage.disk)} of {size(usage.disk_limit)}</dd>
              <dt>Processes</dt>
              <dd>{usage.pids} of {usage.pids_limit}</dd>
            </dl>
          )}
          {left !== null && live && (
            <p class="muted">
              Ends in {duration(Math.round(left))} if nothing happens.
            </p>
          )}
          {live ? (
            <>
              <MenuButton act={() => session.keepAlive()}>Keep running</MenuButton>
              <MenuButton act={() => page.interrupt()}>Interrupt</MenuButton>
              <MenuButton act={() => (page.dialog.value = "restart")}>Restart…</MenuButton>
              <MenuButton act={() => (page.dialog.value = "restartAndRun")}>Restart and run all…</MenuButton>
              <MenuButton act={() => (page.dialog.value = "end")} danger>End session…</MenuButton>
            </>
          ) : (
            <button class="button primary wide" onClick={() => void session.open()}>
              Start a new session
            </button>
          )}
          <MenuButton act={() => (languageDialogOpen.value = true)}>Change the language…</MenuButton>
        </div>
      </details>
    </div>
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

function Meter({ label, share, text }: { label: string; share: number; text: string }): VNode {
  return (
    <span class={`meter${share > 0.85 ? " high" : ""}`}>
      <span class="meter-label">{label}</span>
      <span class="meter-track">
        <span class="meter-bar" style={{ width: `${Math.round(Math.min(1, share) * 100)}%` }} />
      </span>
      <span class="meter-text">{text}</span>
    </span>
  );
}

/** The countdown shows for the last two minutes; where a session is kept for less, for its second half. */
function soon(cooldown: number | null): number {
  return cooldown === null ? SOON : Math.min(SOON, cooldown / 2);
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function useSecondsLeft(): number | null {
  const { session } = usePage();
  const expires = session.expiresAt.value;
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (expires === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [expires]);
  return expires === null ? null : Math.max(0, (expires - now) / 1000);
}
