// The page of a container: opens a session of it, says how it is, and leads to its application and its terminal.

import "./chrome";
import { signal } from "@preact/signals";
import { render, type VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { StateSign } from "./components/StateSign";
import { openPreview } from "./session/ports";
import { NotebookSession } from "./session/session";
import { containerInWords, duration } from "./session/words";
import { TerminalView, type FocusWish } from "./terminal/TerminalView";

interface Settings {
  pool: string;
  identifier: string;
  shell: boolean;
}

const settings = JSON.parse(document.getElementById("settings")!.textContent!) as Settings;
const problem = signal("");
const session = new NotebookSession(
  settings.pool,
  settings.identifier,
  () => undefined,
  (message) => (problem.value = message),
);
const focus: FocusWish = { wanted: signal(1), done: 0 };
const noQuery = { text: "", step: 0 };

/** Its pages are on an origin of their own; the link to it is good for one use. */
async function openApplication(): Promise<void> {
  problem.value = "";
  problem.value = await openPreview(session.id.value!, null);
}

const leaveTerminal = () => document.querySelector<HTMLElement>(".container-bar button")?.focus();

function Container(): VNode {
  const view = session.view.value;
  const words = containerInWords(view);
  const leased = view.state === "leased";
  const id = session.id.value;
  return (
    <>
      <div class="container-bar">
        <p class="container-state" role="status">
          <StateSign sign={words.sign} /> <strong>{words.label}</strong> <span class="muted">{words.detail}</span>
          {view.line === "signed out" && (
            <a class="button small" href="/login" target="_blank" rel="noopener">
              Sign in again
            </a>
          )}
        </p>
        <span class="grow muted">{leased && <Countdown />}</span>
        {leased && (
          <>
            <button class="button primary" onClick={() => void openApplication()}>
              Open application
            </button>
            <button class="button" onClick={() => session.keepAlive()}>
              Keep running
            </button>
            <button class="button quiet danger" onClick={() => void session.end()}>
              End session
            </button>
          </>
        )}
        {!session.live && (
          <button class="button primary" onClick={() => void session.open()}>
            Start a new session
          </button>
        )}
      </div>
      {problem.value && (
        <p class="notice error" role="alert">
          {problem.value}
        </p>
      )}
      <main id="main" class="container-main" tabIndex={-1}>
        {settings.shell && leased && id ? (
          <TerminalView key={id} session={id} name="1" label="Terminal" shown query={noQuery} focus={focus} downSince={session.downSince.value} leave={leaveTerminal} say={(words) => (problem.value = words)} />
        ) : (
          <div class="column">
            <p class="muted">{settings.shell ? "The terminal opens when the container runs." : "This container offers no terminal. Its application opens in a tab of its own, on an address that belongs to it alone."}</p>
          </div>
        )}
      </main>
    </>
  );
}

function Countdown(): VNode | null {
  const expires = session.expiresAt.value;
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  if (expires === null) return null;
  return <span>Ends in {duration(Math.max(0, Math.round((expires - now) / 1000)))} if nothing happens</span>;
}

const holder = document.getElementById("container")!;
holder.replaceChildren();
render(<Container />, holder);
void session.open();
