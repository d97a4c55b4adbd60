/** The snapshot over plain HTTP, for where nothing streams: every 30 s, and with its ETag almost free. */

import { type Frame, frame } from "../protocol";
import type { Rest } from "../rest";
import type { Figures } from "../store";

export const EVERY_SECONDS = 30;
/** How long one request may take. */
const PATIENCE_MS = 10_000;

export class Polling {
  readonly #rest: Rest;
  readonly #held: () => Figures;
  readonly #serviceNow: () => number;
  #etag: string | null = null;
  /** The position that the ETag stands for: what is held may have moved since. */
  #position: string | null = null;

  /** `held` are the figures that a frame is applied to, `serviceNow` is the service's clock in ms. */
  constructor(rest: Rest, held: () => Figures, serviceNow: () => number) {
    this.#rest = rest;
    this.#held = held;
    this.#serviceNow = serviceNow;
  }

  /** Ask once; gives a snapshot, or a heartbeat if nothing changed. Raises `RestError`, `ProtocolError`. */
  async poll(): Promise<Frame> {
    const current = this.#etag !== null && this.#position === this.#held().position;
    const headers: Record<string, string> = current ? { "If-None-Match": this.#etag ?? "" } : {};
    const response = await this.#rest.fetch("snapshot", {}, headers, AbortSignal.timeout(PATIENCE_MS));
    if (response.status === 304) return this.#unchanged();
    const taken = frame({ ...(await response.json().catch(() => null)), type: "snapshot" });
    // A page of another origin may read the ETag only if the service exposes it: without one, each poll is whole.
    this.#etag = response.headers.get("ETag");
    this.#position = "position" in taken ? taken.position : null;
    return taken;
  }

  /** The figures matched the database just now. */
  #unchanged(): Frame {
    const at = new Date(this.#serviceNow()).toISOString();
    return frame({ type: "heartbeat", position: this.#position, at, stale_since: null });
  }
}
