/**
 * This tab's own connection: a WebSocket that reconnects; an event stream where WebSockets are blocked; polling where
 * neither works.
 *
 * The status is never "live" without a frame within two and a half heartbeats. Timers may be late in background tabs and
 * after a machine slept, so each one compares with the clocks when it fires, and so does `wake`.
 */

import { type Credential, isSame } from "./auth/credential";
import type { Credentials } from "./auth/credentials";
import { Backoff } from "./backoff";
import { Stopwatch } from "./clock";
import { type LiveListener, type LiveSource, type SignOutReason, type Status, silenceLimit } from "./live";
import { answersOtherOrigins } from "./origin";
import { actionAfter, parse, retryAfter } from "./protocol";
import { Rest, RestError } from "./rest";
import type { Figures } from "./store";
import type { Channel, ChannelListener } from "./transports/channel";
import { EventStreamChannel } from "./transports/event-stream";
import { EVERY_SECONDS, Polling } from "./transports/polling";
import { RETRY_MS, type Transport, TransportChoice } from "./transports/transport-choice";
import { WebSocketChannel } from "./transports/websocket";

/** How long a handshake may take, and then the first frame. */
export const OPEN_MS = 10_000;
/** The shortest time between two snapshots that replace wrong figures. */
export const REPAIR_MS = 60_000;
/** The longest delay that is accepted from the service. */
const MAX_RETRY_AFTER_MS = 60_000;

export interface ConnectionOptions {
  /** Returns the figures that frames are applied to; a connection resumes from their position. */
  readonly figures: () => Figures;
  /** Returns the service's time, in ms since 1970. */
  readonly serviceNow?: () => number;
  readonly WebSocket?: typeof WebSocket;
  readonly random?: () => number;
}

type Phase =
  | "idle"
  | "waiting" // for the next try
  | "opening" // waiting for a token or for the handshake
  | "open"
  | "diagnosing"; // a handshake failed, for which browsers give no reason: a REST request finds it out

export class Connection implements LiveSource {
  readonly #url: string;
  readonly #credentials: Credentials;
  readonly #listener: LiveListener;
  readonly #figures: () => Figures;
  readonly #WebSocket: typeof WebSocket;
  readonly #backoff: Backoff;
  readonly #polling: Polling;

  #phase: Phase = "idle";
  /** Counts the phases, so that a result that arrives after its phase ended is ignored. */
  #phaseNumber = 0;
  #channel: Channel | null = null;
  #choice = new TransportChoice();
  /** The transport that is tried, or in use. */
  #transport: Transport = "websocket";
  /** What opened the connection. */
  #token: Credential = "";
  /** Whether a frame has arrived since the last subscription. */
  #isUpToDate = false;
  readonly #sinceLastFrame = new Stopwatch();
  readonly #sinceOpened = new Stopwatch();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the next try is due, or the current one began. */
  #tryAt = 0;
  /** Whether the next try may be sooner: nobody asked for the wait, and the figures are not polled meanwhile. */
  #mayHurry = false;
  /** When wrong figures were last replaced. */
  #repairedAt = Number.NEGATIVE_INFINITY;
  #offline = false;

  /** When the next poll is due, and whether the last one failed; null while there is no need to poll. */
  #poll: { nextAt: number; failed: boolean } | null = null;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the service answered the last try, but not with figures for this page's origin. */
  #isOriginRefused = false;
  /** The server speaks another protocol: no transport is tried again. */
  #incompatible = false;

  constructor(url: string, credentials: Credentials, listener: LiveListener, options: ConnectionOptions) {
    this.#url = url;
    this.#credentials = credentials;
    this.#listener = listener;
    this.#figures = options.figures;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#backoff = new Backoff(options.random);
    this.#polling = new Polling(new Rest(url, credentials), this.#figures, options.serviceNow ?? Date.now);
  }

