/**
 * Delays before a retry: drawn at random between half a second and a bound that doubles with each attempt ("full jitter").
 * The first one is drawn too, so that the panels of a service that went away do not all come back at once.
 */

import { Stopwatch } from "./clock";

export const MIN_DELAY_MS = 500;
export const MAX_DELAY_MS = 20_000;
/** After a connection that lasted so long, delays begin with the shortest again. */
export const STABLE_MS = 60_000;

export class Backoff {
  #attempt = 0;
  readonly #random: () => number;

  /** `random` returns a number from 0 up to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Draw the next delay in milliseconds. */
  next(): number {
    this.#attempt = Math.min(this.#attempt + 1, 10);
    const bound = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** this.#attempt);
    return Math.round(MIN_DELAY_MS + this.#random() * (bound - MIN_DELAY_MS));
  }

  /** Report that a connection lasted `ms`: after a stable one, delays begin with the shortest again. */
  lasted(ms: number): void {
    if (ms >= STABLE_MS) this.reset();
  }

  /** Begin with the shortest delay again: a person asked, or the network is back. */
  reset(): void {
    this.#attempt = 0;
  }
}

/** Runs an action at once, and once for all requests during the pause after it. Pauses grow with frequent requests. */
export class Throttle {
  readonly #action: () => void;
  readonly #backoff: Backoff;
  #lastRun: Stopwatch | null = null;
  #pause = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(action: () => void, random?: () => number) {
    this.#action = action;
    this.#backoff = new Backoff(random);
  }

  request(): void {
    clearTimeout(this.#timer);
    const passed = this.#lastRun?.ms ?? STABLE_MS;
    if (passed < this.#pause) {
      this.#timer = setTimeout(() => this.request(), this.#pause - passed);
      return;
    }
    this.#backoff.lasted(passed);
    this.#pause = this.#backoff.next();
    this.#lastRun = new Stopwatch();
    this.#action();
  }

  /** Drop a request that waits for the end of the pause. */
  cancel(): void {
    clearTimeout(this.#timer);
  }
}
