// A file's content, as much of it as can be shown, with the tag by which a later save knows that nobody changed it.

import { ApiError, csrfHeaders } from "../api";

export interface Content {
  bytes: Uint8Array<ArrayBuffer>;
  /** Whether the file goes on. */
  cut: boolean;
  tag: string;
}

/** Of a file at `url`, at most `most` bytes. Rejects with ApiError. */
export async function read(url: string, most: number): Promise<Content> {
  const response = await asked(url, { headers: { Range: `bytes=0-${most - 1}` } }).catch((error: ApiError) => {
    if (error.status === 400 || error.status === 416) return asked(url, {}); // an empty file has no first byte
    throw error;
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const total = /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1];
  return { bytes, cut: total !== undefined && Number(total) > bytes.length, tag: response.headers.get("ETag") ?? "" };
}

/** Write a file that is still as `tag` says, or whatever it is where there is none; its tag then. Rejects with ApiError. */
export async function write(url: string, text: string, tag: string | null): Promise<string> {
  const headers: Record<string, string> = { ...csrfHeaders(), "Content-Type": "application/octet-stream" };
  if (tag) headers["If-Match"] = tag;
  const response = await asked(url, { method: "PUT", headers, body: new Blob([text]) });
  return response.headers.get("ETag") ?? "";
}

async function asked(url: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached. Check your connection.");
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { error?: unknown; message?: unknown };
  throw new ApiError(response.status, String(body.error ?? "refused"), String(body.message ?? `The server answered ${response.status}.`));
}