  start(): void {
    if (this.#phase !== "idle") return;
    this.#backoff.reset();
    void this.#connect();
  }

  stop(): void {
    this.#enter("idle");
    this.#stopPolling();
    this.#choice = new TransportChoice();
    this.#incompatible = false;
  }

  refresh(): void {
    if (this.#phase === "open" && this.#isUpToDate) {
      this.#isUpToDate = false;
      this.#channel?.subscribe(null);
      this.#reportStatus();
    } else if (this.#phase === "open" || this.#phase === "waiting") {
      this.#incompatible = false;
      this.#connectNow();
      if (this.#poll !== null) void this.#runPoll();
    }
  }

  renew(token: Credential): void {
    // In every other phase the next handshake brings the new token.
    if (this.#phase === "open") this.#channel?.renew(token);
  }

  wake(): void {
    if (this.#phase === "open") this.#checkSilence();
    else if (this.#phase === "waiting" && Date.now() >= this.#tryAt) this.#connectNow();
    if (this.#poll !== null && Date.now() >= this.#poll.nextAt) void this.#runPoll();
  }

  shown(): void {
    this.wake();
    if (this.#phase === "waiting" && this.#mayHurry) this.#connectNow();
  }

  online(): void {
    this.#offline = false;
    if (this.#phase === "waiting") this.#connectNow();
    else this.#reportStatus();
  }

  /** The browser says that the network is gone. A service on this machine is still found at the next try. */
  offline(): void {
    if (this.#phase === "idle") return;
    this.#offline = true;
    if (this.#phase === "open" || this.#phase === "opening") this.#reconnectLater();
    else this.#reportStatus();
  }

  // Connecting

  #connectNow(): void {
    this.#backoff.reset();
    void this.#connect();
  }

  async #connect(): Promise<void> {
    if (this.#incompatible) return;
    const phase = this.#enter("opening");
    this.#tryAt = Date.now();
    this.#reportStatus();
    let token: Credential | null;
    try {
      token = await this.#credentials.token();
    } catch {
      if (phase === this.#phaseNumber) this.#reconnectLater();
      return;
    }
    if (phase !== this.#phaseNumber) return;
    if (token === null) this.#signOut("missing");
    else this.#open(token);
  }

  #open(token: Credential): void {
    this.#token = token;
    this.#transport = this.#choice.choose();
    this.#timer = setTimeout(() => void this.#diagnose(), OPEN_MS);
    const options = { url: this.#url, credential: token, position: () => this.#figures().position };
    const listener: ChannelListener = {
      opened: () => this.#onOpen(),
      received: (text) => this.#onFrame(text),
      closed: (code, reason) => this.#onClose(code, reason),
      incompatible: (reason) => this.#fallBackToPolling(reason),
    };
    try {
      this.#channel =
        this.#transport === "websocket"
          ? new WebSocketChannel(options, listener, this.#WebSocket)
          : new EventStreamChannel(options, listener);
    } catch {
      // The page may not open WebSockets, or the token has characters that are not allowed: a REST request shows which.
      void this.#diagnose();
    }
  }

  #onOpen(): void {
    this.#phase = "open";
    this.#sinceOpened.reset();
    this.#sinceLastFrame.reset();
    this.#reportStatus();
    this.#checkSilence();
  }

  /** Connect again after a delay of the backoff. */
  #reconnectLater(): void {
    if (this.#phase === "open") this.#backoff.lasted(this.#sinceOpened.ms);
    this.#connectAfter(this.#backoff.next());
    this.#mayHurry = this.#poll === null;
  }

  #connectAfter(ms: number): void {
    this.#enter("waiting");
    this.#tryAt = Date.now() + ms;
    this.#timer = setTimeout(() => void this.#connect(), ms);
    this.#reportStatus();
  }

  // Receiving

  #onFrame(text: string): void {
    this.#sinceLastFrame.reset();
    try {
      const frame = parse(text);
      // The close that follows says what to do.
      if (frame.type === "error") return;
      // Before the first snapshot there is nothing that a delta could change.
      if (frame.type !== "snapshot" && this.#figures().position === null) return;
      this.#isUpToDate = true;
      this.#isOriginRefused = false;
      this.#choice.succeeded(this.#transport);
      this.#stopPolling();
      this.#listener.frame(frame);
    } catch (error) {
      this.#fallBackToPolling(error instanceof Error ? error.message : "a frame cannot be read");
      return;
    }
    if (!this.#figures().agrees) this.#repair();
    this.#reportStatus();
  }

  /** Report figures that do not have the service's digest, and subscribe from a snapshot on. */
  #repair(): void {
    const { position } = this.#figures();
    if (position === null || Date.now() - this.#repairedAt < REPAIR_MS) return;
    this.#repairedAt = Date.now();
    console.error(`ConvoAI Analytics: the figures at ${position} were wrong and are loaded again`);
    this.#isUpToDate = false;
    this.#channel?.disagree(position);
  }

  #checkSilence(): void {
    clearTimeout(this.#timer);
    const limit = silenceLimit(this.#figures());
    const left = (this.#isUpToDate ? limit : Math.min(limit, OPEN_MS)) - this.#sinceLastFrame.ms;
    if (left > 0) this.#timer = setTimeout(() => this.#checkSilence(), left);
    else this.#onSilence();
  }

  /** Nothing arrives any more, or the connection was lost. */
  #onSilence(): void {
    if (this.#isUpToDate) this.#reconnectLater();
    // No frame arrived at all: a proxy lets the handshake through but no frame, or buffers the stream.
    else void this.#diagnose();
  }

  #onClose(code: number, reason: string): void {
    const delay = retryAfter(reason);
    switch (actionAfter(code)) {
      case "retry_after":
        if (delay === null) this.#reconnectLater();
        else this.#connectAfter(Math.min(delay, MAX_RETRY_AFTER_MS));
        return;
      case "backoff":
        this.#reconnectLater();
        return;
      case null:
        if (this.#phase === "open") this.#onSilence();
        else void this.#diagnose();
        return;
      case "stop":
        this.#fallBackToPolling("the service does not understand this client");
        return;
      case "new_token":
        void this.#replaceToken();
        return;
      case "sign_out":
        this.#signOut("not-allowed");
        return;
    }
  }

  /** The token expired: reconnect with another one, or sign out if there is none. */
  async #replaceToken(): Promise<void> {
    const wasServed = this.#isUpToDate;
    const phase = this.#enter("opening");
    this.#tryAt = Date.now();
    this.#reportStatus();
    const next = await this.#credentials.replacement(this.#token).catch(() => undefined);
    if (phase !== this.#phaseNumber) return;
    if (next === null) this.#signOut("expired");
    // A source that gives only expired tokens must not make this a tight loop.
    else if (next === undefined || !wasServed) this.#reconnectLater();
    else void this.#connect();
  }

  /** Find out by a REST request why a handshake failed. If it succeeds, its snapshot is used. */
  async #diagnose(): Promise<void> {
    const phase = this.#enter("diagnosing");
    this.#reportStatus();
    const isCurrent = () => phase === this.#phaseNumber;
    let error = await this.#fetchSnapshot(isCurrent);
    if (isUnanswered(error) && isCurrent() && (await answersOtherOrigins(this.#url)) && isCurrent()) {
      // Once more: the service may have started between the two requests.
      error = await this.#fetchSnapshot(isCurrent);
      if (isCurrent()) this.#isOriginRefused = isUnanswered(error);
    } else if (isCurrent()) this.#isOriginRefused = false;
    if (!isCurrent()) return;
    if (error !== null) {
      this.#onRestError(error, () => {
        this.#connectAfter(this.#poll === null ? delayAfter(error, this.#backoff.next()) : RETRY_MS);
        this.#mayHurry = this.#poll === null && requestedDelay(error) === 0;
      });
    } else if (!isSame(await this.#credentials.token().catch(() => this.#token), this.#token)) {
      // REST succeeded with a new token.
      if (phase === this.#phaseNumber) void this.#connect();
    } else if (phase === this.#phaseNumber) {
      this.#tryOtherTransport();
    }
  }

  /** REST answers, but no frame arrives over this transport: try the other one, or poll. */
  #tryOtherTransport(): void {
    this.#choice.failed(this.#transport);
    const { remaining } = this.#choice;
    if (remaining === null) {
      this.#startPolling();
      this.#connectAfter(RETRY_MS);
    } else if (remaining !== this.#transport) void this.#connect();
    else this.#connectAfter(this.#poll === null ? this.#backoff.next() : RETRY_MS);
  }

  /** Sign out if REST refused the token; call `otherwise` for any other error. */
  #onRestError(error: unknown, otherwise: () => void): void {
    const status = error instanceof RestError ? error.status : 0;
    if (status === 401) this.#signOut("expired");
    else if (status === 403) this.#signOut("not-allowed");
    else otherwise();
  }

  /** Connecting again would fail in the same way; snapshots over REST work without the live protocol. */
  #fallBackToPolling(reason: string): void {
    console.error(`ConvoAI Analytics: ${reason}; polling instead. Are page and service of the same version?`);
    this.#incompatible = true;
    this.#enter("waiting");
    this.#startPolling();
    void this.#runPoll();
  }

  #signOut(reason: SignOutReason): void {
    this.stop();
    this.#listener.status({ kind: "signed-out", reason });
  }

  // Polling

  #startPolling(): void {
    if (this.#poll !== null) return;
    this.#poll = { nextAt: 0, failed: false };
    this.#schedulePoll(false);
  }

  #stopPolling(): void {
    clearTimeout(this.#pollTimer);
    this.#poll = null;
  }

  #schedulePoll(failed: boolean): void {
    clearTimeout(this.#pollTimer);
    this.#poll = { nextAt: Date.now() + EVERY_SECONDS * 1000, failed };
    this.#pollTimer = setTimeout(() => void this.#runPoll(), EVERY_SECONDS * 1000);
    this.#reportStatus();
  }

  async #runPoll(): Promise<void> {
    // Nothing else polls until this request is done.
    const current = { nextAt: Number.POSITIVE_INFINITY, failed: this.#poll?.failed ?? false };
    this.#poll = current;
    clearTimeout(this.#pollTimer);
    const error = await this.#fetchSnapshot(() => this.#poll === current);
    if (this.#poll !== current) return;
    if (error === null) this.#schedulePoll(false);
    else this.#onRestError(error, () => this.#schedulePoll(true));
  }

  /** Fetch one snapshot, and pass it on if it is still `wanted`. Returns the error, or null. */
  async #fetchSnapshot(wanted: () => boolean): Promise<unknown> {
    try {
      const frame = await this.#polling.poll();
      if (wanted()) this.#listener.frame(frame);
      return null;
    } catch (error) {
      return error;
    }
  }

  // Phases and status

  /** End the current phase with its timer and channel, and return the number of the new one. */
  #enter(phase: Phase): number {
    clearTimeout(this.#timer);
    this.#channel?.close();
    this.#channel = null;
    this.#phase = phase;
    this.#mayHurry = false;
    this.#isUpToDate = false;
    this.#phaseNumber += 1;
    return this.#phaseNumber;
  }

  #reportStatus(): void {
    if (this.#phase !== "idle") this.#listener.status(this.#status());
  }

  #status(): Status {
    const { at, position, staleSince } = this.#figures();
    if (this.#isUpToDate) return staleSince === null ? { kind: "live" } : { kind: "stale", since: staleSince };
    if (this.#poll !== null) {
      if (!this.#poll.failed) return { kind: "polling", every: EVERY_SECONDS };
      return this.#reconnecting(Math.min(this.#poll.nextAt, Date.now() + EVERY_SECONDS * 1000));
    }
    if (this.#phase === "open") return { kind: position === null ? "connecting" : "catching-up" };
    if (this.#offline && at !== null) return { kind: "stale", since: at };
    const hasTried = this.#phase === "waiting" || this.#isOriginRefused;
    if (hasTried || position !== null) return this.#reconnecting(this.#tryAt);
    return { kind: "connecting" };
  }

  #reconnecting(at: number): Status {
    return this.#isOriginRefused ? { kind: "reconnecting", at, isOriginRefused: true } : { kind: "reconnecting", at };
  }
}

function delayAfter(error: unknown, drawn: number): number {
  return Math.max(drawn, Math.min(requestedDelay(error), MAX_RETRY_AFTER_MS));
}

/** Whether there was no response that the page may read. */
function isUnanswered(error: unknown): boolean {
  return error instanceof RestError && error.status === 0;
}

function requestedDelay(error: unknown): number {
  return error instanceof RestError ? (error.retryAfter ?? 0) : 0;
}
