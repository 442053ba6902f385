// What was dropped from the desktop: files, and folders with all that is in them.

export interface Dropped {
  /** Below the folder that it was dropped on. */
  path: string;
  file: File;
}

export interface DroppedTree {
  files: Dropped[];
  /** Folders that hold nothing: they are made all the same. */
  empty: string[];
}

const MOST = 5000;

export class TooMany extends Error {
  constructor() {
    super(`More than ${MOST} files at once. Pack the folder as a zip and unpack it in the terminal, or bring it in parts.`);
  }
}

/** Must be called while the event is handled: what was dropped is only there then. Rejects with TooMany. */
export function readDropped(transfer: DataTransfer): Promise<DroppedTree> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null).filter((entry) => entry !== null);
  const plain = [...transfer.files].map((file) => ({ path: file.name, file }));
  if (!entries.length) return Promise.resolve({ files: plain, empty: [] });
  return walk(entries);
}

async function walk(roots: FileSystemEntry[]): Promise<DroppedTree> {
  const tree: DroppedTree = { files: [], empty: [] };
  const queue = roots.map((entry) => ({ entry, path: entry.name }));
  for (let next = queue.shift(); next; next = queue.shift()) {
    if (next.entry.isFile) tree.files.push({ path: next.path, file: await fileOf(next.entry as FileSystemFileEntry) });
    else {
      const inside = await childrenOf(next.entry as FileSystemDirectoryEntry);
      if (!inside.length) tree.empty.push(next.path);
      for (const entry of inside) queue.push({ entry, path: `${next.path}/${entry.name}` });
    }
    if (tree.files.length + queue.length > MOST) throw new TooMany();
  }
  return tree;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** A reader gives a part at a time, until it gives none. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length || found.length > MOST) return found;
    found.push(...part);
  }
}
