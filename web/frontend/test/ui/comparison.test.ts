import { describe, expect, it } from "vitest";
import { compare, compareFigure } from "../../src/ui/comparison";
import { FIGURES } from "../../src/ui/figures";
import { magnitude, NO_VALUE } from "../../src/ui/format";

describe("the change since yesterday at this time", () => {
  it("is shown by an arrow and a text, never by colour alone", () => {
    expect(compare(1032, 1000)).toEqual({
      direction: "up",
      tone: "good",
      text: `▲ ${magnitude(0.032)}`,
      spoken: `up ${magnitude(0.032)} since yesterday at this time`,
    });
    expect(compare(968, 1000)).toMatchObject({ direction: "down", tone: "bad", text: `▼ ${magnitude(0.032)}` });
  });

  it("is that of a figure of a period: totals of all time never fall, so they have none", () => {
    const compared = FIGURES.filter((figure) => compareFigure(figure, 109, 100) !== null).map(({ name }) => name);
    expect(compared).toEqual(["active_users_today"]);
  });

  it("knows that a response time that goes up is bad news", () => {
    expect(compare(1.2, 1, false).tone).toBe("bad");
    expect(compare(0.9, 1, false).tone).toBe("good");
  });

  it("is neutral where nothing changed, new where there was nothing, and absent where nothing can be compared", () => {
    expect(compare(5, 5)).toMatchObject({ direction: "same", tone: "neutral", text: magnitude(0) });
    expect(compare(5, 0)).toMatchObject({ direction: "new", tone: "neutral", text: "new" });
    for (const [now, before] of [
      [null, 3],
      [3, null],
      [0, 0],
    ] as const) {
      expect(compare(now, before)).toMatchObject({ direction: "none", text: NO_VALUE });
    }
  });

  it("is a factor where a percentage would be hard to read", () => {
    expect(compare(1330, 10).text).toBe("▲ 133×");
    expect(compare(99, 10).text).toBe(`▲ ${magnitude(8.9)}`);
  });
});
