// The tree itself: one stop of the Tab key, arrows within, and a place for what is dropped.

import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../components/Icon";
import { size } from "../session/words";
import type { Files } from "./files";
import { parentOf, parts, plain, topmost } from "./names";
import { moved, targetOf, typedAhead, type Move, type Row } from "./tree";

const OURS = "application/x-thermae-paths";
const TYPED_WITHIN = 800;
const MOVES: Record<string, Move> = { ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" };

export function Tree({ files }: { files: Files }): VNode {
  const rows = files.rows.value;
  const { current } = files.choice.value;
  const [over, setOver] = useState<string | null>(null);
  const tree = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: "", at: 0 });
  const stop = rows.some((row) => row.entry.path === current) ? current : rows[0]?.entry.path;

  // The focus follows the keyboard, and never comes by itself. At once: a focus that came after the next key would undo it.
  useLayoutEffect(() => {
    if (tree.current?.contains(document.activeElement)) tree.current.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  }, [current]);

  const press = (event: KeyboardEvent) => {
    if (perform(files, event, typed.current)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  const root = files.folders.value.get("");
  const all = root?.entries.length ?? 0;
  const hiddenOnes = root?.entries.filter((entry) => entry.name.startsWith(".")).length ?? 0;
  return (
    <>
      <div ref={tree} class="tree" role="tree" aria-label="Files of the session" aria-multiselectable="true" onKeyDown={press}>
        {rows.map((row) => (
          <Item key={row.entry.path} files={files} row={row} stop={row.entry.path === stop} over={over === targetOf(row.entry) && over !== ""} setOver={setOver} />
        ))}
      </div>
      {root && !root.problem && rows.length === 0 && <p class="muted pad">Nothing here. Drop files or folders to upload them; code finds them in its working directory.</p>}
      {[...files.folders.value].map(([path, { more }]) => more > 0 && <p class="muted pad" key={path}>{more} more in {path ? plain(path) : "the work folder"} are not listed.</p>)}
      {all > 0 && (hiddenOnes > 0 || files.hidden.value) && (
        <button class="button quiet small files-hidden" onClick={() => (files.hidden.value = !files.hidden.value)}>
          {files.hidden.value ? "Do not show hidden files" : `Show ${hiddenOnes} hidden`}
        </button>
      )}
    </>
  );
}

function Item({ files, row, stop, over, setOver }: { files: Files; row: Row; stop: boolean; over: boolean; setOver(folder: string | null): void }): VNode {
  const { entry } = row;
  const selected = files.choice.value.selected.has(entry.path);
  const target = targetOf(entry);
  const click = (event: MouseEvent) => {
    const how = event.shiftKey ? "extend" : event.ctrlKey || event.metaKey ? "toggle" : "only";
    files.choose(entry.path, how);
    if (how === "only" && row.open !== null) void files.toggle(entry.path);
  };
  const drag = (event: DragEvent) => {
    if (!selected) files.choose(entry.path);
    const paths = topmost(files.choice.value.selected);
    const data = event.dataTransfer!;
    data.effectAllowed = "copyMove";
    data.setData(OURS, JSON.stringify(paths));
    data.setData("text/plain", paths.join("\n"));
    // Chromium's way to drag a file out to the desktop.
    const single = paths.length === 1 && entry.type === "file";
    const name = single ? plain(entry.name) : "files.zip";
    const address = new URL(single ? files.addressOf(entry.path) : files.zipAddress(paths), location.href).href;
    data.setData("DownloadURL", `application/octet-stream:${name.replace(/[:/\\]/g, "_")}:${address}`);
  };
  const dragOver = (event: DragEvent) => {
    if (![OURS, "Files"].some((type) => event.dataTransfer?.types.includes(type))) return;
    event.preventDefault();
    event.stopPropagation();
    setOver(target);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    setOver(null);
    const data = event.dataTransfer!;
    const ours = data.getData(OURS);
    if (ours) void files.move(JSON.parse(ours) as string[], target);
    else void files.drop(target, data);
  };
  return (
    <div
      class={`tree-item${selected ? " selected" : ""}${over ? " over" : ""}`}
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.of}
      aria-selected={selected}
      {...(row.open === null ? {} : { "aria-expanded": row.open })}
      aria-label={label(row)}
      tabIndex={stop ? 0 : -1}
      style={{ paddingInlineStart: `${8 + (row.level - 1) * 16}px` }}
      title={plain(entry.path)}
      draggable
      onClick={click}
      onDblClick={() => row.open === null && files.show(entry)}
      onFocus={() => files.choice.value.current !== entry.path && (files.choice.value = { ...files.choice.value, current: entry.path })}
      onDragStart={drag}
      onDragOver={dragOver}
      onDragLeave={() => setOver(null)}
      onDragEnd={() => setOver(null)}
      onDrop={drop}
    >
      <span class="tree-arrow">{row.open !== null && <Icon name={row.open ? "opened" : "closed"} size={14} />}</span>
      <Icon name={row.open === null ? "file" : "folder"} size={16} />
      <span class="tree-name">
        <Name name={entry.name} />
      </span>{" "}
      <span class="muted file-size">{entry.type === "file" ? size(entry.size) : entry.type === "directory" ? "" : entry.type}</span>
    </div>
  );
}

/** A name as it is, with what cannot be shown written out and marked. */
export function Name({ name }: { name: string }): VNode {
  return <bdi>{parts(name).map(({ text, escaped }, index) => (escaped ? <code class="escaped" key={index}>{text}</code> : text))}</bdi>;
}

function label({ entry }: Row): string {
  const kind = { file: size(entry.size), directory: "folder", link: "link", other: "special file" }[entry.type];
  return `${plain(entry.name)} ${kind}`;
}

/** Whether the key meant something. */
function perform(files: Files, event: KeyboardEvent, typed: { text: string; at: number }): boolean {
  const { choice } = files;
  const rows = files.rows.value;
  const row = rows.find(({ entry }) => entry.path === choice.value.current);
  const control = event.ctrlKey || event.metaKey;
  if (event.altKey) return false;
  const move = MOVES[event.key];
  if (move) {
    choice.value = moved(rows, choice.value, move, event.shiftKey);
    return true;
  }
  if (control && event.key.toLowerCase() === "a") {
    choice.value = { ...choice.value, selected: new Set(rows.map(({ entry }) => entry.path)) };
    return true;
  }
  if (!row) return false;
  const { entry } = row;
  const paths = choice.value.selected.size ? [...choice.value.selected] : [entry.path];
  switch (event.key) {
    case "ArrowRight":
      if (row.open === false) void files.toggle(entry.path, true);
      else if (row.open) choice.value = moved(rows, choice.value, "down", false);
      return true;
    case "ArrowLeft":
      if (row.open) void files.toggle(entry.path, false);
      else if (parentOf(entry.path)) files.choose(parentOf(entry.path));
      return true;
    case "Enter":
      files.show(entry);
      return true;
    case " ":
      files.choose(entry.path, "toggle");
      return true;
    case "Delete":
      files.dialog.value = { kind: "delete", paths };
      return true;
    case "F2":
      files.dialog.value = { kind: "rename", entry };
      return true;
  }
  if (control || event.key.length !== 1) return false;
  typed.text = event.timeStamp - typed.at < TYPED_WITHIN ? typed.text + event.key : event.key;
  typed.at = event.timeStamp;
  const found = typedAhead(rows, entry.path, typed.text);
  if (found) files.choose(found);
  return true;
}
