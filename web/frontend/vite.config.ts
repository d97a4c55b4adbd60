/** The dashboard: index.html, and its scripts and styles under names that change with their content. */

import { defineConfig } from "vite";

export default defineConfig({
  base: "/analytics/",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    // A file each, never data: in a style sheet, which the content security policy would refuse.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
  },
});
