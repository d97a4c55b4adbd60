import { describe, expect, it } from "vitest";
import { activityIcon, knownActivity } from "../../src/ui/icons";
import { text } from "../../src/ui/text";

describe("the icon of an activity type", () => {
  it("is one of its own for each type that has a text", () => {
    for (const type of Object.keys(text.activityTypes)) expect(knownActivity(type)).toBe(type);
  });

  it("is the same for all other types, whatever their names", () => {
    for (const type of ["file_upload", "toString", ""]) {
      expect(knownActivity(type)).toBeNull();
      expect(activityIcon(type)).toEqual(activityIcon("other"));
    }
  });
});
