// The files of the session's work directory: look, bring, take, remove.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, ask, encodePath } from "../api";
import { usePage } from "../components/context";
import { Confirm } from "../components/Dialog";
import { Icon } from "../components/Icon";
import { size } from "../session/words";
import { upload, type Upload } from "./upload";

interface Entry {
  name: string;
  path: string;
  type: "file" | "directory" | "link" | "other";
  size: number;
  modified: number;
}

export function FilesPanel(): VNode {
  const page = usePage();
  const { session } = page;
  const [folder, setFolder] = useState("");
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [problem, setProblem] = useState("");
  const [uploads, setUploads] = useState<Upload[]>([]);
  const [dropping, setDropping] = useState(false);
  const [hidden, setHidden] = useState(false);
  const [doomed, setDoomed] = useState<Entry | null>(null);
  const picker = useRef<HTMLInputElement>(null);
  const leased = session.view.value.state === "leased";
  const base = `/api/v1/sessions/${session.id.value}/files`;
  // What code writes shows up when it has run.
  const idle = !page.busy.value;

  const refresh = async () => {
    if (!leased) return setEntries(null);
    try {
      const { body } = await ask<{ entries: Entry[] }>("GET", `${base}?path=${encodeURIComponent(folder)}`);
      const folders = (entry: Entry) => (entry.type === "directory" ? 0 : 1);
      setEntries(body.entries.sort((a, b) => folders(a) - folders(b) || a.name.localeCompare(b.name)));
      setProblem("");
    } catch (error) {
      setProblem((error as ApiError).message);
    }
  };
  useEffect(() => void refresh(), [folder, leased, idle, session.id.value]);

  const bring = async (files: Iterable<File>) => {
    for (const file of files) {
      const path = folder ? `${folder}/${file.name}` : file.name;
      const show = (state: Upload) => setUploads((before) => [...before.filter((each) => each.name !== file.name), ...(state.done ? [] : [state])]);
      try {
        await upload(`${base}/${encodePath(path)}`, file, show);
        page.tell(`${file.name} uploaded`);
      } catch (error) {
        page.say(`${file.name}: ${(error as ApiError).message}`);
      }
    }
    void refresh();
  };
  const remove = async (entry: Entry) => {
    try {
      await ask("DELETE", `${base}/${encodePath(entry.path)}`);
      page.tell(`${entry.name} deleted`);
    } catch (error) {
      page.say((error as ApiError).message);
    }
    void refresh();
  };

  const listed = entries?.filter((entry) => hidden || !entry.name.startsWith("."));
  const more = (entries?.length ?? 0) - (listed?.length ?? 0);

  return (
    <aside
      class={`files${dropping ? " dropping" : ""}`}
      aria-label="Files"
      onDragOver={(event) => (event.preventDefault(), setDropping(true))}
      onDragLeave={() => setDropping(false)}
      onDrop={(event) => {
        event.preventDefault();
        setDropping(false);
        if (leased) void bring(event.dataTransfer?.files ?? []);
      }}
    >
      <div class="files-bar">
        <h2 class="grow">Files</h2>
        <input ref={picker} type="file" multiple hidden onChange={(event) => void bring([...(event.currentTarget.files ?? [])]).then(() => (picker.current!.value = ""))} />
        <button class="button small" disabled={!leased} onClick={() => picker.current!.click()}>
          <Icon name="upload" size={16} /> Upload
        </button>
        <button class="button quiet icon" aria-label="Refresh files" title="Refresh" onClick={() => void refresh()}>
          <Icon name="restart" size={16} />
        </button>
        <button class="button quiet icon" aria-label="Close files" onClick={() => (page.panel.value = null)}>
          <Icon name="close" size={16} />
        </button>
      </div>
      <Crumbs folder={folder} go={setFolder} />
      {problem && <p class="notice error" role="alert">{problem}</p>}
      {uploads.map((each) => (
        <label class="upload" key={each.name}>
          {each.name}
          <progress value={each.sent} max={each.size} />
        </label>
      ))}
      {!leased && <p class="muted pad">Files live in the session's sandbox. There is no session yet; run a cell to start one.</p>}
      {leased && listed?.length === 0 && <p class="muted pad">Nothing here. Drop files to upload them; code finds them in its working directory.</p>}
      {leased && listed && (
        <ul class="file-list">
          {listed.map((entry) => (
            <li key={entry.path}>
              {entry.type === "directory" ? (
                <button class="file-name" onClick={() => setFolder(entry.path)}>
                  <Icon name="folder" size={16} /> {entry.name}
                </button>
              ) : (
                <a class="file-name" href={`${base}/${encodePath(entry.path)}`} download={entry.name}>
                  <Icon name="file" size={16} /> {entry.name}
                </a>
              )}
              <span class="muted file-size">{entry.type === "directory" ? "" : size(entry.size)}</span>
              <button class="button quiet icon" aria-label={`Delete ${entry.name}`} title="Delete" onClick={() => setDoomed(entry)}>
                <Icon name="trash" size={16} />
              </button>
            </li>
          ))}
        </ul>
      )}
      {leased && (more > 0 || hidden) && (
        <button class="button quiet small" onClick={() => setHidden(!hidden)}>
          {hidden ? "Do not show hidden files" : `Show ${more} hidden`}
        </button>
      )}
      <p class="muted pad small-print">These files go when the session ends. Download what you want to keep.</p>
      {doomed && (
        <Confirm title={`Delete ${doomed.name}?`} action="Delete" danger confirm={() => void remove(doomed)} close={() => setDoomed(null)}>
          <p>{doomed.type === "directory" ? "The folder and everything in it is deleted." : "The file is deleted."} This cannot be undone.</p>
        </Confirm>
      )}
    </aside>
  );
}

function Crumbs({ folder, go }: { folder: string; go(folder: string): void }): VNode {
  const parts = folder ? folder.split("/") : [];
  return (
    <nav class="crumbs" aria-label="Folder">
      <button class="link" onClick={() => go("")} aria-current={parts.length ? undefined : "true"}>
        work
      </button>
      {parts.map((part, index) => (
        <span key={index}>
          {" / "}
          <button class="link" onClick={() => go(parts.slice(0, index + 1).join("/"))} aria-current={index === parts.length - 1 ? "true" : undefined}>
            {part}
          </button>
        </span>
      ))}
    </nav>
  );
}
