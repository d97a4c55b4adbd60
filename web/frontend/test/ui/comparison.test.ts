import { describe, expect, it } from "vitest";
import { magnitude, NOTHING } from "../../src/ui/format";
import { compare } from "../../src/ui/comparison";

describe("the change since yesterday at this time", () => {
  it("is told by an arrow and by words, never by colour alone", () => {
    expect(compare(1032, 1000)).toEqual({
      direction: "up",
      tone: "good",
      words: `▲ ${magnitude(0.032)}`,
      said: `up ${magnitude(0.032)} since yesterday at this time`,
    });
    expect(compare(968, 1000)).toMatchObject({ direction: "down", tone: "bad", words: `▼ ${magnitude(0.032)}` });
  });

  it("knows that a response time that goes up is bad news", () => {
    expect(compare(1.2, 1, false).tone).toBe("bad");
    expect(compare(0.9, 1, false).tone).toBe("good");
  });

  it("is neutral where nothing changed, new where there was nothing, and absent where nothing can be compared", () => {
    expect(compare(5, 5)).toMatchObject({ direction: "same", tone: "calm", words: magnitude(0) });
    expect(compare(5, 0)).toMatchObject({ direction: "new", tone: "calm", words: "new" });
    for (const [now, before] of [
      [null, 3],
      [3, null],
      [0, 0],
    ] as const) {
      expect(compare(now, before)).toMatchObject({ direction: "none", words: NOTHING });
    }
  });

  it("is told as a factor where a percentage would say little", () => {
    expect(compare(1330, 10).words).toBe("▲ 133×");
    expect(compare(99, 10).words).toBe(`▲ ${magnitude(8.9)}`);
  });
});
