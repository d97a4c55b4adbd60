import { describe, expect, it } from "vitest";
import { changeOf } from "../../../src/dashboard/charts/change";

describe("a change on the period before", () => {
  it("is coloured only where more is good or bad", () => {
    const tone = (moreIs: "better" | "worse" | "neither") => [
      changeOf(3, 2, moreIs)?.tone,
      changeOf(2, 3, moreIs)?.tone,
    ];
    expect(tone("better")).toEqual(["good", "bad"]);
    expect(tone("worse")).toEqual(["bad", "good"]);
    expect(tone("neither")).toEqual(["", ""]);
    expect(changeOf(2, 2, "better")?.tone).toBe("");
  });

  it("is a percentage, and from ten times on a factor", () => {
    expect(changeOf(110, 100)?.text).toBe("▲ 10%");
    expect(changeOf(0, 100)?.text).toBe("▼ 100%");
    expect(changeOf(1000, 100)?.text).toBe("▲ 10×");
  });

  it("is nothing where there is nothing to compare with", () => {
    for (const [now, before] of [
      [null, 1],
      [1, null],
      [5, 0],
    ] as const) {
      expect(changeOf(now, before)).toBeNull();
    }
  });
});
