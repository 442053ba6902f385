// While a call is typed: its signature, with the parameter at the cursor marked.

import { StateEffect, StateField, type Extension } from "@codemirror/state";
import { EditorView, showTooltip, type Tooltip } from "@codemirror/view";
import { callAround, currentParameter, signatureIn, type Signature } from "./calls";
import type { AskKernel } from "./completion";
import { toCodePoints } from "./positions";

interface Shown {
  at: number;
  argument: number;
  signature: Signature;
}

const set = StateEffect.define<Shown | null>();

const field = StateField.define<Shown | null>({
  create: () => null,
  update(shown, transaction) {
    for (const effect of transaction.effects) if (effect.is(set)) return effect.value;
    if (!shown || !(transaction.docChanged || transaction.selection)) return shown;
    // It stays while the cursor is in the same call.
    const call = callAround(transaction.newDoc.toString(), transaction.newSelection.main.head);
    if (!call || call.at !== transaction.changes.mapPos(shown.at)) return null;
    return { ...shown, at: call.at, argument: call.argument };
  },
  provide: (self) => showTooltip.from(self, (shown) => shown && tooltip(shown)),
});

export function closeSignature(view: EditorView): boolean {
  if (!view.state.field(field, false)) return false;
  view.dispatch({ effects: set.of(null) });
  return true;
}

export function signatureHelp(ask: AskKernel): Extension {
  let latest = 0;
  const typing = EditorView.updateListener.of((update) => {
    if (!update.docChanged || !update.transactions.some((one) => one.isUserEvent("input.type"))) return;
    const { head } = update.state.selection.main;
    const typed = update.state.sliceDoc(Math.max(0, head - 1), head);
    if (typed !== "(" && typed !== ",") return;
    const code = update.state.doc.toString();
    const call = callAround(code, head);
    if (!call || update.state.field(field)?.at === call.at) return;
    const mine = ++latest;
    void ask("inspect", code, toCodePoints(code, call.at)).then((reply) => {
      const told = reply?.found ? String((reply.data as Record<string, unknown> | undefined)?.["text/plain"] ?? "") : "";
      const signature = told ? signatureIn(told.slice(0, 20_000)) : null;
      const now = callAround(update.view.state.doc.toString(), update.view.state.selection.main.head);
      if (!signature || mine !== latest || now?.at !== call.at) return;
      update.view.dispatch({ effects: set.of({ at: call.at, argument: now.argument, signature }) });
    });
  });
  return [field, typing];
}

function tooltip({ at, argument, signature }: Shown): Tooltip {
  return {
    pos: at,
    above: true,
    create: () => {
      const dom = document.createElement("div");
      dom.className = "cm-signature";
      const current = currentParameter(signature, argument);
      dom.append(signature.before);
      signature.parameters.forEach((parameter, index) => {
        if (index) dom.append(", ");
        const part = document.createElement(index === current ? "strong" : "span");
        part.textContent = parameter;
        dom.append(part);
      });
      dom.append(signature.after);
      return { dom };
    },
  };
}
