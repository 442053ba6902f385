// What must be known of the session before going on: that it ends soon, is full, cannot be reached, has died or is over.

import type { VNode } from "preact";
import { usePage } from "../components/context";
import { clock, usedInWords, type Limit } from "./attention";
import { describe, retryInWords } from "./words";

export function SessionBanners(): VNode {
  const page = usePage();
  const { session, watch } = page;
  const view = session.view.value;
  const out = view.line === "signed out";
  return (
    <>
      {out && <SignedOut />}
      {!out && watch.cutOff.value && <CutOff />}
      {view.state === "gone" && <Ended />}
      {view.state === "refused" && <Refused />}
      {view.state === "waiting" && !out && <Waiting />}
      {watch.end.value?.near && !watch.cutOff.value && !out && <EndsSoon />}
      {session.live && watch.shows("memory") && <Full limit="memory" />}
      {session.live && watch.shows("disk") && <Full limit="disk" />}
      {view.kernel?.state === "dead" && session.live && <Dead />}
      {session.interruptIgnored.value && page.busy.value && (
        <div class="notice warning row" role="alert">
          <span class="grow">The code does not react to being stopped. A restart ends it; variables are lost.</span>
          <button class="button" onClick={() => void page.restart(false)}>
            Restart now
          </button>
        </div>
      )}
    </>
  );
}

function SignedOut(): VNode {
  const { session } = usePage();
  return (
    <div class="notice warning row">
      <span class="grow">
        <strong>You are signed out.</strong> What you type is kept in this page. Sign in again in another tab: this page then goes on by itself.
      </span>
      <a class="button" href="/login" target="_blank" rel="noopener" onBlur={() => session.tryNow()}>
        Sign in again
      </a>
    </div>
  );
}

function CutOff(): VNode {
  const { session, watch } = usePage();
  const offline = !navigator.onLine;
  return (
    <div class="notice warning row">
      <span class="grow">
        <strong>{offline ? "You are offline." : "The server cannot be reached."}</strong> Code goes on running; what you type is kept, and what you run is sent when the connection is back. {retryInWords(session.retryAt.value, watch.now.value)}
      </span>
      <button class="button" onClick={() => session.tryNow()}>
        Try now
      </button>
    </div>
  );
}

function EndsSoon(): VNode {
  const { session, watch, live } = usePage();
  const { seconds, hard } = watch.end.value!;
  return (
    <div class="notice warning row">
      <span class="grow">
        <strong>
          This session ends in <span class="clock">{clock(seconds)}</span>
        </strong>{" "}
        {hard ? "because it reaches the longest time that a session may live. Download files that you want to keep." : "because nothing happens in it. Its variables are lost then; the notebook and its outputs stay."}
      </span>
      {!hard && live.mayEdit.value && (
        <button class="button" onClick={() => session.keepAlive()}>
          Keep running
        </button>
      )}
    </div>
  );
}

function Full({ limit }: { limit: Limit }): VNode {
  const { session, watch } = usePage();
  const usage = session.usage.value;
  const memory = limit === "memory";
  const names = watch.largest.value;
  return (
    <div class="notice warning row">
      <span class="grow">
        <strong>The {limit} is almost full{usage ? `: ${usedInWords(usage, limit)}` : ""}.</strong>{" "}
        {memory
          ? "When it is full the kernel is ended and its variables are lost. Delete what is large and not needed, as by del name, or restart."
          : "When it is full nothing more can be written. Delete files that are not needed, or download them first."}
        {memory && names.length > 0 && ` The largest variables: ${names.join(", ")}.`}
      </span>
      <button class="button" onClick={() => watch.dismiss(limit)}>
        Dismiss
      </button>
    </div>
  );
}

function Refused(): VNode {
  const page = usePage();
  return (
    <div class="notice warning row">
      <span class="grow">
        <strong>No sandbox yet.</strong> {page.session.view.value.message} {page.busy.value ? "Trying again…" : "You can go on writing."}
      </span>
      <button class="button" onClick={() => void page.session.open()}>
        Try again
      </button>
    </div>
  );
}

function Waiting(): VNode {
  const { session, pending } = usePage();
  const many = pending.value.length > 1;
  return (
    <div class="notice warning row">
      <span class="grow">
        <strong>Waiting for a place.</strong> {session.view.value.message} {many ? "Your cells are kept and run" : "Your cell is kept and runs"} when there is one, also if you close this page.
      </span>
      <button class="button" onClick={() => session.stopWaitingForPlace()}>
        {many ? "Take all out" : "Take it out"}
      </button>
    </div>
  );
}

function Ended(): VNode {
  const { session, live } = usePage();
  return (
    <div class="notice row">
      <span class="grow">
        <strong>The session has ended.</strong> {describe(session.view.value).detail} Variables and files of its sandbox are gone; the notebook and its outputs are here.
      </span>
      {live.mayEdit.value && (
        <button class="button" onClick={() => void session.open()}>
          New session
        </button>
      )}
    </div>
  );
}

function Dead(): VNode {
  const page = usePage();
  const { detail } = describe(page.session.view.value);
  const last = page.session.view.value.kernel?.detail;
  return (
    <div class="notice error" role="alert">
      <div class="row">
        <span class="grow">
          <strong>The kernel died.</strong> {detail}
        </span>
        <button class="button" onClick={() => void page.restart(false)}>
          Restart
        </button>
      </div>
      {last && (
        <details>
          <summary>Its last words</summary>
          <pre class="stream">{last}</pre>
        </details>
      )}
    </div>
  );
}
