/** The language of the panel: that of the nearest attribute `lang`, or of the browser. */

import { german as sharedGerman } from "../ui/languages/german";
import {
  type Language,
  languageOf,
  nearestLanguage,
  setLanguage,
  textsOf,
  wantedLanguages,
} from "../ui/languages/language";
import { setText, english as sharedEnglish, type Text } from "../ui/text";
import { german } from "./german";
import { english, type PanelText, setPanelText } from "./text";

const TEXTS: Record<Language, readonly [Text, PanelText]> = {
  en: [sharedEnglish, english],
  de: [sharedGerman, german],
};

/** Write all texts, numbers and dates in the language wanted at an element, and return it. */
export function followLanguage(element: Element): string {
  const language = languageOf(wantedLanguages(nearestLanguage(element)));
  const [shared, own] = TEXTS[textsOf(language) ?? "en"];
  setLanguage(language);
  setText(shared);
  setPanelText(own);
  return language;
}
