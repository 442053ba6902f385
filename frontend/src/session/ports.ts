// Servers in the sandbox: where they listen, and how one is opened in a tab of its own, on an origin of its own.

import { ask, type ApiError } from "../api";

export interface Place {
  port: number;
  /** The page there, with its query; "/" if nothing else is said. */
  path: string;
}

const HERE = new Set(["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]"]);

/** The server in the sandbox that an address means, if it means one: what programs print as "http://127.0.0.1:8501/". */
export function placeOf(address: string): Place | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  if (!HERE.has(url.hostname)) return null;
  return { port: Number(url.port || (url.protocol === "http:" ? 80 : 443)), path: `${url.pathname}${url.search}` };
}

/** A port as somebody types it: a number, or an address that was printed. Null if it is neither. */
export function readPlace(text: string): Place | null {
  const given = text.trim();
  if (/^\d{1,5}$/.test(given)) return Number(given) >= 1 && Number(given) <= 65535 ? { port: Number(given), path: "/" } : null;
  return placeOf(/^[a-z]+:\/\//i.test(given) ? given : `http://${given}`);
}

export async function listPorts(session: string): Promise<number[]> {
  const { body } = await ask<{ port: number }[]>("GET", `/api/v1/sessions/${session}/ports`);
  return body.map(({ port }) => port);
}

/** Open a server in a new tab: the session's target port where no place is said. Call it from a click. Returns what went wrong, or "". */
export async function openPreview(session: string, place: Place | null): Promise<string> {
  // Opened at once, as only a click may, and led on when the address is there.
  const tab = window.open("about:blank", "_blank");
  if (!tab) return "The browser kept the new tab from opening: allow pop-ups for this site.";
  try {
    const { body } = await ask<{ url: string }>("POST", `/api/v1/sessions/${session}/previews`, place ? { port: place.port } : {});
    tab.opener = null;
    tab.location.href = place && place.path !== "/" ? `${body.url}&to=${encodeURIComponent(place.path)}` : body.url;
    return "";
  } catch (error) {
    tab.close();
    return (error as ApiError).message;
  }
}
