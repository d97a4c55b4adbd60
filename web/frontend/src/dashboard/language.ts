/** The language of the dashboard: that of the attribute `lang` of its element, or of the browser. */

import { languageOf, setLanguage, textsOf, wantedLanguages } from "../ui/languages/language";
import { setText } from "../ui/text";
import { setDashboardText } from "./text";

/** Load the texts of the language before the elements are loaded, whose modules keep texts in constants. */
export async function loadLanguage(): Promise<void> {
  const attribute = document.querySelector("convoai-dashboard")?.getAttribute("lang") ?? null;
  const language = languageOf(wantedLanguages(attribute));
  if (textsOf(language) === "de") {
    const [shared, own] = await Promise.all([import("../ui/languages/german"), import("./german")]);
    setText(shared.german);
    setDashboardText(own.german);
  }
  setLanguage(language);
  document.documentElement.lang = language;
}
