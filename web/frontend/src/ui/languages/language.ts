/** The language of the page: its texts, numbers and dates are always of one language. */

/** The languages that have texts; the first one is used if a person understands none of them. */
export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The language of the page with its region, such as en-GB. */
let current: string = LANGUAGES[0];

export function currentLanguage(): string {
  return current;
}

/** Write numbers and dates in a language from now on. The texts are changed with it by panel and dashboard. */
export function setLanguage(tag: string): void {
  current = tag;
}

/** The first of the wanted languages that has texts, with its region; else English. */
export function languageOf(wanted: readonly string[]): string {
  return wanted.find((tag) => textsOf(tag) !== null) ?? LANGUAGES[0];
}

/** The language whose texts a language such as de-AT has; null if it has none. */
export function textsOf(tag: string): Language | null {
  const base = tag.split("-")[0]?.toLowerCase();
  return LANGUAGES.find((language) => language === base) ?? null;
}

/** The languages that are wanted: that of an attribute `lang` (null: there is none), then those of the browser. */
export function wantedLanguages(attribute: string | null): string[] {
  return [attribute ?? "", ...(globalThis.navigator?.languages ?? [])].filter(isTag);
}

/** The attribute `lang` of the nearest element that has one, from an element outwards; null if none has. */
export function nearestLanguage(element: Element): string | null {
  const found = element.closest("[lang]");
  if (found !== null) return found.getAttribute("lang");
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? nearestLanguage(root.host) : null;
}

/** Whether Intl takes a tag: pages may have anything in the attribute. */
function isTag(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}
