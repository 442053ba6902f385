// With whom a notebook is shared, and links to frozen copies of it.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, type ApiError } from "../api";
import { usePage } from "../components/context";
import { Dialog } from "../components/Dialog";
import { Icon } from "../components/Icon";

interface Member {
  user: string;
  name: string;
}

interface Link {
  id: number;
  public: boolean;
  usable: boolean;
  revoked: boolean;
  created_at: number;
  expires_at: number | null;
  taken_at: number;
  views: number;
  opened_at: number | null;
}

interface Sharing {
  tenant: string;
  open_to_tenant: boolean;
  public_links: boolean;
  people: (Member & { role: string })[];
  members: Member[];
  links: Link[];
}

export function ShareDialog(): VNode {
  const page = usePage();
  const base = `/notebooks/${page.settings.id}/sharing`;
  const [told, setTold] = useState<Sharing | null>(null);
  const [problem, setProblem] = useState("");
  const [made, setMade] = useState("");

  const send = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    setProblem("");
    try {
      const { body: answer } = await ask<Sharing>(method, `${base}${path}`, body);
      if (answer.links) setTold(answer);
      return answer;
    } catch (error) {
      setProblem((error as ApiError).message);
      return null;
    }
  };
  useEffect(() => void send("GET", ""), []);

  const makeLink = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    await page.autosave.flush();
    const days = Number(form.get("days"));
    const answer = (await send("POST", "/links", { public: form.get("who") === "public", days: days || null })) as { address?: string } | null;
    if (!answer?.address) return;
    setMade(answer.address);
    await send("GET", "");
  };
  const addPerson = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    if (await send("PUT", "/people", { user: data.get("user"), role: data.get("role") })) form.reset();
  };

  return (
    <Dialog title="Share" wide close={() => (page.dialog.value = null)}>
      {problem && (
        <p class="notice error" role="alert">
          {problem}
        </p>
      )}
      {!told ? (
        <p class="muted">Loading…</p>
      ) : (
        <div class="share">
          <section aria-labelledby="share-people">
            <h3 id="share-people">With people of {told.tenant}</h3>
            <p class="muted">They use the same session as you. Whoever may edit may also run code in it.</p>
            <form class="share-row" onSubmit={(event) => void addPerson(event)}>
              <label class="grow">
                Name
                <input name="user" list="share-members" autocomplete="off" required maxLength={150} />
              </label>
              <datalist id="share-members">
                {told.members.map((member) => (
                  <option key={member.user} value={member.user}>
                    {member.name}
                  </option>
                ))}
              </datalist>
              <label>
                May
                <select name="role" aria-label="What this person may">
                  <option value="viewer">look on</option>
                  <option value="editor">edit and run</option>
                </select>
              </label>
              <button class="button primary">Add</button>
            </form>
            {told.people.length > 0 && (
              <ul class="share-list" aria-label="Shared with">
                {told.people.map((person) => (
                  <li key={person.user} class="share-row">
                    <span class="grow">{person.name}</span>
                    <select aria-label={`What ${person.name} may`} value={person.role} onChange={(event) => void send("PUT", "/people", { user: person.user, role: event.currentTarget.value })}>
                      <option value="viewer">look on</option>
                      <option value="editor">edit and run</option>
                    </select>
                    <button class="button quiet icon" aria-label={`Stop sharing with ${person.name}`} onClick={() => void send("PUT", "/people", { user: person.user, role: null })}>
                      <Icon name="close" size={16} />
                    </button>
                  </li>
                ))}
              </ul>
            )}
            <label class="check">
              <input type="checkbox" checked={told.open_to_tenant} onChange={(event) => void send("PUT", "/tenant", { view: event.currentTarget.checked })} />
              Everybody in {told.tenant} may look on
            </label>
          </section>
          <section aria-labelledby="share-links">
            <h3 id="share-links">By a link to a copy</h3>
            <p class="muted">A link shows the notebook with its outputs as they are now. It runs nothing, and does not change until you update it.</p>
            <form class="share-row" onSubmit={(event) => void makeLink(event)}>
              <label class="grow">
                Opens for
                <select name="who">
                  <option value="tenant">members of {told.tenant}</option>
                  {told.public_links && <option value="public">anybody who has the link</option>}
                </select>
              </label>
              <label>
                Valid for
                <select name="days">
                  <option value="7">a week</option>
                  <option value="30">a month</option>
                  <option value="365">a year</option>
                  <option value="">until revoked</option>
                </select>
              </label>
              <button class="button primary">Make a link</button>
            </form>
            {made && (
              <div class="share-row share-made" role="status">
                <label class="grow">
                  The link, which is shown only now
                  <input readOnly value={made} onFocus={(event) => event.currentTarget.select()} />
                </label>
                <button class="button" onClick={() => void copy(made).then((done) => page.tell(done ? "Link copied" : "Not copied: select the link"))}>
                  Copy
                </button>
              </div>
            )}
            {told.links.some((link) => !link.revoked) && (
              <ul class="share-list" aria-label="Links">
                {told.links
                  .filter((link) => !link.revoked)
                  .map((link) => (
                    <LinkRow key={link.id} link={link} act={(wish) => void send("POST", `/links/${link.id}`, { do: wish })} />
                  ))}
              </ul>
            )}
          </section>
        </div>
      )}
    </Dialog>
  );
}

function LinkRow({ link, act }: { link: Link; act(wish: "update" | "revoke"): void }): VNode {
  const made = day(link.created_at);
  return (
    <li class="share-row">
      <span class="grow">
        {link.public ? "Anybody" : "Members"}, made {made}
        <span class="muted block">
          {link.usable ? (link.expires_at ? `Until ${day(link.expires_at)}` : "Until revoked") : "Expired"}. Shows {day(link.taken_at)}. {opened(link)}
        </span>
      </span>
      {link.usable && (
        <button class="button small" aria-label={`Update the link made ${made}`} onClick={() => act("update")}>
          Update
        </button>
      )}
      <button class="button small danger" aria-label={`Revoke the link made ${made}`} onClick={() => act("revoke")}>
        Revoke
      </button>
    </li>
  );
}

function opened(link: Link): string {
  if (!link.views) return "Not opened yet.";
  return `Opened ${link.views === 1 ? "once" : `${link.views} times`}${link.opened_at ? `, last ${day(link.opened_at)}` : ""}.`;
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
