// Pictures that are pasted or dropped into a Markdown cell become a part of it, as in JupyterLab: an attachment, and the
// Markdown that shows it.

import type { Cell } from "./cell";
import type { Page } from "./page";

type Surroundings = Pick<Page, "notebook" | "readOnly" | "editors" | "say" | "refuseEdit">;

const PICTURE = /^image\/(png|jpeg|gif|svg\+xml|webp)$/;
// In base64 they take a third more, of what a whole notebook may have (MAX_NOTEBOOK_BYTES).
const MOST_MB = 5;

/** Whether there are pictures in it: they then come into the cell, where its cursor is. */
export function bringPictures(page: Surroundings, cell: Cell, data: DataTransfer | null): boolean {
  const files = picturesOf(data);
  if (files.length) void attach(page, cell, files);
  return files.length > 0;
}

function picturesOf(data: DataTransfer | null): File[] {
  // Office programs copy a text, and a picture of it besides: the text is meant.
  if (!data || (data.types.includes("text/plain") && data.types.includes("text/html"))) return [];
  return [...data.files].filter((file) => PICTURE.test(file.type));
}

async function attach(page: Surroundings, cell: Cell, files: readonly File[]): Promise<void> {
  const [fitting, large] = [files.filter(fits), files.filter((file) => !fits(file))];
  for (const { name } of large) page.say(`${name} is larger than ${MOST_MB} MB, the most for a picture in a text: put it into the panel Files, and let code show it.`);
  let contents: string[];
  try {
    contents = await Promise.all(fitting.map(base64));
  } catch {
    return page.say("The picture could not be read: try it again.");
  }
  if (!fitting.length) return;
  // The editing may have gone to somebody else meanwhile.
  if (page.readOnly.value) return page.refuseEdit();
  const taken = new Set(page.notebook.cells.value.flatMap((each) => Object.keys(each.attachments ?? {})));
  const names = fitting.map((file) => nameOf(file, taken));
  const text = names.map((name) => `![${name}](attachment:${name})`).join("\n");
  page.notebook.attach(cell, Object.fromEntries(names.map((name, index) => [name, { [fitting[index]!.type]: contents[index] }])), () => {
    const editor = page.editors.get(cell.id);
    if (editor) editor.insert(text);
    else page.notebook.setSource(cell, cell.source.value + text);
  });
}

function fits(file: File): boolean {
  return file.size <= MOST_MB * 1_000_000;
}

/** No other in the notebook has it, as cells may be merged; and in ASCII, as nbconvert finds no others. */
function nameOf(file: File, taken: Set<string>): string {
  const plain = file.name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\w.]+/g, "-");
  const [, stem = "", ending = ""] = /^-*(.*?)-*(\.\w+)?$/.exec(plain) ?? [];
  let name = `${stem || "image"}${ending}`;
  for (let number = 2; taken.has(name); number++) name = `${stem || "image"}-${number}${ending}`;
  taken.add(name);
  return name;
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
