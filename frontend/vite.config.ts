import { defineConfig } from "vitest/config";

export default defineConfig({
  // Relative, so that the files work below whatever STATIC_URL is.
  base: "",
  publicDir: false,
  build: {
    // DIST: built beside the one in use, and then put in its place (project/build_frontend.py).
    outDir: process.env.DIST ?? "static/frontend/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    // The page's templates write the preload tags; chunks loaded later are few.
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["src/notebook.tsx", "src/container.tsx", "src/pages.ts"] },
    chunkSizeWarningLimit: 700,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // css: style sheets are read by a test of their colours; by default they would be empty.
  test: { environment: "node", include: ["src/**/*.test.ts", "src/**/*.test.tsx"], css: true },
});
