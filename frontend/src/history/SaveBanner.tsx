// What stands between the user's edits and the server, and what can be done about it. Nothing is decided without asking.

import type { VNode } from "preact";
import { usePage } from "../components/context";
import { lazy, Suspense } from "../components/lazy";
import type { Choice } from "./history";

const Chooser = lazy(() => import("./Chooser").then((module) => module.Chooser));

/** The two states, compared; loaded when somebody looks. */
export function ChoiceDialog(): VNode | null {
  const { history } = usePage();
  return history.comparing.value && history.choice.value ? <Suspense load={Chooser} /> : null;
}

export function SaveBanner(): VNode | null {
  const { autosave, history, addresses } = usePage();
  const state = autosave.state.value;
  const choice = history.choice.value;
  if (state.kind === "deleted") return <Deleted message={state.message} />;
  if (choice) return <Waiting choice={choice} />;
  if (state.kind !== "failed" || state.code === "unreachable") return null;
  const signIn = state.code === "signed_out";
  return (
    <div class="notice warning row" role="alert">
      <span class="grow">
        <strong>Not saved.</strong> {signIn ? "You are signed out." : state.message} Your edits are kept in this browser.
      </span>
      {signIn ? (
        <a class="button" href={`${addresses.login}?next=${encodeURIComponent(addresses.list)}`} target="_blank" rel="noopener">
          Sign in in another tab
        </a>
      ) : (
        <button class="button" onClick={() => void history.copyAll()}>
          Save as a copy
        </button>
      )}
    </div>
  );
}

function Waiting({ choice }: { choice: Choice }): VNode {
  const { history } = usePage();
  const when = choice.at === null ? "" : new Date(choice.at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return (
    <div class="notice warning row" role="alert">
      {choice.why === "draft" ? (
        <span class="grow">
          <strong>Edits were not saved.</strong> This browser kept them when the page was closed ({when}).
        </span>
      ) : (
        <span class="grow">
          <strong>Changed in two places.</strong> The same cells were changed in another tab or on another device. Both are kept until you choose.
        </span>
      )}
      <button class="button primary" onClick={() => (history.comparing.value = true)}>
        Compare and choose
      </button>
    </div>
  );
}

function Deleted({ message }: { message: string }): VNode {
  const { history, notebook } = usePage();
  return (
    <div class="notice warning row" role="alert">
      <span class="grow">
        <strong>This notebook is in the trash.</strong> {message} Nothing more is saved until you choose; your edits are kept in this browser.
      </span>
      <button class="button" onClick={() => void history.copy(notebook.toJSON())}>
        Save as a copy
      </button>
      <button class="button primary" onClick={() => void history.bringBack()}>
        Restore
      </button>
    </div>
  );
}
