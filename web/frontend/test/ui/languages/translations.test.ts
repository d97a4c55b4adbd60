import { describe, expect, it } from "vitest";
import { german as germanDashboard } from "../../../src/dashboard/german";
import { english as englishDashboard } from "../../../src/dashboard/text";
import { german as germanPanel } from "../../../src/panel/german";
import { english as englishPanel } from "../../../src/panel/text";
import { german as germanShared } from "../../../src/ui/languages/german";
import { english as englishShared } from "../../../src/ui/text";

type Tree = { readonly [key: string]: unknown };

const CATALOGUES: Record<string, readonly [english: Tree, german: Tree]> = {
  shared: [englishShared, germanShared],
  panel: [englishPanel, germanPanel],
  dashboard: [englishDashboard, germanDashboard],
};
/** Texts that are the same in both languages, since they are names, or words of both. Examples of code are the same too. */
const SAME = new Set([
  "Budget",
  "Dashboard",
  "Live",
  "Name",
  "p95",
  "Status",
  "Token",
  "Tokens",
  "Zoom",
  "Filter",
  "ConvoAI Analytics",
  ".venv/bin/convoai-analytics token",
]);

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null;
}

/** All texts of a catalogue by their path; the forms of a plural are one text. */
function leaves(tree: Tree, path = ""): Map<string, unknown> {
  return new Map(
    Object.entries(tree).flatMap(([key, value]) =>
      isTree(value) && !("other" in value) ? [...leaves(value, `${path}${key}.`)] : [[path + key, value] as const],
    ),
  );
}

/** The parameters that a text has, marked, as they are in the result; a plural has those of all its forms. */
function placeholders(value: unknown, parameters: number): string[] {
  if (isTree(value)) return Object.values(value).flatMap((form) => placeholders(form, parameters));
  if (typeof value !== "function") return [];
  const marks = Array.from({ length: parameters }, (_, index) => `mark-${index}`);
  const written = String(value(...marks));
  return marks.filter((mark) => written.toLowerCase().includes(mark));
}

function parametersOf(value: unknown): number {
  if (isTree(value)) return Math.max(...Object.values(value).map(parametersOf));
  return typeof value === "function" ? value.length : 0;
}

describe.each(Object.entries(CATALOGUES))("the translation of the %s texts", (_, [english, german]) => {
  const [original, translated] = [leaves(english), leaves(german)];

  it("has the same keys, in the same order", () => {
    expect([...translated.keys()]).toEqual([...original.keys()]);
  });

  it("uses the same parameters", () => {
    for (const [path, text] of original) {
      const parameters = parametersOf(text);
      const used = new Set(placeholders(text, parameters));
      expect(new Set(placeholders(translated.get(path), parameters)), path).toEqual(used);
    }
  });

  it("has every plural form of its language", () => {
    for (const [path, text] of translated) {
      if (isTree(text))
        expect(Object.keys(text).sort(), path).toEqual(new Intl.PluralRules("de").resolvedOptions().pluralCategories);
    }
  });

  it("leaves nothing in English", () => {
    for (const [path, text] of original) {
      if (typeof text === "string" && !SAME.has(text) && !path.endsWith("example"))
        expect(translated.get(path), path).not.toBe(text);
      if (typeof text === "string") expect(translated.get(path), path).not.toBe("");
    }
  });
});
