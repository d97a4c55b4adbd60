/**
 * One connection for all tabs that show the same figures. The tab that holds a Web Lock leads: it alone connects, and
 * hands each frame to the others over a BroadcastChannel. When it closes, the lock, and with it the lead, goes to the
 * next, which resumes at the position it holds.
 *
 * Frames are numbered, and one that does not follow the last makes a tab ask for the whole state, so each tab holds what
 * its leader holds. A leader that falls silent (its tab was frozen) leaves its followers stale; then one of them takes
 * the lock from it. No token is ever handed on.
 */

import { type Events, type Live, type Status, Stopwatch, silence } from "./live";
import type { Frame } from "./protocol";
import type { Figures } from "./store";

/**
 * Part of the name that tabs share, so that a tab with another script, as after an upgrade, shares nothing with this
 * one. Raise it with every change to what is said, or to the figures, which are handed on as they are.
 */
export const VERSION = "tabs.2";

/** How long an answer of the leader may take, and how far apart followers that give it up act. */
const ANSWER_MS = 3000;
/** How long the leader may say nothing while it is not connected: a handshake, a request and their timers. */
const TRYING_MS = 45_000;
/** How long while it polls: five polls, since timers of background tabs fire once a minute. */
const POLLING_MS = 150_000;

type Said =
  /** A tab came, or lost track: what is the state? */
  | { kind: "hello"; from: string }
  /** The leader's whole state: to one tab, or to all when it takes the lead. `count`: frames so far. */
  | { kind: "state"; term: string; to: string | null; count: number; figures: Figures; status: Status | null }
  | { kind: "frame"; term: string; count: number; frame: Frame }
  | { kind: "status"; term: string; status: Status }
  /** A person asks, in a tab that does not lead. */
  | { kind: "refresh" };

/** Told of all that a group of tabs brings. */
export interface GroupEvents extends Events {
  /** What the leader holds, in place of what was held. */
  figures(figures: Figures): void;
}

/** Whether this browser, in this page, has what tabs need to share. */
export function canShare(): boolean {
  return typeof BroadcastChannel === "function" && typeof globalThis.navigator?.locks?.request === "function";
}

export class Tabs implements Live {
  readonly #name: string;
  readonly #events: GroupEvents;
  readonly #held: () => Figures;
  readonly #connect: (events: Events) => Live;
  readonly #random: () => number;
  readonly #id = crypto.randomUUID();

  #channel: BroadcastChannel | null = null;
  /** Ends this tab's wish to lead. */
  #leave: AbortController | null = null;
  /** Set while this tab leads. */
  #live: Live | null = null;
  /** Names the lead that is followed, or held; null while none is known. */
  #term: string | null = null;
  #count = 0;
  #status: Status | null = null;
  /** A frame was missed: nothing counts before the whole state. */
  #lost = true;
  readonly #heard = new Stopwatch();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Tabs of one `name` share what the `connect` of their leader brings. */
  constructor(
    name: string,
    events: GroupEvents,
    held: () => Figures,
    connect: (events: Events) => Live,
    random: () => number = Math.random,
  ) {
    this.#name = name;
    this.#events = events;
    this.#held = held;
    this.#connect = connect;
    this.#random = random;
  }

  get leads(): boolean {
    return this.#live !== null;
  }

