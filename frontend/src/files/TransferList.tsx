import type { VNode } from "preact";
import { Icon } from "../components/Icon";
import { size } from "../session/words";
import type { Transfer, Transfers } from "./transfers";

export function TransferList({ transfers }: { transfers: Transfers }): VNode | null {
  const list = transfers.list.value;
  if (!list.length) return null;
  return (
    <ul class="transfers" aria-label="Transfers">
      {list.map((each) => (
        <Line key={each.id} transfer={each} transfers={transfers} />
      ))}
    </ul>
  );
}

const SHOWN = { waiting: "waiting", stopped: "stopped", failed: "failed" };

function Line({ transfer, transfers }: { transfer: Transfer; transfers: Transfers }): VNode {
  const { id, kind, name, done, state, problem } = transfer;
  const words = state === "running" ? progress(transfer) : state === "done" ? (kind === "upload" ? "uploaded" : "downloaded") : SHOWN[state];
  const over = state === "done" || state === "stopped";
  return (
    <li class={`transfer ${state}`}>
      <Icon name={kind} size={16} />
      <span class="transfer-name">
        {name} <span class="muted">{words}</span>
        {(state === "running" || state === "waiting") && <progress aria-label={`${kind === "upload" ? "Upload" : "Download"} of ${name}`} {...(transfer.size ? { value: done, max: transfer.size } : {})} />}
        {problem && <span class="transfer-problem">{problem}</span>}
      </span>
      {state === "failed" && (
        <button class="button small" onClick={() => transfers.retry(id)}>
          Try again
        </button>
      )}
      {!over && (
        <button class="button quiet icon" aria-label={state === "failed" ? `Dismiss ${name}` : `Stop ${name}`} title={state === "failed" ? "Dismiss" : "Stop"} onClick={() => (state === "failed" ? transfers.dismiss(id) : transfers.stop(id))}>
          <Icon name="close" size={14} />
        </button>
      )}
    </li>
  );
}

function progress({ done, size: all }: Transfer): string {
  return all === null ? size(done) : `${size(done)} of ${size(all)}`;
}
