// The files of the session's work folder: look, bring, take, change, and keep.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { usePage } from "../components/context";
import { Icon, type IconName } from "../components/Icon";
import { size } from "../session/words";
import { FilesDialogs } from "./FilesDialogs";
import { filesOf, type Files } from "./files";
import { KeptFiles, KeptList } from "./KeptFiles";
import { Preview } from "./Preview";
import { TransferList } from "./TransferList";
import { Tree } from "./Tree";

const LOOK_EVERY = 5000;
/** Some seconds after a run its files are saved. */
const SAVED_AFTER = 6000;

export function FilesPanel(): VNode {
  const page = usePage();
  const files = filesOf(page);
  const [dropping, setDropping] = useState(false);
  const leased = page.session.view.value.state === "leased";
  // What code writes shows up when it has run.
  const idle = !page.busy.value;
  useEffect(() => void files.refresh(), [leased, idle, page.session.id.value]);
  useEffect(() => {
    void files.kept.refresh();
    const saved = setTimeout(() => void files.kept.refresh(), SAVED_AFTER);
    return () => clearTimeout(saved);
  }, [leased, idle, page.session.id.value]);
  useLooking(files);

  const drop = (event: DragEvent) => {
    setDropping(false);
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (leased) void files.drop("", event.dataTransfer);
  };
  return (
    <aside
      class={`files${dropping ? " dropping" : ""}`}
      aria-label="Files"
      onDragOver={(event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        setDropping(true);
      }}
      onDragLeave={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && setDropping(false)}
      onDrop={drop}
    >
      <div class="files-bar">
        <h2 class="grow">Files</h2>
        <button class="button quiet icon" aria-label="Close files" onClick={() => (page.panel.value = null)}>
          <Icon name="close" size={16} />
        </button>
      </div>
      <Tools files={files} leased={leased} />
      {files.problem.value && <p class="notice error" role="alert">{files.problem.value}</p>}
      <TransferList transfers={files.transfers} />
      {leased ? <Tree files={files} /> : <Without files={files} />}
      <footer class="files-foot">
        <Disk />
        <KeptFiles kept={files.kept} leased={leased} />
      </footer>
      <FilesDialogs files={files} />
      {files.preview.value && <Preview key={files.preview.value.path} files={files} entry={files.preview.value} />}
    </aside>
  );
}

/** A terminal, or code that runs for long, changes files too. Looking by the clock does not count as using the session. */
function useLooking(files: Files): void {
  useEffect(() => {
    const look = () => document.visibilityState === "visible" && void files.refresh(true);
    const timer = setInterval(look, LOOK_EVERY);
    addEventListener("focus", look);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", look);
    };
  }, []);
}

function Tools({ files, leased }: { files: Files; leased: boolean }): VNode {
  const picker = useRef<HTMLInputElement>(null);
  const chosen = files.chosen;
  const [one] = chosen;
  const single = chosen.length === 1 ? one : undefined;
  const paths = chosen.map((entry) => entry.path);
  const upload = async () => {
    const found = [...(picker.current!.files ?? [])].map((file) => ({ path: file.name, file }));
    picker.current!.value = "";
    await files.bring(files.target, { files: found, empty: [] });
  };
  return (
    <div class="files-tools" role="toolbar" aria-label="File tools">
      <input ref={picker} type="file" multiple hidden onChange={() => void upload()} />
      <button class="button small" disabled={!leased} onClick={() => picker.current!.click()}>
        <Icon name="upload" size={16} /> Upload
      </button>
      <Act icon="newFile" label="New file" disabled={!leased} act={() => (files.dialog.value = { kind: "file", folder: files.target })} />
      <Act icon="newFolder" label="New folder" disabled={!leased} act={() => (files.dialog.value = { kind: "folder", folder: files.target })} />
      <Act icon="restart" label="Refresh files" disabled={!leased} act={() => void files.refresh()} />
      {/* Its place is kept: a tree that moved under the pointer would open another file than was meant. */}
      {leased && chosen.length === 0 && <p class="files-chosen muted">Select a file to do more with it.</p>}
      {leased && chosen.length > 0 && (
        <div class="files-chosen" role="group" aria-label="What is selected">
          <span class="muted files-count">{chosen.length === 1 ? "" : `${chosen.length} selected`}</span>
          {single?.type === "file" && <Act icon="edit" label="Open" act={() => files.show(single)} />}
          <Act icon="download" label={single?.type === "file" ? "Download" : "Download as zip"} act={() => void files.take(paths)} />
          {single && <Act icon="rename" label="Rename" act={() => (files.dialog.value = { kind: "rename", entry: single })} />}
          <Act icon="move" label="Move" act={() => (files.dialog.value = { kind: "move", paths })} />
          {single && <Act icon="copy" label="Copy path" act={() => void copyPath(files, single.path)} />}
          {single && <Act icon="insert" label="Insert path into the cell" act={() => void insertPath(files, single.path)} />}
          <Act icon="trash" label="Delete" act={() => (files.dialog.value = { kind: "delete", paths })} />
        </div>
      )}
    </div>
  );
}

function Act({ icon, label, act, disabled = false }: { icon: IconName; label: string; act(): void; disabled?: boolean }): VNode {
  return (
    <button class="button quiet icon" aria-label={label} title={label} disabled={disabled} onClick={act}>
      <Icon name={icon} size={16} />
    </button>
  );
}

async function copyPath(files: Files, path: string): Promise<void> {
  const { copyText } = await import("../components/CopyButton");
  files.page.tell((await copyText(path)) ? "Path copied" : "Copying failed");
}

async function insertPath(files: Files, path: string): Promise<void> {
  const { insertIntoCell } = await import("./insert");
  insertIntoCell(files.page, path);
}

function Without({ files }: { files: Files }): VNode {
  const { page } = files;
  const state = page.session.view.value.state;
  const starting = state === "opening" || state === "starting";
  return (
    <div class="files-none">
      <p class="muted">{starting ? "The files are here as soon as the sandbox is." : "Files live in the session's sandbox, and none runs."}</p>
      {!starting && (
        <button class="button" onClick={() => void page.session.open()}>
          Start a session
        </button>
      )}
      <KeptList kept={files.kept} />
    </div>
  );
}

function Disk(): VNode | null {
  const usage = usePage().session.usage.value;
  if (!usage?.disk_limit) return null;
  const share = usage.disk / usage.disk_limit;
  return (
    <p class={`files-meter${share > 0.85 ? " high" : ""}`}>
      <span>
        Disk: {size(usage.disk)} of {size(usage.disk_limit)}
        {share > 0.85 && <strong> · almost full</strong>}
      </span>
      <meter min={0} max={usage.disk_limit} high={usage.disk_limit * 0.85} value={usage.disk} aria-label="Disk of this session" />
    </p>
  );
}
