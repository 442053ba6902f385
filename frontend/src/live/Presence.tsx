// Who else is here, and who edits.

import type { VNode } from "preact";
import { usePage } from "../components/context";
import type { Person } from "./live";

const MOST = 4;

export function Presence(): VNode | null {
  const { live } = usePage();
  const others = onePerPerson(live.people.value.filter((person) => person.tab !== live.tab));
  if (!others.length) return null;
  const editing = live.editor.value?.tab;
  const more = others.length - MOST;
  return (
    <ul class="presence" aria-label="Also here">
      {others.slice(0, MOST).map((person) => {
        const edits = person.tabs.includes(editing ?? "");
        const words = `${person.name}${edits ? ", editing" : person.right === "view" ? ", may look" : ""}`;
        return (
          <li key={person.user} class={`person colour-${person.colour}${edits ? " edits" : ""}`} title={words}>
            <span aria-hidden="true">{person.initials}</span>
            <span class="vh">{words}</span>
          </li>
        );
      })}
      {more > 0 && (
        <li class="person more" title={others.slice(MOST).map((person) => person.name).join(", ")}>
          +{more}
          <span class="vh"> more</span>
        </li>
      )}
    </ul>
  );
}

export function onePerPerson(people: Person[]): (Person & { tabs: string[] })[] {
  const found = new Map<number, Person & { tabs: string[] }>();
  for (const person of people) {
    const known = found.get(person.user);
    if (known) known.tabs.push(person.tab);
    else found.set(person.user, { ...person, tabs: [person.tab] });
  }
  return [...found.values()];
}

/** Why this page cannot be typed in, and what to do about it. */
export function LiveBanner(): VNode | null {
  const page = usePage();
  const { live, autosave } = page;
  const editor = live.editor.value;
  if (live.gone.value) {
    // In the trash: that is said, with a way back, by whoever saves.
    if (autosave.state.value.kind === "deleted") return null;
    return (
      <div class="notice warning row" role="alert">
        <span class="grow">
          <strong>This notebook is not available any more.</strong> It was deleted, or is not shared with you. What you see here can still be kept.
        </span>
        <a class="button" href={page.addresses.list}>
          Your notebooks
        </a>
      </div>
    );
  }
  if (live.moved.value) {
    return (
      <div class="notice warning row" role="alert">
        <span class="grow">
          <strong>This notebook is in another language now.</strong> Load the page again to go on.
        </span>
        <button class="button" onClick={() => location.reload()}>
          Load it again
        </button>
      </div>
    );
  }
  if (live.right.value === "view") {
    return (
      <div class="notice row">
        <span class="grow">
          {editor ? <><strong>{editor.name} is editing.</strong> You see it live.</> : <strong>You may look at this notebook.</strong>} To edit or run it, ask its owner.
        </span>
      </div>
    );
  }
  if (!editor || editor.mine || !live.readOnly.value) {
    return editor?.mine && editor.wanted_by ? <div class="notice row">{editor.wanted_by} is taking over.</div> : null;
  }
  return (
    <div class="notice row">
      <span class="grow">
        {editor.same_person ? <strong>You are editing in another tab.</strong> : <strong>{editor.name} is editing.</strong>} {autosave.dirty ? "What you typed last is not saved yet." : "You see it live."}
      </span>
      <button class="button" aria-disabled={live.asking.value} onClick={() => !live.asking.value && live.take(true)}>
        {live.asking.value ? "Taking over…" : editor.same_person ? "Edit here" : "Take over"}
      </button>
    </div>
  );
}
