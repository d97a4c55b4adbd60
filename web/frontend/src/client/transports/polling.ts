/** Fetching snapshots over plain HTTP, where no transport works: every 30 s, with an ETag so that it costs little. */

import type { Frame } from "../catalogue";
import { checkFrame } from "../protocol";
import type { Rest } from "../rest";
import type { Figures } from "../store";

export const EVERY_SECONDS = 30;
/** How long one request may take. */
const TIMEOUT_MS = 10_000;

export class Polling {
  readonly #rest: Rest;
  readonly #figures: () => Figures;
  readonly #serviceNow: () => number;
  #etag: string | null = null;
  /** The position that the ETag belongs to; frames may have moved the figures since. */
  #position: string | null = null;

  /** `figures` returns the figures that frames are applied to, `serviceNow` the service's clock in ms. */
  constructor(rest: Rest, figures: () => Figures, serviceNow: () => number) {
    this.#rest = rest;
    this.#figures = figures;
    this.#serviceNow = serviceNow;
  }

  /** Fetch once: returns a snapshot, or a heartbeat if nothing changed. Throws `RestError` or `ProtocolError`. */
  async poll(): Promise<Frame> {
    const isCurrent = this.#etag !== null && this.#position === this.#figures().position;
    const headers: Record<string, string> = isCurrent ? { "If-None-Match": this.#etag ?? "" } : {};
    const response = await this.#rest.fetch("snapshot", {}, headers, AbortSignal.timeout(TIMEOUT_MS));
    if (response.status === 304) return this.#unchanged();
    const snapshot = checkFrame({ ...(await response.json().catch(() => null)), type: "snapshot" });
    // A page of another origin can read the ETag only if the service exposes it; without it, each poll gets all figures.
    this.#etag = response.headers.get("ETag");
    this.#position = "position" in snapshot ? snapshot.position : null;
    return snapshot;
  }

  /** Write a heartbeat: the figures matched the database just now. */
  #unchanged(): Frame {
    const at = new Date(this.#serviceNow()).toISOString();
    return checkFrame({ type: "heartbeat", position: this.#position, at, stale_since: null });
  }
}
