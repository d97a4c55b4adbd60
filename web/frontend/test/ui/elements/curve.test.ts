import { describe, expect, it } from "vitest";
import { bars, line } from "../../../src/ui/elements/curve";

describe("a sparkline's paths", () => {
  it("has one bar for each value that is not 0, the last apart, the largest as high as the box", () => {
    const { past, last } = bars([0, 2, null, 4], 40, 10);
    expect(past).toBe("M10 10V5h7V10z");
    expect(last).toBe("M30 10V0h7V10z");
  });

  it("has a line that breaks at a gap, and a dot for a value on its own", () => {
    const { past, last } = line([1, 2, null, 2, null], 40, 10);
    expect(past).toBe("M0 5L10 0M30 0h.01");
    expect(last).toBe("");
  });

  it("draws nothing, and divides nothing by zero, for no values and for none but zero", () => {
    for (const values of [[], [0, 0], [null]]) {
      expect(bars(values, 40, 10)).toEqual({ past: "", last: "" });
      expect(JSON.stringify(line(values, 40, 10))).not.toContain("NaN");
    }
  });
});
