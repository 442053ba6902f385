// The versions of the notebook: what it was, what changed since, and the way back.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { usePage } from "../components/context";
import { Dialog } from "../components/Dialog";
import { Icon } from "../components/Icon";
import type { NotebookDocument } from "../notebook/document";
import { Comparison } from "./Comparison";
import type { Version } from "./history";

const WHY: Record<Version["why"], string> = {
  automatic: "Kept by itself",
  named: "Named",
  restore: "Before a version was restored",
  conflict: "Before other edits replaced it",
  gave_way: "Edits that gave way to others",
};

export function HistoryPanel(): VNode {
  const page = usePage();
  const { history } = page;
  const [versions, setVersions] = useState<Version[] | null>(null);
  const [problem, setProblem] = useState("");
  const [name, setName] = useState("");
  const [open, setOpen] = useState<Version | null>(null);
  const changes = history.changes.value;
  useEffect(() => {
    history.list().then(
      (list) => (setVersions(list), setProblem("")),
      (error: ApiError) => setProblem(error.message),
    );
  }, [changes]);

  const keep = async (event: Event) => {
    event.preventDefault();
    try {
      await history.keepVersion(name);
      page.tell(`Version ${name} kept`);
      setName("");
    } catch (error) {
      setProblem((error as ApiError).message);
    }
  };

  return (
    <aside class="files history" aria-label="History">
      <div class="files-bar">
        <h2 class="grow">History</h2>
        <button class="button quiet icon" aria-label="Refresh history" title="Refresh" onClick={() => history.changes.value++}>
          <Icon name="restart" size={16} />
        </button>
        <button class="button quiet icon" aria-label="Close history" onClick={() => (page.panel.value = null)}>
          <Icon name="close" size={16} />
        </button>
      </div>
      <form class="pad keep-version" onSubmit={(event) => void keep(event)}>
        <label>
          Keep it as it is now
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} placeholder="Name of this version" maxLength={100} required />
        </label>
        <button class="button small">Keep</button>
      </form>
      {problem && <p class="notice error" role="alert">{problem}</p>}
      {versions?.length === 0 && <p class="muted pad">No version is kept yet. One is kept by itself every few minutes while you edit.</p>}
      <ul class="version-list">
        {versions?.map((version) => (
          <li key={version.id}>
            <button onClick={() => setOpen(version)}>
              <strong>{version.name || when(version)}</strong>
              <span class="muted">
                {version.name ? `${when(version)} · ` : ""}
                {WHY[version.why]}
                {version.by && version.why === "named" ? ` by ${version.by}` : ""} · {version.cells} {version.cells === 1 ? "cell" : "cells"}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <p class="muted pad small-print">Text and code are kept, outputs are not. What is restored can be undone.</p>
      {open && <VersionDialog version={open} close={() => setOpen(null)} />}
    </aside>
  );
}

function VersionDialog({ version, close }: { version: Version; close(): void }): VNode {
  const page = usePage();
  const { history } = page;
  const [document, setDocument] = useState<NotebookDocument | null>(null);
  const [now] = useState(() => JSON.parse(JSON.stringify(page.notebook)) as NotebookDocument);
  const [problem, setProblem] = useState("");
  const [name, setName] = useState(version.name);
  useEffect(() => {
    history.read(version).then(setDocument, (error: ApiError) => setProblem(error.message));
  }, [version.id]);
  const attempt = async (action: Promise<void>, done: () => void) => {
    try {
      await action;
      done();
    } catch (error) {
      setProblem((error as ApiError).message);
    }
  };
  return (
    <Dialog title={version.name || `Version of ${when(version)}`} wide close={close}>
      {problem && <p class="notice error" role="alert">{problem}</p>}
      <div class="choice-body">{document ? <Comparison before={document} after={now} names={["in this version", "in the notebook now"]} /> : !problem && <p class="muted">Loading…</p>}</div>
      <form
        class="row keep-version"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(history.name(version, name), () => page.tell("Version named"));
        }}
      >
        <label class="grow">
          Name
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} placeholder="A named version stays" maxLength={100} required />
        </label>
        <button class="button">{version.name ? "Rename" : "Name it"}</button>
      </form>
      <div class="actions">
        <button class="button danger" onClick={() => void attempt(history.forget(version), close)}>
          Delete version
        </button>
        <button class="button" onClick={close}>
          Close
        </button>
        <button class="button primary" disabled={!document} onClick={() => void attempt(history.restore(version), close)}>
          Restore this version
        </button>
      </div>
    </Dialog>
  );
}

/** A named version is of the moment when it was named, another of when that state was last saved. */
function when(version: Version): string {
  const seconds = version.why === "named" ? version.created_at : version.saved_at;
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return today ? `Today, ${date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}` : date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
