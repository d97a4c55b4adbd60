/** The dashboard: index.html, and its scripts, styles and font under names that change with their content. */

// @ts-expect-error: the front end has no types of Node.
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** The licence of the font, which has to go with it; Vite writes those of scripts only. */
const fontLicence: Plugin = {
  name: "font-licence",
  generateBundle() {
    const source = readFileSync("node_modules/@fontsource-variable/inter/LICENSE", "utf8");
    this.emitFile({ type: "asset", fileName: "assets/inter-licence.txt", source });
  },
};

export default defineConfig({
  base: "/analytics/",
  plugins: [fontLicence],
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
