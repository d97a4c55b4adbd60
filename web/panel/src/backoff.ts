/**
 * The wait before a reconnect: full jitter, between half a second and a bound that doubles with each attempt. Drawn even
 * the first time, so that the panels of a service that went away do not all come back at once.
 */

export const FIRST_MS = 500;
export const LAST_MS = 20_000;
/** A connection that lasted so long begins again with the first delay. */
export const STABLE_MS = 60_000;

export class Backoff {
  #attempt = 0;
  readonly #random: () => number;

  /** `random` gives a number from 0 up to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Draw the next delay in milliseconds. */
  next(): number {
    this.#attempt = Math.min(this.#attempt + 1, 10);
    const bound = Math.min(LAST_MS, FIRST_MS * 2 ** this.#attempt);
    return Math.round(FIRST_MS + this.#random() * (bound - FIRST_MS));
  }

  /** Take note that a connection ended after `ms`. */
  lasted(ms: number): void {
    if (ms >= STABLE_MS) this.reset();
  }

  /** Begin again, as when a person asks for it or the network comes back. */
  reset(): void {
    this.#attempt = 0;
  }
}
