// What outlives the session, told at the foot of the panel; and what there is of it while no session runs.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Confirm } from "../components/Dialog";
import { Icon } from "../components/Icon";
import { size } from "../session/words";
import type { Kept, Workspace } from "./kept";
import { plain } from "./names";

const LOOK_EVERY = 15_000;

export function KeptFiles({ kept, leased }: { kept: Kept; leased: boolean }): VNode {
  const [asking, setAsking] = useState<"" | "forget" | "replace">("");
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && void kept.refresh(), LOOK_EVERY);
    return () => clearInterval(timer);
  }, []);
  const workspace = kept.workspace.value;
  const enabled = workspace?.enabled ?? false;
  const other = leased && workspace?.held === false;
  return (
    <section class="kept" aria-label="Kept files">
      <label class="kept-switch">
        <input type="checkbox" role="switch" checked={enabled} onChange={(event) => void kept.keep(event.currentTarget.checked)} />
        <span>Keep files between sessions</span>
      </label>
      <p class="muted small-print">{enabled ? saved(workspace!) : "Files go when the session ends. Download what you want to keep."}</p>
      {workspace && workspace.size > 0 && <meter min={0} max={workspace.quota} high={workspace.quota * 0.85} value={workspace.size} aria-label="Room for kept files" />}
      {enabled && workspace!.problem && (
        <div class="notice warning" role="status">
          {workspace!.message}
          {["quota", "tenant_quota"].includes(workspace!.problem) && <Largest workspace={workspace!} />}
        </div>
      )}
      {enabled && other && !workspace!.problem && <p class="notice warning">Other files are kept under this notebook's name, which this session has not got. They are not saved over.</p>}
      {enabled && workspace!.omitted > 0 && (
        <details class="kept-left">
          <summary>{workspace!.omitted === 1 ? "One thing cannot be kept" : `${workspace!.omitted} things cannot be kept`}</summary>
          <ul>
            {workspace!.left_out.map(({ path, why }) => (
              <li key={path}>{plain(path)}: {why}</li>
            ))}
          </ul>
        </details>
      )}
      <div class="kept-actions">
        {enabled && leased && (
          <button class="button small" disabled={kept.saving.value} onClick={() => (other ? setAsking("replace") : void kept.save())}>
            {kept.saving.value ? "Saving…" : other ? "Save these instead…" : "Save now"}
          </button>
        )}
        {kept.archive && (
          <a class="button small" href={kept.archive} download>
            <Icon name="download" size={16} /> Kept files
          </a>
        )}
        {kept.archive && (
          <button class="button small danger" onClick={() => setAsking("forget")}>
            Delete kept…
          </button>
        )}
      </div>
      {asking === "forget" && (
        <Confirm title="Delete the kept files?" action="Delete" danger confirm={() => void kept.forget()} close={() => setAsking("")}>
          <p>What was kept is deleted. The files of a running session stay{enabled ? " and are kept again at its next run" : ""}.</p>
        </Confirm>
      )}
      {asking === "replace" && (
        <Confirm title="Save this session's files instead?" action="Replace" danger confirm={() => void kept.save(true)} close={() => setAsking("")}>
          <p>They take the place of the kept files, which are deleted. Download those first if you may need them.</p>
        </Confirm>
      )}
    </section>
  );
}

function saved({ saved_at, size: bytes, quota }: Workspace): string {
  if (saved_at === null) return `Nothing is kept yet. There is room for ${size(quota)}.`;
  const when = new Date(saved_at * 1000);
  const today = when.toDateString() === new Date().toDateString();
  const words = today ? when.toLocaleTimeString([], { timeStyle: "short" }) : when.toLocaleDateString([], { dateStyle: "medium" });
  return `Kept as of ${words}: ${size(bytes)} of ${size(quota)}, packed.`;
}

function Largest({ workspace }: { workspace: Workspace }): VNode {
  return (
    <ul class="kept-largest">
      {workspace.largest.slice(0, 5).map(({ path, size: bytes }) => (
        <li key={path}>
          {plain(path)} <span class="muted">{size(bytes)}</span>
        </li>
      ))}
    </ul>
  );
}

export function KeptList({ kept }: { kept: Kept }): VNode | null {
  const workspace = kept.workspace.value;
  if (!workspace?.saved_at) return null;
  const files = workspace.entries.filter((entry) => entry.type === "file");
  return (
    <>
      <h3>Kept for the next session</h3>
      <ul class="kept-list">
        {files.slice(0, 200).map((entry) => (
          <li key={entry.path}>
            <Icon name="file" size={14} /> <bdi>{plain(entry.path)}</bdi> <span class="muted">{size(entry.size)}</span>
          </li>
        ))}
      </ul>
      {workspace.files > Math.min(200, files.length) && <p class="muted">{workspace.files - Math.min(200, files.length)} more.</p>}
    </>
  );
}
