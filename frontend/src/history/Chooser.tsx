// Yours and theirs, compared, and the ways to go on.

import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { usePage } from "../components/context";
import { Dialog } from "../components/Dialog";
import { Comparison } from "./Comparison";
import { merge } from "./merge";

export function Chooser(): VNode | null {
  const { history } = usePage();
  const asked = history.choice.value;
  const choice = useMemo(() => asked && history.present(asked), [asked]);
  const merged = useMemo(() => choice && merge(choice.base, choice.mine, choice.theirs), [choice]);
  if (!asked || !choice || !merged) return null;
  const draft = choice.why === "draft";
  const close = () => void (history.comparing.value = false);
  return (
    <Dialog title={draft ? "Edits that were not saved" : "Changed in two places"} wide close={close}>
      <p>
        {draft
          ? "What you do not choose stays in the history of versions."
          : "The notebook was saved elsewhere while you edited it here. What you do not choose stays in the history of versions."}
      </p>
      <div class="choice-body">
        <Comparison before={choice.theirs} after={choice.mine} names={draft ? ["as it is now", "kept in this browser"] : ["saved elsewhere", "yours"]} />
      </div>
      <div class="actions">
        {!merged.conflicts.length && (
          <button class="button primary" onClick={() => history.mergeBoth(asked)}>
            Put both together
          </button>
        )}
        <button class="button" onClick={() => history.keepMine(asked)}>
          {draft ? "Use the kept edits" : "Keep mine"}
        </button>
        <button class="button" onClick={() => void history.takeTheirs(asked)}>
          {draft ? "Discard them" : "Take theirs"}
        </button>
        <button class="button" onClick={() => void history.keepBoth(asked)}>
          {draft ? "Save them as a copy" : "Keep both (mine as a copy)"}
        </button>
      </div>
    </Dialog>
  );
}
