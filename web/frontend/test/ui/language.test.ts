import { afterEach, describe, expect, it, vi } from "vitest";
import { languageOf } from "../../src/ui/language";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("the language of a page", () => {
  it("is the first that a person chose which has texts, in its region, else English", () => {
    expect(languageOf(["de-DE", "en-GB", "en"])).toBe("en-GB");
    expect(languageOf(["EN"])).toBe("EN");
    expect(languageOf(["de-DE", "eng-x"])).toBe("en");
    expect(languageOf([])).toBe("en");
  });

  it("is that of numbers and dates too: in a German browser they stay English, as the words are", async () => {
    vi.stubGlobal("navigator", { languages: ["de-DE", "de"] });
    const { count, pointLabel, seconds, short, spanLabel } = await import("../../src/ui/format");
    const start = Date.parse("2026-10-26T12:00:00Z");
    expect(count(802475)).toBe("802,475");
    expect(seconds(1.5)).toBe("1.50 s");
    expect(short(1_500_000)).toBe("1.5M");
    expect(pointLabel(start, "day", "UTC")).toBe("Mon, Oct 26");
    expect(spanLabel(start, start + 3_600_000, "UTC")).toMatch(/^Oct 26, 12:00\D/);
  });
});
