import { describe, expect, it, vi } from "vitest";
import { RestError } from "../../src/client/rest";
import { LatestRequest, RETRY_MS } from "../../src/dashboard/latest-request";

function later<T>() {
  let answer!: (value: T) => void;
  let fail!: (error: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => {
    answer = resolve;
    fail = reject;
  });
  return { promise, answer, fail };
}

describe("a request", () => {
  it("never shows the result of an older one", async () => {
    const request = new LatestRequest<string>(vi.fn());
    const older = later<string>();
    const first = request.load(() => older.promise);
    await request.load(async () => "newer");
    older.answer("older");
    await first;
    expect(request.result).toBe("newer");
  });

  it("aborts the older one, which is not a problem", async () => {
    const request = new LatestRequest<string>(vi.fn());
    let signal: AbortSignal | undefined;
    const older = later<string>();
    const first = request.load((given) => {
      signal = given;
      return older.promise;
    });
    const second = later<string>();
    const loading = request.load(() => second.promise);
    expect(signal?.aborted).toBe(true);
    older.fail(new DOMException("aborted", "AbortError"));
    await first;
    expect([request.isLoading, request.problem]).toEqual([true, null]);
    second.answer("newer");
    await loading;
  });

  it("is repeated ten seconds after it failed, but not while it is under way or after a result", async () => {
    vi.useFakeTimers();
    const request = new LatestRequest<string>(vi.fn());
    await request.load(() => Promise.reject(new Error("unreachable")));
    expect(request.isRetryDue).toBe(false);
    vi.advanceTimersByTime(RETRY_MS);
    expect(request.isRetryDue).toBe(true);
    const answer = later<string>();
    const again = request.load(() => answer.promise);
    vi.advanceTimersByTime(RETRY_MS);
    expect(request.isRetryDue).toBe(false);
    answer.answer("there");
    await again;
    expect(request.isRetryDue).toBe(false);
    vi.useRealTimers();
  });

  it("keeps the result when it is repeated, unless it belongs to other parameters", async () => {
    const request = new LatestRequest<string>(vi.fn());
    await request.load(async () => "held");
    const again = request.load(async () => "new");
    expect(request.result).toBe("held");
    await again;
    const other = request.load(async () => "other", true);
    expect(request.result).toBeNull();
    await other;
  });

  it("has the service's words for an error, until the next result", async () => {
    const request = new LatestRequest<string>(vi.fn());
    await request.load(async () => {
      throw new RestError(422, "must not lie before from", "to");
    });
    expect(request.problem).toEqual({ detail: "must not lie before from", field: "to", status: 422 });
    await request.load(async () => "fine");
    expect(request.problem).toBeNull();
  });

  it("says in words of its own that there was no answer, or one without words", async () => {
    const request = new LatestRequest<string>(vi.fn());
    await request.load(() => Promise.reject(new RestError(0, "", null)));
    expect(request.problem?.detail).toBe("the service cannot be reached");
    await request.load(() => Promise.reject(new RestError(502, "", null)));
    expect(request.problem?.detail).toBe("the service answered 502");
  });
});
