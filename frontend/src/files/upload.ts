// An upload that tells how far it is, which `fetch` cannot.

import { ApiError, csrfHeaders } from "../api";

export interface Upload {
  name: string;
  sent: number;
  size: number;
  done: boolean;
}

export function upload(url: string, file: File, show: (state: Upload) => void): Promise<void> {
  const tell = (sent: number, done = false) => show({ name: file.name, sent, size: file.size, done });
  return new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(csrfHeaders())) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => tell(event.loaded);
    request.onerror = () => reject(new ApiError(0, "unreachable", "The upload broke off. Check your connection and try again."));
    request.onload = () => (request.status < 300 ? resolve() : reject(new ApiError(request.status, "upload", messageOf(request))));
    tell(0);
    request.send(file);
  }).finally(() => tell(file.size, true));
}

function messageOf(request: XMLHttpRequest): string {
  try {
    return String((JSON.parse(request.responseText) as { message?: unknown }).message ?? "");
  } catch {
    return `The server refused it (${request.status}).`;
  }
}
