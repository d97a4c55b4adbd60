import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { loadLater, RETRY_MS } from "../../src/dashboard/load-later";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("asks for code again while it cannot be fetched", async () => {
  const load = vi.fn().mockRejectedValueOnce(new TypeError("Failed to fetch")).mockResolvedValue({});
  const loaded = loadLater(load);
  await vi.advanceTimersByTimeAsync(RETRY_MS - 1);
  expect(load).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  await loaded;
  expect(load).toHaveBeenCalledTimes(2);
});

it("asks for code that throws no second time", async () => {
  const load = vi.fn().mockRejectedValue(new RangeError("broken"));
  await expect(loadLater(load)).rejects.toThrow("broken");
  expect(load).toHaveBeenCalledTimes(1);
});
