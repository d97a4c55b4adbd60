/** The panel as one classic script, panel.js, that a page of any other origin can take in by a plain script tag. */

import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "../static",
    // The dashboard, built before it, lies there.
    emptyOutDir: false,
    copyPublicDir: false,
    target: "es2022",
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: "src/panel.ts",
      output: { format: "iife", entryFileNames: "panel.js", codeSplitting: false },
    },
  },
});
