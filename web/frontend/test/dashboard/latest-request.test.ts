import { describe, expect, it, vi } from "vitest";
import { Question, RETRY_EVERY } from "../../src/dashboard/latest-request";

function later<T>() {
  let answer!: (value: T) => void;
  let fail!: (error: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => {
    answer = resolve;
    fail = reject;
  });
  return { promise, answer, fail };
}

describe("a question", () => {
  it("never shows the answer to an older one after it was asked", async () => {
    const question = new Question<string>(vi.fn());
    const older = later<string>();
    const first = question.ask(() => older.promise);
    await question.ask(async () => "newer");
    older.answer("older");
    await first;
    expect(question.answer).toBe("newer");
  });

  it("ends the older one, and does not tell its end as a problem", async () => {
    const question = new Question<string>(vi.fn());
    let signal: AbortSignal | undefined;
    const older = later<string>();
    const first = question.ask((given) => {
      signal = given;
      return older.promise;
    });
    const second = later<string>();
    const asking = question.ask(() => second.promise);
    expect(signal?.aborted).toBe(true);
    older.fail(new DOMException("aborted", "AbortError"));
    await first;
    expect([question.asking, question.problem]).toEqual([true, null]);
    second.answer("newer");
    await asking;
  });

  it("is due again ten seconds after it failed, and not while it is asked or once it is answered", async () => {
    vi.useFakeTimers();
    const question = new Question<string>(vi.fn());
    await question.ask(() => Promise.reject(new Error("unreachable")));
    expect(question.isDueAgain).toBe(false);
    vi.advanceTimersByTime(RETRY_EVERY);
    expect(question.isDueAgain).toBe(true);
    const answer = later<string>();
    const again = question.ask(() => answer.promise);
    vi.advanceTimersByTime(RETRY_EVERY);
    expect(question.isDueAgain).toBe(false);
    answer.answer("there");
    await again;
    expect(question.isDueAgain).toBe(false);
    vi.useRealTimers();
  });

  it("keeps the answer when asked again, unless it was to another question", async () => {
    const question = new Question<string>(vi.fn());
    await question.ask(async () => "held");
    const again = question.ask(async () => "new");
    expect(question.answer).toBe("held");
    await again;
    const other = question.ask(async () => "other", true);
    expect(question.answer).toBeNull();
    await other;
  });

  it("tells what went wrong in the service's words, and forgets it with the next answer", async () => {
    const question = new Question<string>(vi.fn());
    await question.ask(async () => {
      throw Object.assign(new Error("the service answered 422"), { detail: "must not lie before from", field: "to" });
    });
    expect(question.problem).toEqual({ detail: "must not lie before from", field: "to" });
    await question.ask(async () => "fine");
    expect(question.problem).toBeNull();
  });
});
