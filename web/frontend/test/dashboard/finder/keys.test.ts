import { expect, it } from "vitest";
import { GO, Keys } from "../../../src/dashboard/finder/keys";

function press(key: string, more: object = {}) {
  return { key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more };
}

it("searches by Ctrl-K and ⌘K, also while one types", () => {
  for (const modifier of ["ctrlKey", "metaKey"]) {
    expect(new Keys().read(press("k", { [modifier]: true }), true, 0)).toBe("search");
    expect(new Keys().read(press("k", { [modifier]: true, altKey: true }), false, 0)).toBeNull();
  }
  expect(new Keys().read(press("/"), false, 0)).toBe("search");
});

it("means nothing by letters that are typed into an input", () => {
  for (const key of ["?", "s", "r", "/", "g", "x"]) expect(new Keys().read(press(key), true, 0)).toBeNull();
  for (const key of ["s", "r"]) expect(new Keys().read(press(key, { ctrlKey: true }), false, 0)).toBeNull();
});

it("goes to a view by g and its key, soon after each other", () => {
  const keys = new Keys();
  expect(keys.read(press("g"), false, 0)).toBeNull();
  expect(keys.read(press("u"), false, 1000)).toEqual({ go: "users" });
  expect(keys.read(press("u"), false, 1100)).toBeNull();
  keys.read(press("g"), false, 2000);
  expect(keys.read(press("u"), false, 9000)).toBeNull();
  keys.read(press("g"), false, 10_000);
  expect(keys.read(press("?"), false, 10_100)).toBeNull();
});

it("has another key for each view", () => {
  expect(new Set(Object.values(GO)).size).toBe(Object.keys(GO).length);
});
