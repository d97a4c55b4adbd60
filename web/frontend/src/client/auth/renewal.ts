/** Gets the next credential before the one in use expires: the service closes a connection in the second it does. */

import { Backoff } from "../backoff";
import { type Credential, expiryOf } from "./credential";
import type { Credentials } from "./credentials";

/** A browser's timer cannot hold more ms: it would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** The shortest pause before a source without another token is called again. */
const MIN_PAUSE_MS = 1000;

export class Renewal {
  readonly #credentials: Credentials;
  readonly #serviceNow: () => number;
  readonly #onExpired: () => void;
  readonly #isClockKnown: () => boolean;
  readonly #backoff = new Backoff();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #token: Credential | null = null;
  #renewAt = 0;
  #expires = 0;

  /**
   * `serviceNow` is the service's clock in ms, which decides when a token expires. `onExpired` is called if the source had
   * no other token in time, but not while `isClockKnown` returns false.
   */
  constructor(
    credentials: Credentials,
    serviceNow: () => number,
    onExpired: () => void,
    isClockKnown: () => boolean = () => true,
  ) {
    this.#credentials = credentials;
    this.#serviceNow = serviceNow;
    this.#onExpired = onExpired;
    this.#isClockKnown = isClockKnown;
  }

  /** Renew `token` in time, instead of any token before it. */
  watch(token: Credential): void {
    if (token === this.#token) return;
    this.stop();
    this.#token = token;
    this.#expires = expiryOf(token) ?? Number.POSITIVE_INFINITY;
    this.#backoff.reset();
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#token = null;
  }

  /** Compare with the clock now: timers do not run while the machine sleeps. */
  check(): void {
    if (this.#token === null) return;
    clearTimeout(this.#timer);
    const left = this.#renewAt - this.#serviceNow();
    if (left > 0) this.#timer = setTimeout(() => this.check(), Math.min(left, MAX_TIMER_MS));
    else void this.#renew(this.#token);
  }

  #schedule(): void {
    const now = this.#serviceNow();
    this.#renewAt = now + renewAfter(this.#expires - now);
    this.check();
  }

  async #renew(token: Credential): Promise<void> {
    // A new token is announced by `Credentials.onChange`, which leads to `watch`.
    const next = await this.#credentials.replacement(token).catch(() => undefined);
    if (token !== this.#token || next) return;
    // The source failed, which does not end the session: after a sleep the network may not be up yet.
    if (next === undefined) this.#retry();
    else if (this.#serviceNow() < this.#expires) this.#schedule();
    else if (!this.#isClockKnown()) this.#retry();
    else {
      this.stop();
      this.#onExpired();
    }
  }

  /** Call the source again after a pause, whatever the service's clock says then. */
  #retry(): void {
    this.#renewAt = Number.NEGATIVE_INFINITY;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.check(), Math.max(MIN_PAUSE_MS, this.#backoff.next()));
  }
}

/**
 * When to renew a token that expires in `left` ms, in ms from now: after 80 % of that time, 30 s before the end, or half-way
 * for a shorter token, whichever comes first; but not within a second, so that a source without a new token is not called
 * all the time.
 */
export function renewAfter(left: number): number {
  return Math.max(MIN_PAUSE_MS, Math.min(left * 0.8, Math.max(left - 30_000, left / 2)));
}
