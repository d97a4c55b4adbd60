/** The token in use, and the source that gives the next one. */

/**
 * Gives a token, or null if there is none, which signs the person out. Called whenever a new token is needed. If it throws
 * or rejects, the person stays signed in, and the source is called again later.
 */
export type TokenSource = () => string | null | Promise<string | null>;

/** Holds the token in use, so that its source is called only when another token is needed. */
export class Credentials {
  /** Called with each new token and the one before it. */
  onChange: (token: string, before: string | null) => void = () => {};
  readonly #source: TokenSource;
  #current: string | null = null;
  #last: string | null = null;
  #pending: Promise<string | null> | null = null;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** The token in use; null if the source has to be called. */
  get current(): string | null {
    return this.#current;
  }

  /** The token in use, or the one that the source gives; null if there is none. Rejects when the source does. */
  async token(): Promise<string | null> {
    return this.#current ?? (await this.#load());
  }

  /** Get a token other than `refused`; null if the source has none. Rejects when the source does. */
  async replacement(refused: string): Promise<string | null> {
    if (this.#current !== null && this.#current !== refused) return this.#current;
    const token = await this.#load();
    return token === refused ? null : token;
  }

  /** Call the source now; the token in use stays until it answers. Rejects when the source does. */
  async reload(): Promise<string | null> {
    // A call under way may be to a source that was replaced since.
    await this.#pending?.catch(() => null);
    return this.#load();
  }

  /** Drop the token in use: the source is called the next time a token is needed. */
  clear(): void {
    this.#current = null;
    this.#pending = null;
  }

  /** Call the source once, however many callers wait. */
  #load(): Promise<string | null> {
    if (this.#pending === null) {
      const pending = this.#callSource().then((token) => {
        // Otherwise `clear` was called in the meantime.
        if (this.#pending === pending) this.#accept(token);
        return token;
      });
      const done = () => {
        if (this.#pending === pending) this.#pending = null;
      };
      pending.then(done, done);
      this.#pending = pending;
    }
    return this.#pending;
  }

  async #callSource(): Promise<string | null> {
    return (await this.#source()) || null;
  }

  #accept(token: string | null): void {
    const before = this.#last;
    this.#current = token;
    if (token === null || token === before) return;
    this.#last = token;
    this.onChange(token, before);
  }
}
