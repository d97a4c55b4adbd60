/** Measuring time in a browser, whose machine may sleep and whose clock may be set. */

/** Time since the last reset. One clock stops while a machine sleeps, the other can be set back: the longer time counts. */
export class Stopwatch {
  #wall = Date.now();
  #monotonic = performance.now();

  reset(): void {
    this.#wall = Date.now();
    this.#monotonic = performance.now();
  }

  get ms(): number {
    return Math.max(Date.now() - this.#wall, performance.now() - this.#monotonic);
  }
}

/** How many frames an estimate of the service's clock is based on. */
const SAMPLES = 8;
/** If this machine's clock moved so far against the monotonic one, it was set, or the machine slept. */
const JUMP_MS = 2000;

/** How far the service's clock is ahead. Frames may be late but never early, so the largest difference is the best. */
export class ClockOffset {
  #samples: number[] = [];
  #wallMinusMonotonic = 0;

  /** Take a frame into account that was correct `at` that time, and has just arrived. */
  add(at: string): void {
    if (!this.isKnown) this.#samples = [];
    this.#wallMinusMonotonic = wallMinusMonotonic();
    this.#samples = [...this.#samples.slice(1 - SAMPLES), Date.parse(at) - Date.now()];
  }

  get ms(): number {
    return this.#samples.length === 0 ? 0 : Math.max(...this.#samples);
  }

  /** Whether a frame has arrived, and this machine's clock has not jumped since. */
  get isKnown(): boolean {
    return this.#samples.length > 0 && Math.abs(wallMinusMonotonic() - this.#wallMinusMonotonic) < JUMP_MS;
  }
}

function wallMinusMonotonic(): number {
  return Date.now() - performance.now();
}
