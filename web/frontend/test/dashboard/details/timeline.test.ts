import { expect, it } from "vitest";
import type { Message } from "../../../src/client/catalogue";
import { timeline } from "../../../src/dashboard/details/timeline";

function message(created_at: string, response_time: number | null = null): Message {
  return { created_at, response_time } as Message;
}

it("tells gaps from a minute on, each day once, and response times as parts of the longest", () => {
  const entries = timeline([
    message("2026-11-29T12:00:00.000Z"),
    message("2026-11-29T12:00:59.999Z", 2),
    message("2026-11-29T12:01:59.999Z"),
    message("2026-12-01T12:00:00.000Z", 0.5),
  ]);
  expect(entries.map(({ gap }) => gap)).toEqual([null, null, 60_000, 48 * 3_600_000 - 119_999]);
  expect(entries.map(({ isFirstOfDay }) => isFirstOfDay)).toEqual([true, false, false, true]);
  expect(entries.map(({ share }) => share)).toEqual([null, 1, null, 0.25]);
});

it("takes no messages, and response times of 0", () => {
  expect(timeline([])).toEqual([]);
  expect(timeline([message("2026-11-29T12:00:00.000Z", 0)])[0]?.share).toBeNull();
});
