import { basename } from "node:path";
import { build, type Plugin } from "vite";
import { defineConfig } from "vitest/config";

/**
 * `import address from "./frame/vega?frame"`: the address of that module and all that it imports as one classic script. The
 * page reads it as text and hands it to a frame that may load nothing itself.
 */
function frameScripts(): Plugin {
  return {
    name: "frame-scripts",
    apply: "build",
    async resolveId(source, importer) {
      if (!source.endsWith("?frame")) return null;
      const found = await this.resolve(source.slice(0, -"?frame".length), importer);
      return found && `${found.id}?frame`;
    },
    async load(id) {
      if (!id.endsWith("?frame")) return null;
      const entry = id.slice(0, -"?frame".length);
      const name = basename(entry).replace(/\.tsx?$/, "");
      const built = await build({
        configFile: false,
        logLevel: "warn",
        define: { "process.env.NODE_ENV": '"production"', "process.env": "{}" },
        build: { write: false, target: "es2022", assetsInlineLimit: () => true, lib: { entry, formats: ["iife"], name: "thermaeLibrary" } },
      });
      const output = (Array.isArray(built) ? built : [built]).flatMap((each) => ("output" in each ? each.output : []));
      const chunk = output.find((each) => each.type === "chunk");
      if (!chunk || chunk.type !== "chunk") this.error(`${entry} came to nothing`);
      const asset = this.emitFile({ type: "asset", name: `frame-${name}.js`, source: chunk.code });
      return `export default import.meta.ROLLUP_FILE_URL_${asset};`;
    },
  };
}

export default defineConfig({
  // Relative, so that the files work below whatever STATIC_URL is.
  base: "",
  publicDir: false,
  plugins: [frameScripts()],
  build: {
    // DIST: built beside the one in use, and then put in its place (project/build_frontend.py).
    outDir: process.env.DIST ?? "static/frontend/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    // The page's templates write the preload tags; chunks loaded later are few.
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["src/notebook.tsx", "src/container.tsx", "src/pages.ts", "src/shared.tsx"] },
    chunkSizeWarningLimit: 700,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // Style sheets too: the contrast of their colours is tested.
  test: { environment: "node", css: true, include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
