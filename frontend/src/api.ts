// Requests to our own server: the cookie says who, the CSRF header says that it is this page.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: Record<string, unknown> = {},
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

function csrfToken(): string {
  return /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

export function csrfHeaders(): Record<string, string> {
  return { "X-CSRFToken": csrfToken() };
}

export interface Answer<T> {
  status: number;
  body: T;
}

/** Ask our server. Raises ApiError with words for people, also when it cannot be reached (status 0). */
export async function ask<T = unknown>(method: string, url: string, body?: unknown, options: RequestInit = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json", ...csrfHeaders() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(url, { method, headers, body: body === undefined ? null : JSON.stringify(body), credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached. Check your connection.");
  }
  const redirectedToLogin = response.redirected && new URL(response.url).pathname.includes("/login");
  if (redirectedToLogin) throw new ApiError(401, "signed_out", "You are signed out. Sign in again in another tab.");
  const parsed = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return { status: response.status, body: parsed as T };
  const retryAfter = Number(response.headers.get("Retry-After"));
  const message = typeof parsed.message === "string" ? parsed.message : `The server answered ${response.status}.`;
  throw new ApiError(response.status, String(parsed.error ?? "error"), message, parsed, retryAfter > 0 ? retryAfter : null);
}

/** One encoded path segment after another; slashes separate folders. */
export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
