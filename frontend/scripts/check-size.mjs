// Fails when what a page loads at once grows over its budget, in gzipped bytes.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const dist = new URL(`../${process.env.DIST ?? "static/frontend/dist"}/`, import.meta.url);
const budgets = { "src/notebook.tsx": 350 * 1024, "src/pages.ts": 20 * 1024 };
const manifest = JSON.parse(readFileSync(new URL("manifest.json", dist), "utf8"));

function filesOf(entry, seen = new Set()) {
  const chunk = manifest[entry];
  for (const file of [chunk.file, ...(chunk.css ?? [])]) seen.add(file);
  for (const dependency of chunk.imports ?? []) if (!seen.has(manifest[dependency].file)) filesOf(dependency, seen);
  return seen;
}

for (const [entry, budget] of Object.entries(budgets)) {
  const bytes = [...filesOf(entry)].reduce((sum, file) => sum + gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length, 0);
  console.log(`${entry}: ${(bytes / 1024).toFixed(1)} KiB gzipped of ${budget / 1024}`);
  if (bytes > budget) {
    console.error(`${entry} is over its budget: load something later, by import().`);
    process.exitCode = 1;
  }
}
