/** Which way leads to the service: a WebSocket, where those are blocked an event stream, or neither. */

export type Way = "socket" | "stream";

/** So many handshakes in a row failed while REST answered: something between blocks WebSockets. */
export const BLOCKED = 3;
/** How long until ways that are blocked are tried again. */
export const RETRY_MS = 300_000;

export class Ways {
  #failedSockets = 0;
  #hasStreamFailed = false;
  #blockedAt = 0;

  /** The way that is left; null: none is, and figures have to be polled. */
  get left(): Way | null {
    if (this.#failedSockets < BLOCKED) return "socket";
    return this.#hasStreamFailed ? null : "stream";
  }

  /** Choose the way to try now: after a while, or where none is left, each gets one more chance. */
  choose(): Way {
    const isBlocked = this.#failedSockets >= BLOCKED;
    if (this.left === null || (isBlocked && Date.now() - this.#blockedAt >= RETRY_MS)) {
      this.#failedSockets = BLOCKED - 1;
      this.#hasStreamFailed = false;
    }
    return this.left ?? "socket";
  }

  /** Take note that REST answers, but no frame came by this way. */
  failed(way: Way): void {
    if (way === "stream") this.#hasStreamFailed = true;
    else this.#failedSockets += 1;
    this.#blockedAt = Date.now();
  }

  /** Take note that a frame came by this way. */
  passed(way: Way): void {
    this.#hasStreamFailed = false;
    if (way === "socket") this.#failedSockets = 0;
  }
}
