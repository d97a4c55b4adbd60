/**
 * One connection for all tabs that show the same figures. The tab that holds a Web Lock is the leader: it alone connects,
 * and forwards each frame to the others over a BroadcastChannel. When it closes, the next tab gets the lock, becomes the
 * leader and resumes from the position it holds.
 *
 * Frames are numbered. A tab that misses one requests the whole state, so that each tab holds what its leader holds. If
 * the leader sends nothing (its tab was frozen), the figures of its followers become stale, and then one of them takes the
 * lock. Tokens are never sent to other tabs.
 */

import type { Credential } from "./auth/credential";
import type { Frame } from "./catalogue";
import { Stopwatch } from "./clock";
import { type LiveListener, type LiveSource, type Status, silenceLimit } from "./live";
import type { Figures } from "./store";

/**
 * Part of the name of lock and channel, so that tabs with another version of this script do not share with this one.
 * Increase it with every change to the messages, or to the figures, which are sent as they are.
 */
export const VERSION = "tabs.3";

/** How long an answer of the leader may take, and the span over which followers that give it up spread. */
const ANSWER_MS = 3000;
/** How long the leader may send nothing while it is not connected: the time for a handshake, a request and their timers. */
const CONNECTING_MS = 45_000;
/** How long while it polls: the time of five polls, since timers of background tabs fire once a minute. */
const POLLING_MS = 150_000;

type Message =
  /** A new tab, or one that missed a frame, requests the state. */
  | { kind: "hello"; from: string }
  /** The leader's whole state, for one tab, or for all (null) when it becomes the leader. `count`: frames so far. */
  | { kind: "state"; term: string; to: string | null; count: number; figures: Figures; status: Status | null }
  | { kind: "frame"; term: string; count: number; frame: Frame }
  | { kind: "status"; term: string; status: Status }
  /** A person asked for new figures in a tab that is not the leader. */
  | { kind: "refresh" }
  /** A tab that is not the leader is visible again. */
  | { kind: "shown" };

/** Receives what a shared connection delivers. */
export interface SharedListener extends LiveListener {
  /** The figures of the leader, which replace those of this tab. */
  figures(figures: Figures): void;
}

/** Whether this browser has what tabs need to share a connection, and allows it in this page. */
export function canShare(): boolean {
  return typeof BroadcastChannel === "function" && typeof globalThis.navigator?.locks?.request === "function";
}

export class SharedConnection implements LiveSource {
  readonly #name: string;
  readonly #listener: SharedListener;
  readonly #figures: () => Figures;
  readonly #connect: (listener: LiveListener) => LiveSource;
  readonly #random: () => number;
  readonly #id = crypto.randomUUID();

  #channel: BroadcastChannel | null = null;
  /** Ends this tab's request for the lock. */
  #lockRequest: AbortController | null = null;
  /** The connection while this tab is the leader; else null. */
  #source: LiveSource | null = null;
  /** The id of the current leadership, of this tab or another; null while it is unknown. */
  #term: string | null = null;
  #count = 0;
  #status: Status | null = null;
  /** Whether a frame was missed: then frames are ignored until the whole state arrives. */
  #isOutOfSync = true;
  readonly #sinceLastMessage = new Stopwatch();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Tabs with the same `name` share what the connection of their leader delivers; `connect` makes it. */
  constructor(
    name: string,
    listener: SharedListener,
    figures: () => Figures,
    connect: (listener: LiveListener) => LiveSource,
    random: () => number = Math.random,
  ) {
    this.#name = name;
    this.#listener = listener;
    this.#figures = figures;
    this.#connect = connect;
    this.#random = random;
  }

  get isLeader(): boolean {
    return this.#source !== null;
  }

