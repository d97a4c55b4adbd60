/**
 * One panel's own way to the service: a WebSocket, kept up by reconnecting; where those are blocked an event stream, and
 * where nothing streams, polling.
 *
 * Never "live" without a frame within two and a half heartbeats. Timers may be late, as they are in background tabs and
 * after a machine slept: each one looks at the clocks when it fires, and so does `wake`.
 */

import { Backoff } from "./backoff";
import type { Channel, Listener } from "./transports/channel";
import { type Events, type Live, type SignedOut, type Status, Stopwatch, silence } from "./live";
import { EVERY_SECONDS, Polling } from "./transports/polling";
import { advice, parse, retryAfter } from "./protocol";
import { Rest, RestError } from "./rest";
import { Socket } from "./transports/websocket";
import type { Figures } from "./store";
import { Stream } from "./transports/eventstream";
import type { Credentials } from "./auth/token";
import { RETRY_MS, type Way, Ways } from "./transports/transport-choice";

/** How long a handshake may take, and then the first frame. */
export const OPEN_MS = 10_000;
/** How often figures that are found wrong are replaced by a snapshot at the most. */
export const HEAL_MS = 60_000;
/** The longest delay that a close reason is believed. */
const LONGEST_HINT_MS = 60_000;

export interface Surroundings {
  /** The figures that frames are applied to: where a connection resumes. */
  readonly held: () => Figures;
  /** The service's clock, in ms since 1970. */
  readonly serviceNow?: () => number;
  readonly WebSocket?: typeof WebSocket;
  readonly random?: () => number;
}

type Phase =
  | "idle"
  | "waiting" // for the next try
  | "opening" // a token is asked for, or the handshake is under way
  | "open"
  | "judging"; // a handshake failed, which tells a browser nothing: REST is asked why

export class Connection implements Live {
  readonly #url: string;
  readonly #credentials: Credentials;
  readonly #events: Events;
  readonly #held: () => Figures;
  readonly #WebSocket: typeof WebSocket;
  readonly #backoff: Backoff;
  readonly #polling: Polling;

  #phase: Phase = "idle";
  /** Counts the phases, so that an answer which comes after its phase ended is dropped. */
  #turn = 0;
  #channel: Channel | null = null;
  #ways = new Ways();
  /** The one that is tried, or in use. */
  #way: Way = "socket";
  /** The token that opened the connection. */
  #token = "";
  /** The first frame since the subscription has come. */
  #fresh = false;
  readonly #heard = new Stopwatch();
  readonly #opened = new Stopwatch();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the next try is due, or the one under way began. */
  #due = 0;
  /** When figures were last found wrong. */
  #healed = Number.NEGATIVE_INFINITY;
  #offline = false;

  /** "until" is when the next poll is due; "failed": the last one was not answered. Null: there is no need to poll. */
  #polls: { until: number; failed: boolean } | null = null;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  /** What answers speaks another protocol: WebSockets are not tried again. */
  #incompatible = false;

  constructor(url: string, credentials: Credentials, events: Events, around: Surroundings) {
    this.#url = url;
    this.#credentials = credentials;
    this.#events = events;
    this.#held = around.held;
    this.#WebSocket = around.WebSocket ?? globalThis.WebSocket;
    this.#backoff = new Backoff(around.random);
    this.#polling = new Polling(new Rest(url, credentials), this.#held, around.serviceNow ?? Date.now);
  }

