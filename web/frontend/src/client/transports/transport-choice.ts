/** Which transport to use: a WebSocket, an event stream where WebSockets are blocked, or neither. */

export type Transport = "websocket" | "event-stream";

/** WebSockets count as blocked after so many failed handshakes in a row while REST answered. */
export const MAX_FAILURES = 3;
/** How long until blocked transports are tried again. */
export const RETRY_MS = 300_000;

export class TransportChoice {
  #failedWebSockets = 0;
  #hasStreamFailed = false;
  #lastFailureAt = 0;

  /** The transport that has not failed; null if none is left, and figures have to be polled. */
  get remaining(): Transport | null {
    if (this.#failedWebSockets < MAX_FAILURES) return "websocket";
    return this.#hasStreamFailed ? null : "event-stream";
  }

  /** Choose the transport to try now. After a while, or if none is left, each one gets one more try. */
  choose(): Transport {
    const isBlocked = this.#failedWebSockets >= MAX_FAILURES;
    if (this.remaining === null || (isBlocked && Date.now() - this.#lastFailureAt >= RETRY_MS)) {
      this.#failedWebSockets = MAX_FAILURES - 1;
      this.#hasStreamFailed = false;
    }
    return this.remaining ?? "websocket";
  }

  /** Report that REST answered, but no frame arrived over this transport. */
  failed(transport: Transport): void {
    if (transport === "event-stream") this.#hasStreamFailed = true;
    else this.#failedWebSockets += 1;
    this.#lastFailureAt = Date.now();
  }

  /** Report that a frame arrived over this transport. */
  succeeded(transport: Transport): void {
    this.#hasStreamFailed = false;
    if (transport === "websocket") this.#failedWebSockets = 0;
  }
}
