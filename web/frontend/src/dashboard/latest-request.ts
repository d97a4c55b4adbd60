/**
 * One question to the service at a time. A newer one ends the older, whose answer is never shown after it.
 */

/** What went wrong, for people: the `detail` of a problem document, and the field at fault. */
export interface Problem {
  detail: string;
  field: string | null;
}

/** What failed is asked for again after so many milliseconds. */
export const RETRY_EVERY = 10_000;

export class Question<Answer> {
  answer: Answer | null = null;
  problem: Problem | null = null;
  asking = false;
  /** When the answer came, by this machine's clock. */
  asOf: number | null = null;

  #current: AbortController | null = null;
  #askedAt = 0;

  constructor(private readonly changed: () => void) {}

  /** Ask; `afresh` drops the answer that is held, which was to another question. */
  async ask(read: (signal: AbortSignal) => Promise<Answer>, afresh = false): Promise<void> {
    this.#current?.abort();
    const current = new AbortController();
    this.#current = current;
    this.asking = true;
    this.#askedAt = Date.now();
    if (afresh) this.answer = null;
    this.changed();
    try {
      const answer = await read(current.signal);
      if (this.#current !== current) return;
      this.answer = answer;
      this.problem = null;
      this.asOf = Date.now();
    } catch (error) {
      if (this.#current !== current) return;
      this.problem = problemOf(error);
    }
    this.#current = null;
    this.asking = false;
    this.changed();
  }

  /** Whether it failed, and is to be asked again by now. */
  get isDueAgain(): boolean {
    return this.problem !== null && !this.asking && Date.now() - this.#askedAt >= RETRY_EVERY;
  }

  /** Change the answer that is held, without asking. */
  amend(change: (held: Answer) => Answer): void {
    if (this.answer !== null) this.answer = change(this.answer);
  }

  /** Forget the question in hand. */
  stop(): void {
    this.#current?.abort();
    this.#current = null;
    this.asking = false;
  }
}

export function problemOf(error: unknown): Problem {
  const about = (typeof error === "object" && error !== null ? error : {}) as { detail?: unknown; field?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  return {
    detail: typeof about.detail === "string" && about.detail !== "" ? about.detail : message,
    field: typeof about.field === "string" ? about.field : null,
  };
}
