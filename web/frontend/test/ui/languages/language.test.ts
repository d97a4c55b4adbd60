import { afterEach, describe, expect, it, vi } from "vitest";
import { count, counted, pointLabel, seconds, short, spanLabel } from "../../../src/ui/format";
import { german } from "../../../src/ui/languages/german";
import { languageOf, setLanguage, textsOf, wantedLanguages } from "../../../src/ui/languages/language";
import { english, setText, text } from "../../../src/ui/text";

afterEach(() => {
  vi.unstubAllGlobals();
  setLanguage("en");
  setText(english);
});

describe("the language of a page", () => {
  it("is the first wanted one that has texts, in its region, else English", () => {
    expect(languageOf(["fr-FR", "en-GB", "de"])).toBe("en-GB");
    expect(languageOf(["de-AT", "en"])).toBe("de-AT");
    expect(languageOf(["EN"])).toBe("EN");
    expect(languageOf(["fr", "eng-x"])).toBe("en");
    expect(languageOf([])).toBe("en");
    expect(textsOf("de-AT")).toBe("de");
    expect(textsOf("fr")).toBeNull();
  });

  it("is that of the attribute first, then one of the browser's; what is no language is left out", () => {
    vi.stubGlobal("navigator", { languages: ["fr", "de-CH"] });
    expect(wantedLanguages("en")).toEqual(["en", "fr", "de-CH"]);
    expect(wantedLanguages(null)).toEqual(["fr", "de-CH"]);
    expect(languageOf(wantedLanguages("not a language"))).toBe("de-CH");
    expect(languageOf(wantedLanguages(""))).toBe("de-CH");
  });

  it("is that of numbers, dates and plural forms too, and changes them", () => {
    const start = Date.parse("2026-10-26T12:00:00Z");
    const written = () => [
      count(802475),
      seconds(1.5),
      short(1_500_000),
      pointLabel(start, "day", "UTC"),
      spanLabel(start, start + 3_600_000, "UTC").split(",")[0],
      counted(1, text.lists.activityCount),
      counted(1200, text.lists.activityCount),
    ];
    expect(written()).toEqual(["802,475", "1.50 s", "1.5M", "Mon, Oct 26", "Oct 26", "1 activity", "1,200 activities"]);
    setLanguage("de");
    setText(german);
    expect(written()).toEqual([
      "802.475",
      "1,50 s",
      "1,5\u00a0Mio.",
      "Mo., 26. Okt.",
      "26. Okt.",
      "1 Aktivität",
      "1.200 Aktivitäten",
    ]);
  });
});
