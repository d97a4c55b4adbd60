/** When something that follows the live figures is loaded again: after a change of them, and a pause. */

/** The shortest pause, in ms; and how many times as long as the last load took it is. */
const PAUSE_MS = 1000;
const PAUSES = 5;

export class Pace {
  #position: string | null = null;
  #sentAt = 0;
  #tookMs = 0;

  /** Whether the figures have another position than at the last load, and the pause is over. */
  isDue(position: string | null): boolean {
    return position !== this.#position && Date.now() - this.#sentAt >= Math.max(PAUSE_MS, PAUSES * this.#tookMs);
  }

  /** Load at this position of the figures. */
  async load<Result>(position: string | null, read: () => Promise<Result>): Promise<Result> {
    this.#position = position;
    this.#sentAt = Date.now();
    const result = await read();
    this.#tookMs = Date.now() - this.#sentAt;
    return result;
  }
}
