/**
 * The wait before a reconnect: full jitter, between half a second and a bound that doubles with each attempt. Drawn even
 * the first time, so that the panels of a service that went away do not all come back at once.
 */

import { Stopwatch } from "./live";

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

/** Does what is wanted at once, and once for all that want it soon after: the more often, the longer are the pauses. */
export class Seldom {
  readonly #act: () => void;
  readonly #backoff: Backoff;
  #last: Stopwatch | null = null;
  #pause = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(act: () => void, random?: () => number) {
    this.#act = act;
    this.#backoff = new Backoff(random);
  }

  want(): void {
    clearTimeout(this.#timer);
    const passed = this.#last?.ms ?? STABLE_MS;
    if (passed < this.#pause) {
      this.#timer = setTimeout(() => this.want(), this.#pause - passed);
      return;
    }
    this.#backoff.lasted(passed);
    this.#pause = this.#backoff.next();
    this.#last = new Stopwatch();
    this.#act();
  }

  /** Nothing is wanted any more. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
