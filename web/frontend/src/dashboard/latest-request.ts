/**
 * One request to the service at a time: a new one aborts the one before, whose result is never shown after it.
 */

import { dashboardText } from "./text";

/**
 * An error for people: the `detail` of a problem document, which is English, or a text of ours, the parameter at fault, and the
 * status of the response.
 */
export interface Problem {
  detail: string;
  field: string | null;
  /** Null if the error is not one of a response. */
  status: number | null;
}

/** A failed request is repeated after so many milliseconds. */
export const RETRY_MS = 10_000;

export class LatestRequest<Result> {
  result: Result | null = null;
  problem: Problem | null = null;
  isLoading = false;
  /** When the result arrived, by this machine's clock. */
  loadedAt: number | null = null;

  #current: AbortController | null = null;
  #sentAt = 0;

  constructor(private readonly onChange: () => void) {}

  /** Send a request; `discard` drops the current result, which belongs to other parameters. */
  async load(read: (signal: AbortSignal) => Promise<Result>, discard = false): Promise<void> {
    this.#current?.abort();
    const current = new AbortController();
    this.#current = current;
    this.isLoading = true;
    this.#sentAt = Date.now();
    if (discard) this.result = null;
    this.onChange();
    try {
      const result = await read(current.signal);
      if (this.#current !== current) return;
      this.result = result;
      this.problem = null;
      this.loadedAt = Date.now();
    } catch (error) {
      if (this.#current !== current) return;
      this.problem = problemOf(error);
    }
    this.#current = null;
    this.isLoading = false;
    this.onChange();
  }

  /** Whether the last request failed long enough ago to be repeated now. */
  get isRetryDue(): boolean {
    return this.problem !== null && !this.isLoading && Date.now() - this.#sentAt >= RETRY_MS;
  }

  /** Change the current result without a request. */
  update(change: (result: Result) => Result): void {
    if (this.result !== null) this.result = change(this.result);
  }

  /** Abort the current request. */
  abort(): void {
    this.#current?.abort();
    this.#current = null;
    this.isLoading = false;
  }
}

export function problemOf(error: unknown): Problem {
  const { detail, field, status } = (typeof error === "object" && error !== null ? error : {}) as Record<
    string,
    unknown
  >;
  return {
    detail: typeof detail === "string" && detail !== "" ? detail : messageOf(error, status),
    field: typeof field === "string" ? field : null,
    status: typeof status === "number" ? status : null,
  };
}

function messageOf(error: unknown, status: unknown): string {
  const words = dashboardText.problems;
  if (status === 0) return words.unreachable;
  if (typeof status === "number") return words.answered(String(status));
  return error instanceof Error ? error.message : String(error);
}