  start(): void {
    if (this.#channel !== null) return;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = (event: MessageEvent<Message>) => this.#onMessage(event.data);
    this.#requestLock();
    this.#requestState();
  }

  stop(): void {
    this.#lockRequest?.abort();
    this.#stepDown();
    this.#channel?.close();
    this.#channel = null;
    this.#reset();
    clearTimeout(this.#timer);
  }

  refresh(): void {
    if (this.#source !== null) this.#source.refresh();
    else this.#send({ kind: "refresh" });
  }

  renew(credential: Credential): void {
    this.#source?.renew(credential);
  }

  wake(): void {
    if (this.#source !== null) this.#source.wake();
    else if (this.#channel !== null) this.#checkSilence();
  }

  shown(): void {
    if (this.#source !== null) {
      this.#source.shown();
      return;
    }
    this.wake();
    this.#send({ kind: "shown" });
  }

  online(): void {
    this.#source?.online();
  }

  offline(): void {
    this.#source?.offline();
  }

  // The leader

  /** Queue for the lock, or take it from a leader that sends nothing. */
  #requestLock(steal = false): void {
    this.#lockRequest?.abort();
    const request = new AbortController();
    this.#lockRequest = request;
    const options: LockOptions = steal ? { steal } : { signal: request.signal };
    const lead = () => (request.signal.aborted ? undefined : this.#lead(request.signal));
    navigator.locks.request(this.#name, options, lead).catch((error: unknown) => {
      if (request.signal.aborted) return;
      // A page without an origin (a sandboxed frame) may not hold locks, and shares with no other tab.
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        void this.#lead(request.signal);
        return;
      }
      // Another tab took the lock: from now on this tab is a follower.
      this.#stepDown();
      this.#reset();
      this.#requestLock();
      this.#requestState();
    });
  }

  /** Be the leader until `ended`: the lock is held until the promise resolves. */
  #lead(ended: AbortSignal): Promise<void> {
    clearTimeout(this.#timer);
    this.#term = crypto.randomUUID();
    this.#count = 0;
    const source = this.#connect({
      frame: (frame) => this.#forward(frame),
      status: (status) => this.#publishStatus(status),
    });
    this.#source = source;
    source.start();
    this.#sendState(null);
    return new Promise((resolve) => {
      ended.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #stepDown(): void {
    this.#source?.stop();
    this.#source = null;
  }

  #forward(frame: Frame): void {
    this.#listener.frame(frame);
    // The listener may have stopped this connection.
    if (this.#source === null || this.#term === null) return;
    this.#count += 1;
    this.#send({ kind: "frame", term: this.#term, count: this.#count, frame });
  }

  #publishStatus(status: Status): void {
    this.#status = status;
    // Another tab may have a token that is still valid, so the status "signed-out" is not shared.
    if (status.kind !== "signed-out" && this.#term !== null) this.#send({ kind: "status", term: this.#term, status });
    this.#listener.status(status);
  }

  #sendState(to: string | null): void {
    if (this.#term === null) return;
    const [figures, status] = [this.#figures(), this.#status];
    this.#send({ kind: "state", term: this.#term, to, count: this.#count, figures, status });
  }

  #send(message: Message): void {
    this.#channel?.postMessage(message);
  }

  // Followers

  #onMessage(message: Message): void {
    if (this.#source !== null) {
      if (message.kind === "hello") {
        // Timers of a background tab are late: check first, so that the answer is not "live" for a dead connection.
        this.#source.wake();
        this.#sendState(message.from);
      } else if (message.kind === "refresh") this.#source.refresh();
      else if (message.kind === "shown") this.#source.shown();
      return;
    }
    if (message.kind === "state") this.#onState(message);
    else if ((message.kind === "frame" || message.kind === "status") && message.term === this.#term) {
      if (message.kind === "frame") this.#onFrame(message.frame, message.count);
      else this.#onStatus(message.status);
    }
  }

  #onState(state: Message & { kind: "state" }): void {
    if (state.to !== null && (state.to !== this.#id || !this.#isOutOfSync)) return;
    this.#term = state.term;
    this.#count = state.count;
    this.#sinceLastMessage.reset();
    // A leader without figures does not replace those of this tab: its first frame is a snapshot.
    this.#isOutOfSync = state.figures.position === null;
    if (!this.#isOutOfSync) this.#listener.figures(state.figures);
    if (state.status !== null) this.#onStatus(state.status);
    else this.#checkSilence();
  }

  #onFrame(frame: Frame, count: number): void {
    const follows = !this.#isOutOfSync && count === this.#count + 1;
    if (follows || frame.type === "snapshot") {
      this.#count = count;
      this.#isOutOfSync = false;
      this.#sinceLastMessage.reset();
      this.#listener.frame(frame);
    } else if (!this.#isOutOfSync) {
      this.#requestState();
    }
  }

  /**
   * Take over the leader's status. "live" is ignored while this tab is out of sync, and does not count as a sign of life,
   * so that the tab requests the state again.
   */
  #onStatus(status: Status): void {
    if (this.#isOutOfSync && status.kind === "live") return;
    this.#sinceLastMessage.reset();
    this.#status = status;
    this.#checkSilence();
    this.#listener.status(status);
  }

  #requestState(): void {
    this.#isOutOfSync = true;
    this.#sinceLastMessage.reset();
    this.#send({ kind: "hello", from: this.#id });
    this.#checkSilence();
  }

  #reset(): void {
    this.#term = null;
    this.#status = null;
    this.#isOutOfSync = true;
  }

  /** Check whether the leader's next message is overdue, and check again when it is due. */
  #checkSilence(): void {
    clearTimeout(this.#timer);
    if (this.#source !== null || this.#channel === null) return;
    const left = this.#silenceLimit() - this.#sinceLastMessage.ms;
    if (left > 0) this.#timer = setTimeout(() => this.#checkSilence(), left);
    else if (this.#status === null) this.#requestLock(true);
    else this.#suspectLeader();
  }

  /** The leader sends nothing: the figures are stale, and it is asked for the state once more. */
  #suspectLeader(): void {
    const since = this.#figures().at;
    this.#reset();
    this.#listener.status(since === null ? { kind: "connecting" } : { kind: "stale", since });
    this.#requestState();
  }

  #silenceLimit(): number {
    switch (this.#status?.kind) {
      case undefined:
        return ANSWER_MS * (1 + this.#random());
      case "live":
      case "stale":
        return silenceLimit(this.#figures());
      case "polling":
        return POLLING_MS;
      case "reconnecting":
        return Math.max(0, (this.#status as Status & { kind: "reconnecting" }).at - Date.now()) + CONNECTING_MS;
      default:
        return CONNECTING_MS;
    }
  }
}
