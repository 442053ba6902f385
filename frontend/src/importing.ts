// Import of notebooks on the list page: by the form or by dropping files anywhere. Without scripts the form works by itself.

import { ApiError, csrfHeaders } from "./api";

interface Answer {
  made?: { title: string; url: string; notes: string[] }[];
  problems?: string[];
  message?: string;
  languages?: { pool: string; language: string }[];
}

export function setUpImport(): void {
  const form = document.querySelector<HTMLFormElement>("form#import");
  if (!form) return;
  const picker = form.querySelector<HTMLInputElement>("input[type=file]")!;
  const language = form.querySelector<HTMLSelectElement>("select")!;
  const says = document.querySelector<HTMLElement>("[data-says]")!;
  // Files that wait for a language.
  let waiting: File[] = [];

  const bring = async (files: File[]) => {
    if (!files.length) return;
    says.textContent = `Importing ${files.length === 1 ? files[0]!.name : `${files.length} files`}…`;
    const opened: string[] = [];
    const told: string[] = [];
    waiting = [];
    for (const file of files) {
      try {
        const answer = await send(form, file, language.value);
        for (const each of answer.made ?? []) (opened.push(each.url), told.push([`“${each.title}” was imported.`, ...each.notes].join(" ")));
        told.push(...(answer.problems ?? []));
      } catch (error) {
        const refused = error as ApiError;
        told.push(...((refused.body.problems as string[] | undefined)?.length ? (refused.body.problems as string[]) : [`${file.name}: ${refused.message}`]));
        if (refused.code === "choose_language") waiting.push(file);
      }
    }
    picker.value = "";
    if (opened.length === 1 && told.length === 1) return location.assign(opened[0]!);
    says.textContent = told.join("\n") + (waiting.length ? "\nChoose a language above: the import goes on by itself." : "");
    if (waiting.length) {
      form.closest("details")!.open = true;
      language.focus();
    } else if (opened.length === files.length) location.reload();
    else if (opened.length) says.append("\n", link("Show what was imported", location.pathname));
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void bring(waiting.length ? waiting : [...(picker.files ?? [])]);
  });
  picker.addEventListener("change", () => void bring([...(picker.files ?? [])]));
  language.addEventListener("change", () => waiting.length && language.value && void bring(waiting));
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("bringing");
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("bringing"));
  addEventListener("drop", (event) => {
    document.body.classList.remove("bringing");
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    void bring([...event.dataTransfer.files]);
  });
}

async function send(form: HTMLFormElement, file: File, pool: string): Promise<Answer> {
  // What the server would refuse by its size need not be sent.
  const limit = Number(form.dataset.limit);
  if (limit && file.size > limit) throw new ApiError(413, "too_large", `It is too large: at most ${Math.floor(limit / 1024 ** 2)} MiB.`);
  const body = new FormData();
  body.append("files", file);
  if (pool) body.append("pool", pool);
  let response: Response;
  try {
    response = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json", ...csrfHeaders() }, credentials: "same-origin" });
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached. Check your connection.");
  }
  if (response.redirected) throw new ApiError(401, "signed_out", "You are signed out. Load the page again.");
  const answer = (await response.json().catch(() => ({}))) as Answer & { error?: string };
  if (!response.ok) throw new ApiError(response.status, answer.error ?? "error", answer.message ?? `The server answered ${response.status}.`, { ...answer });
  return answer;
}

function link(words: string, address: string): HTMLAnchorElement {
  return Object.assign(document.createElement("a"), { href: address, textContent: words });
}
