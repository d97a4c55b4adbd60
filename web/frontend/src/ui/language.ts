/** The language of the page: texts, numbers and dates of one page are always of one language. Pure. */

import { text } from "./text";

/** The languages that have texts; the first one is used if a person understands none of them. */
const LANGUAGES: readonly string[] = [text.language];

/** The first of the languages that a person `chose` that has texts, with its region, such as en-GB; else the default. */
export function languageOf(chose: readonly string[]): string {
  const found = chose.find((language) => LANGUAGES.includes(language.split("-")[0]?.toLowerCase() ?? ""));
  return found ?? LANGUAGES[0] ?? text.language;
}

/** The language of this page. */
export const LANGUAGE = /* @__PURE__ */ languageOf(globalThis.navigator?.languages ?? []);