  start(): void {
    if (this.#phase !== "idle") return;
    this.#backoff.reset();
    void this.#try();
  }

  stop(): void {
    this.#enter("idle");
    this.#stopPolling();
    this.#ways = new Ways();
    this.#incompatible = false;
  }

  refresh(): void {
    if (this.#phase === "open" && this.#fresh) {
      this.#fresh = false;
      this.#channel?.subscribe(null);
      this.#tell();
    } else if (this.#phase === "open" || this.#phase === "waiting") {
      this.#incompatible = false;
      this.#tryNow();
      if (this.#polls !== null) void this.#poll();
    }
  }

  renew(token: string): void {
    // In every other phase the next handshake brings it.
    if (this.#phase === "open") this.#channel?.renew(token);
  }

  wake(): void {
    if (this.#phase === "open") this.#checkSilence();
    else if (this.#phase === "waiting" && Date.now() >= this.#due) this.#tryNow();
    if (this.#polls !== null && Date.now() >= this.#polls.until) void this.#poll();
  }

  online(): void {
    this.#offline = false;
    if (this.#phase === "waiting") this.#tryNow();
    else this.#tell();
  }

  /** The network is gone, or so the browser says: a service on this very machine is found again at the next try. */
  offline(): void {
    if (this.#phase === "idle") return;
    this.#offline = true;
    if (this.#phase === "open" || this.#phase === "opening") this.#retry();
    else this.#tell();
  }

  // Trying

  #tryNow(): void {
    this.#backoff.reset();
    void this.#try();
  }

  async #try(): Promise<void> {
    if (this.#incompatible) return;
    const turn = this.#enter("opening");
    this.#due = Date.now();
    this.#tell();
    let token: string | null;
    try {
      token = await this.#credentials.token();
    } catch {
      if (turn === this.#turn) this.#retry();
      return;
    }
    if (turn !== this.#turn) return;
    if (token === null) this.#signOut("missing");
    else this.#open(token);
  }

  #open(token: string): void {
    this.#token = token;
    this.#way = this.#ways.choose();
    this.#timer = setTimeout(() => void this.#judge(), OPEN_MS);
    const opening = { url: this.#url, token, position: () => this.#held().position };
    const listener: Listener = {
      opened: () => this.#begin(),
      said: (written) => this.#take(written),
      ended: (code, reason) => this.#ended(code, reason),
      foreign: (reason) => this.#stayAway(reason),
    };
    try {
      const isSocket = this.#way === "socket";
      this.#channel = isSocket ? new Socket(opening, listener, this.#WebSocket) : new Stream(opening, listener);
    } catch {
      // The page may open no WebSocket, or the token has characters that none has. REST tells them apart.
      void this.#judge();
    }
  }

  #begin(): void {
    this.#phase = "open";
    this.#opened.reset();
    this.#heard.reset();
    this.#tell();
    this.#checkSilence();
  }

  /** Try again after a drawn delay. */
  #retry(): void {
    if (this.#phase === "open") this.#backoff.lasted(this.#opened.ms);
    this.#wait(this.#backoff.next());
  }

  #wait(ms: number): void {
    this.#enter("waiting");
    this.#due = Date.now() + ms;
    this.#timer = setTimeout(() => void this.#try(), ms);
    this.#tell();
  }

  // Following

  #take(written: string): void {
    this.#heard.reset();
    try {
      const frame = parse(written);
      // The close that follows says what to do.
      if (frame.type === "error") return;
      // Before its first snapshot a panel holds nothing that could change.
      if (frame.type !== "snapshot" && this.#held().position === null) return;
      this.#fresh = true;
      this.#ways.passed(this.#way);
      this.#stopPolling();
      this.#events.frame(frame);
    } catch (error) {
      this.#stayAway(error instanceof Error ? error.message : "a frame cannot be read");
      return;
    }
    if (!this.#held().agrees) this.#heal();
    this.#tell();
  }

  /** Report figures that are not those of the service's digest, and take a snapshot. */
  #heal(): void {
    const { position } = this.#held();
    if (position === null || Date.now() - this.#healed < HEAL_MS) return;
    this.#healed = Date.now();
    console.error(`ConvoAI Analytics: the figures at ${position} were wrong; they are loaded anew`);
    this.#fresh = false;
    this.#channel?.disagree(position);
  }

  #checkSilence(): void {
    clearTimeout(this.#timer);
    const patience = silence(this.#held());
    const left = (this.#fresh ? patience : Math.min(patience, OPEN_MS)) - this.#heard.ms;
    if (left > 0) this.#timer = setTimeout(() => this.#checkSilence(), left);
    else this.#lost();
  }

  /** The connection is dead, or was cut. */
  #lost(): void {
    if (this.#fresh) this.#retry();
    // It brought nothing at all: a proxy that lets the handshake pass, but no frame, or gathers what is streamed.
    else void this.#judge();
  }

  #ended(code: number, reason: string): void {
    const hint = retryAfter(reason);
    switch (advice(code)) {
      case "retry-after":
        if (hint === null) this.#retry();
        else this.#wait(Math.min(hint, LONGEST_HINT_MS));
        return;
      case "backoff":
        this.#retry();
        return;
      case "lost":
        if (this.#phase === "open") this.#lost();
        else void this.#judge();
        return;
      case "stay-away":
        this.#stayAway("the service does not understand this panel");
        return;
      case "new-token":
        void this.#replaceToken();
        return;
      case "other-token":
        this.#signOut("not-allowed");
        return;
    }
  }

  /** The token expired: with another the connection goes on, else the person is signed out. */
  async #replaceToken(): Promise<void> {
    const served = this.#fresh;
    const turn = this.#enter("opening");
    this.#due = Date.now();
    this.#tell();
    const next = await this.#credentials.instead(this.#token).catch(() => undefined);
    if (turn !== this.#turn) return;
    if (next === null) this.#signOut("expired");
    // A source that gives nothing but expired tokens must not make this a tight loop.
    else if (next === undefined || !served) this.#retry();
    else void this.#try();
  }

  /** Ask REST why a handshake failed; what it answers is put to use. */
  async #judge(): Promise<void> {
    const turn = this.#enter("judging");
    this.#tell();
    const error = await this.#pollOnce(() => turn === this.#turn);
    if (turn !== this.#turn) return;
    if (error !== null) {
      this.#refused(error, () => this.#wait(this.#polls === null ? delay(error, this.#backoff.next()) : RETRY_MS));
    } else if ((await this.#credentials.token().catch(() => this.#token)) !== this.#token) {
      // REST was let in with a new token.
      if (turn === this.#turn) void this.#try();
    } else if (turn === this.#turn) {
      this.#detour();
    }
  }

  /** REST answers, but no frame comes by this way: go on to the next, or poll. */
  #detour(): void {
    this.#ways.failed(this.#way);
    const { left } = this.#ways;
    if (left === null) {
      this.#startPolling();
      this.#wait(RETRY_MS);
    } else if (left !== this.#way) void this.#try();
    else this.#wait(this.#polls === null ? this.#backoff.next() : RETRY_MS);
  }

  /** Follow what REST says to a token; anything else is for `otherwise`. */
  #refused(error: unknown, otherwise: () => void): void {
    const status = error instanceof RestError ? error.status : 0;
    if (status === 401) this.#signOut("expired");
    else if (status === 403) this.#signOut("not-allowed");
    else otherwise();
  }

  /** Coming back as it is would not help. Snapshots over REST need no protocol of frames. */
  #stayAway(reason: string): void {
    console.error(`ConvoAI Analytics: ${reason}; polling instead. Are page and service of the same version?`);
    this.#incompatible = true;
    this.#enter("waiting");
    this.#startPolling();
    void this.#poll();
  }

  #signOut(reason: SignedOut): void {
    this.stop();
    this.#events.status({ kind: "signed-out", reason });
  }

  // Polling

  #startPolling(): void {
    if (this.#polls !== null) return;
    this.#polls = { until: 0, failed: false };
    this.#planPoll(false);
  }

  #stopPolling(): void {
    clearTimeout(this.#pollTimer);
    this.#polls = null;
  }

  #planPoll(failed: boolean): void {
    clearTimeout(this.#pollTimer);
    this.#polls = { until: Date.now() + EVERY_SECONDS * 1000, failed };
    this.#pollTimer = setTimeout(() => void this.#poll(), EVERY_SECONDS * 1000);
    this.#tell();
  }

  async #poll(): Promise<void> {
    // Until it is answered, nothing else asks.
    const asked = { until: Number.POSITIVE_INFINITY, failed: this.#polls?.failed ?? false };
    this.#polls = asked;
    clearTimeout(this.#pollTimer);
    const error = await this.#pollOnce(() => this.#polls === asked);
    if (this.#polls !== asked) return;
    if (error === null) this.#planPoll(false);
    else this.#refused(error, () => this.#planPoll(true));
  }

  /** Take one snapshot, and hand it on if that is still `wanted`; gives what went wrong. */
  async #pollOnce(wanted: () => boolean): Promise<unknown> {
    try {
      const frame = await this.#polling.poll();
      if (wanted()) this.#events.frame(frame);
      return null;
    } catch (error) {
      return error;
    }
  }

  // Telling

  /** End the phase before, whatever it left behind. */
  #enter(phase: Phase): number {
    clearTimeout(this.#timer);
    this.#channel?.close();
    this.#channel = null;
    this.#phase = phase;
    this.#fresh = false;
    this.#turn += 1;
    return this.#turn;
  }

  #tell(): void {
    if (this.#phase !== "idle") this.#events.status(this.#status());
  }

  #status(): Status {
    const { at, position, staleSince } = this.#held();
    if (this.#fresh) return staleSince === null ? { kind: "live" } : { kind: "stale", since: staleSince };
    if (this.#polls !== null) {
      if (!this.#polls.failed) return { kind: "polling", every: EVERY_SECONDS };
      return { kind: "reconnecting", at: Math.min(this.#polls.until, Date.now() + EVERY_SECONDS * 1000) };
    }
    if (this.#phase === "open") return { kind: position === null ? "connecting" : "catching-up" };
    if (this.#offline && at !== null) return { kind: "stale", since: at };
    if (this.#phase === "waiting" || position !== null) return { kind: "reconnecting", at: this.#due };
    return { kind: "connecting" };
  }
}

function delay(error: unknown, drawn: number): number {
  const asked = error instanceof RestError ? (error.retryAfter ?? 0) : 0;
  return Math.max(drawn, Math.min(asked, LONGEST_HINT_MS));
}
