import { describe, expect, it } from "vitest";
import { daysEarlier, fromLocal, toLocal } from "../../src/ui/time";

describe("the same local time a day earlier", () => {
  const dayEarlier = (written: string, zone: string) =>
    new Date(daysEarlier(Date.parse(written), 1, zone)).toISOString();

  it("is 24 hours ago where clocks are not changed", () => {
    expect(dayEarlier("2026-03-29T22:10:30.250Z", "UTC")).toBe("2026-03-28T22:10:30.250Z");
    expect(dayEarlier("2026-03-29T22:10:30.250Z", "Asia/Kolkata")).toBe("2026-03-28T22:10:30.250Z");
  });

  it("is 23 hours ago after clocks went forward, and 25 after they went back", () => {
    expect(dayEarlier("2026-03-29T22:10:00Z", "Europe/Berlin")).toBe("2026-03-28T23:10:00.000Z");
    expect(dayEarlier("2026-10-25T23:10:00Z", "Europe/Berlin")).toBe("2026-10-24T22:10:00.000Z");
    expect(dayEarlier("2026-10-26T23:10:00Z", "Europe/Berlin")).toBe("2026-10-25T23:10:00.000Z");
  });

  it("is the moment of the change for a time that does not occur: it never goes back", () => {
    for (const clock of ["00:00", "00:30", "00:59"]) {
      expect(dayEarlier(`2026-03-30T${clock}:00Z`, "Europe/Berlin")).toBe("2026-03-29T01:00:00.000Z");
    }
    expect(dayEarlier("2026-03-30T01:00:00Z", "Europe/Berlin")).toBe("2026-03-29T01:00:00.000Z");
  });

  it("is the first of a time that occurs twice, and is given for both of them", () => {
    expect(dayEarlier("2026-10-26T01:30:00Z", "Europe/Berlin")).toBe("2026-10-25T00:30:00.000Z");
    expect(dayEarlier("2026-10-25T00:30:00Z", "Europe/Berlin")).toBe("2026-10-24T00:30:00.000Z");
    expect(dayEarlier("2026-10-25T01:30:00Z", "Europe/Berlin")).toBe("2026-10-24T00:30:00.000Z");
  });

  it("is 24 hours ago in a zone that the browser does not know", () => {
    expect(dayEarlier("2026-03-29T22:10:00Z", "Moon/Tranquility")).toBe("2026-03-28T22:10:00.000Z");
  });
});

it("a local time leads back to the moment, whatever the year and the zone", () => {
  for (const zone of ["UTC", "Asia/Kolkata", "Pacific/Kiritimati", "Australia/Lord_Howe", "America/New_York"]) {
    for (const written of ["2026-11-22T11:14:30.125Z", "2026-01-01T00:00:00Z", "0002-06-01T12:00:00Z"]) {
      const time = Date.parse(written);
      expect(fromLocal(toLocal(time, zone), zone)).toBe(time);
    }
  }
});
