// Addresses in what a program printed. One that means the sandbox itself opens as a preview of its port.

import type { Page } from "../notebook/page";
import { openPreview, placeOf } from "../session/ports";
import { webAddress } from "./frames";

const ADDRESS = /https?:\/\/[^\s"'<>()`\u001b]+[^\s"'<>()`.,;:!?\u001b]/g;

export interface Piece {
  text: string;
  /** Where it leads, if it is a link. */
  address: string | null;
}

/** Text with the addresses in it. What makes no address, or is too long for one, is text. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    if (!webAddress(match[0])) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index), address: null });
    found.push({ text: match[0], address: match[0] });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from), address: null });
  return found;
}

export function mayHoldAddress(text: string): boolean {
  return text.includes("://");
}

/** Open an address that means a server in the sandbox; false if it means something else. Call it from a click. */
export function openInSandbox(page: Page, address: string): boolean {
  const place = placeOf(address);
  if (!place || page.settings.frozen) return false;
  const session = page.session.live ? page.session.id.value : null;
  if (!session) page.say("That address is in the sandbox, and there is no session. Run the cell again.");
  else void openPreview(session, place).then((problem) => problem && page.say(problem));
  return true;
}

/** A click on a link of an output, or of a text that somebody wrote: there our own pages are meant by their address. */
export function follow(page: Page, event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>("a[href]") : null;
  if (!link || event.defaultPrevented || event.button > 1) return;
  const printed = link.closest(".outputs") !== null;
  if (!printed && (!link.closest(".rendered") || link.origin === location.origin)) return;
  if (openInSandbox(page, link.getAttribute("href")!)) event.preventDefault();
}