  start(): void {
    if (this.#channel !== null) return;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = (message: MessageEvent<Said>) => this.#hear(message.data);
    this.#stand();
    this.#ask();
  }

  stop(): void {
    this.#leave?.abort();
    this.#stepDown();
    this.#channel?.close();
    this.#channel = null;
    this.#forget();
    clearTimeout(this.#timer);
  }

  refresh(): void {
    if (this.#live !== null) this.#live.refresh();
    else this.#say({ kind: "refresh" });
  }

  renew(token: string): void {
    this.#live?.renew(token);
  }

  wake(): void {
    if (this.#live !== null) this.#live.wake();
    else if (this.#channel !== null) this.#checkSilence();
  }

  online(): void {
    this.#live?.online();
  }

  offline(): void {
    this.#live?.offline();
  }

  // Leading

  /** Wait in the queue for the lead, or take it from a leader that is silent. */
  #stand(steal = false): void {
    this.#leave?.abort();
    const leave = new AbortController();
    this.#leave = leave;
    const options: LockOptions = steal ? { steal } : { signal: leave.signal };
    const lead = () => (leave.signal.aborted ? undefined : this.#lead(leave.signal));
    navigator.locks.request(this.#name, options, lead).catch((error: unknown) => {
      if (leave.signal.aborted) return;
      // A page without an origin (a sandboxed frame) may hold no locks, and shares with nobody.
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        void this.#lead(leave.signal);
        return;
      }
      // Robbed of the lead: from now on this tab follows.
      this.#stepDown();
      this.#forget();
      this.#stand();
      this.#ask();
    });
  }

  /** Lead until `left`: the lock is held as long as the promise is open. */
  #lead(left: AbortSignal): Promise<void> {
    clearTimeout(this.#timer);
    this.#term = crypto.randomUUID();
    this.#count = 0;
    const live = this.#connect({
      frame: (frame) => this.#handOn(frame),
      status: (status) => this.#announce(status),
    });
    this.#live = live;
    live.start();
    this.#sayState(null);
    return new Promise((resolve) => {
      left.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #stepDown(): void {
    this.#live?.stop();
    this.#live = null;
  }

  #handOn(frame: Frame): void {
    this.#events.frame(frame);
    // An event may have made this tab leave.
    if (this.#live === null || this.#term === null) return;
    this.#count += 1;
    this.#say({ kind: "frame", term: this.#term, count: this.#count, frame });
  }

  #announce(status: Status): void {
    this.#status = status;
    // Another tab may have a token that is still good: signed out is each for itself.
    if (status.kind !== "signed-out" && this.#term !== null) this.#say({ kind: "status", term: this.#term, status });
    this.#events.status(status);
  }

  #sayState(to: string | null): void {
    if (this.#term === null) return;
    const [figures, status] = [this.#held(), this.#status];
    this.#say({ kind: "state", term: this.#term, to, count: this.#count, figures, status });
  }

  #say(said: Said): void {
    this.#channel?.postMessage(said);
  }

  // Following

  #hear(said: Said): void {
    if (this.#live !== null) {
      if (said.kind === "hello") {
        // Timers of a background tab are late: the answer must not call live what has gone silent.
        this.#live.wake();
        this.#sayState(said.from);
      } else if (said.kind === "refresh") this.#live.refresh();
      return;
    }
    if (said.kind === "state") this.#hearState(said);
    else if ((said.kind === "frame" || said.kind === "status") && said.term === this.#term) {
      if (said.kind === "frame") this.#hearFrame(said.frame, said.count);
      else this.#show(said.status);
    }
  }

  #hearState(state: Said & { kind: "state" }): void {
    if (state.to !== null && (state.to !== this.#id || !this.#lost)) return;
    this.#term = state.term;
    this.#count = state.count;
    this.#heard.reset();
    // A leader that has nothing yet takes nothing away: its first frame is a snapshot.
    this.#lost = state.figures.position === null;
    if (!this.#lost) this.#events.figures(state.figures);
    if (state.status !== null) this.#show(state.status);
    else this.#checkSilence();
  }

  #hearFrame(frame: Frame, count: number): void {
    const follows = !this.#lost && count === this.#count + 1;
    if (follows || frame.type === "snapshot") {
      this.#count = count;
      this.#lost = false;
      this.#heard.reset();
      this.#events.frame(frame);
    } else if (!this.#lost) {
      this.#ask();
    }
  }

  /**
   * Show what the leader says of its connection. Its "live" counts only while this tab holds what the leader holds: not
   * even as a sign of life, so that a tab which stays behind asks again.
   */
  #show(status: Status): void {
    if (this.#lost && status.kind === "live") return;
    this.#heard.reset();
    this.#status = status;
    this.#checkSilence();
    this.#events.status(status);
  }

  #ask(): void {
    this.#lost = true;
    this.#heard.reset();
    this.#say({ kind: "hello", from: this.#id });
    this.#checkSilence();
  }

  #forget(): void {
    this.#term = null;
    this.#status = null;
    this.#lost = true;
  }

  /** Look whether the leader speaks as often as it must, and again when its next word is due. */
  #checkSilence(): void {
    clearTimeout(this.#timer);
    if (this.#live !== null || this.#channel === null) return;
    const left = this.#patience() - this.#heard.ms;
    if (left > 0) this.#timer = setTimeout(() => this.#checkSilence(), left);
    else if (this.#status === null) this.#stand(true);
    else this.#doubt();
  }

  /** Nothing is heard: the figures are stale, and the leader has one more chance to answer. */
  #doubt(): void {
    const since = this.#held().at;
    this.#forget();
    this.#events.status(since === null ? { kind: "connecting" } : { kind: "stale", since });
    this.#ask();
  }

  #patience(): number {
    switch (this.#status?.kind) {
      case undefined:
        return ANSWER_MS * (1 + this.#random());
      case "live":
      case "stale":
        return silence(this.#held());
      case "polling":
        return POLLING_MS;
      case "reconnecting":
        return Math.max(0, (this.#status as Status & { kind: "reconnecting" }).at - Date.now()) + TRYING_MS;
      default:
        return TRYING_MS;
    }
  }
}
