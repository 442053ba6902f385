// Fails when what a page loads at once grows over its budget, in gzipped bytes: all of it, and its styles alone.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const dist = new URL(`../${process.env.DIST ?? "static/frontend/dist"}/`, import.meta.url);
const KiB = 1024;
const budgets = {
  "src/notebook.tsx": { all: 350 * KiB, styles: 24 * KiB },
  "src/container.tsx": { all: 180 * KiB, styles: 24 * KiB },
  // The list, signing in, errors: pages of words.
  "src/pages.ts": { all: 40 * KiB, styles: 24 * KiB },
};
const manifest = JSON.parse(readFileSync(new URL("manifest.json", dist), "utf8"));

function filesOf(entry, seen = new Set()) {
  const chunk = manifest[entry];
  for (const file of [chunk.file, ...(chunk.css ?? [])]) seen.add(file);
  for (const dependency of chunk.imports ?? []) if (!seen.has(manifest[dependency].file)) filesOf(dependency, seen);
  return seen;
}

function weigh(files) {
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length, 0);
}

for (const [entry, budget] of Object.entries(budgets)) {
  const files = [...filesOf(entry)];
  const weights = { all: weigh(files), styles: weigh(files.filter((file) => file.endsWith(".css"))) };
  for (const [what, bytes] of Object.entries(weights)) {
    console.log(`${entry}, ${what}: ${(bytes / KiB).toFixed(1)} KiB gzipped of ${budget[what] / KiB}`);
    if (bytes > budget[what]) {
      console.error(`${entry} is over its budget (${what}): load something later, by import().`);
      process.exitCode = 1;
    }
  }
}
