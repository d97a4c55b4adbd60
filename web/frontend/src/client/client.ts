/**
 * The client of the service: live figures, how fresh they are, and REST. What elements talk to.
 *
 * It joins the parts: frames to the store, this tab to the others, tokens to their renewal, and the page's own events.
 */

import { Backoff, Seldom } from "./backoff";
import { Connection } from "./connection";
import type { Events, Live, Status } from "./live";
import { type Frame, SUBPROTOCOL } from "./protocol";
import { endpoint, Rest } from "./rest";
import { apply, EMPTY, type Figures } from "./store";
import { canShare, Tabs, VERSION } from "./tabs";
import { Credentials, identity, Renewal, type TokenSource } from "./auth/token";

export type { Figures, Status, TokenSource };

export interface ClientOptions {
  /** Where the service is, such as "https://analytics.example.com"; "" is this page's own origin. */
  readonly url: string;
  readonly token: TokenSource;
  /** Share one connection among all tabs of this origin that show the same figures. */
  readonly share?: boolean;
}

export class AnalyticsClient {
  readonly rest: Rest;
  readonly #url: string;
  readonly #share: boolean;
  readonly #credentials: Credentials;
  readonly #renewal: Renewal;
  readonly #backoff = new Backoff();
  readonly #clock = new ClockOffset();
  readonly #listeners = new Set<() => void>();

  #figures = EMPTY;
  #status: Status = { kind: "connecting" };
  #live: Live | null = null;
  /** Ends with `stop`: listeners of the page's events hang on it. */
  #running: AbortController | null = null;
  /** Counts the beginnings and ends of going live, so that a token which comes after its own ended opens nothing. */
  #turn = 0;
  /** The token source was replaced, and not asked since. */
  #isDoubted = false;
  readonly #doubts = new Seldom(() => void this.#askWhose());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isTold = true;

  constructor(options: ClientOptions) {
    this.#url = options.url;
    this.#share = options.share ?? true;
    this.#credentials = new Credentials(options.token);
    this.#credentials.onChange = (token, before) => this.#onToken(token, before);
    const expired = () => this.#signOut("expired");
    this.#renewal = new Renewal(this.#credentials, this.#serviceNow, expired, () => this.#clock.isSure);
    this.rest = new Rest(options.url, this.#credentials);
  }

  get figures(): Figures {
    return this.#figures;
  }

  get status(): Status {
    return this.#status;
  }

  /** The service's clock minus this machine's, in ms; 0 before the first frame. */
  get clockOffset(): number {
    return this.#clock.ms;
  }

  /** Connect, and stay connected. */
  start(): void {
    if (this.#running !== null) return;
    this.#running = new AbortController();
    this.#listenToPage(this.#running.signal);
    void this.#begin();
  }

  /** Give everything back: connection, lock, channel, timers. What is held stays, and `start` goes on from there. */
  stop(): void {
    this.#running?.abort();
    this.#running = null;
    this.#pause();
    this.#onStatus(this.#resting());
  }

  /** A person asks: reconnect now, or take a fresh snapshot. */
  refresh(): void {
    if (this.#live !== null) this.#live.refresh();
    else this.signIn();
  }

  /** The token source has a new token. */
  signIn(): void {
    this.#credentials.forget();
    this.#isDoubted = false;
    if (this.#running !== null) this.#beginAnew();
  }

  /**
   * The token source was replaced, be it by one for another person or, as some pages do at every render, by the same in a
   * new closure. It is asked whose token it gives, the more seldom the more often that happens; for the same person
   * nothing is seen of it.
   */
  sourceChanged(): void {
    if (this.#running === null) {
      // Nothing is asked before the next start; until then nobody knows whose figures these would be.
      this.#figures = EMPTY;
      this.#onStatus(this.#resting());
      this.signIn();
      return;
    }
    this.#isDoubted = true;
    // Else a token is being asked for, maybe still of the source before: `#goLive` comes back to it.
    if (this.#live !== null || this.#status.kind === "signed-out") this.#doubts.want();
  }

  /** Call `listener` after figures or status changed, at most once a frame of the screen; gives what ends that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #beginAnew(): void {
    this.#pause();
    this.#onStatus(this.#resting());
    this.#backoff.reset();
    void this.#begin();
  }

  /** Get a token, which says with whom to share, and go live. */
  async #begin(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    let token: string | null;
    try {
      token = await this.#credentials.token();
    } catch {
      // The source failed, not the person: ask it again.
      if (turn === this.#turn) this.#beginLater();
      return;
    }
    if (turn !== this.#turn) return;
    this.#backoff.reset();
    if (token === null) this.#signOut("missing");
    else this.#goLive(token);
  }

  #beginLater(): void {
    const ms = this.#backoff.next();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#begin(), ms);
    this.#onStatus({ kind: "reconnecting", at: Date.now() + ms });
  }

  #goLive(token: string): void {
    const held = () => this.#figures;
    const events = {
      frame: (frame: Frame) => this.#onFrame(frame),
      status: (status: Status) => this.#onStatus(status),
      figures: (figures: Figures) => this.#onFigures(figures),
    };
    const around = { held, serviceNow: this.#serviceNow };
    const connect = (told: Events) => new Connection(this.#url, this.#credentials, told, around);
    const whose = identity(token);
    // Without a name in the token, nobody can tell whose figures other tabs show.
    const shares = this.#share && whose !== null && canShare();
    this.#live = shares ? new Tabs(this.#group(whose), events, held, connect) : connect(events);
    this.#live.start();
    if (this.#isDoubted) this.#doubts.want();
  }

  /** Ask a source that was replaced. Live, `#onToken` sees to its answer. */
  async #askWhose(): Promise<void> {
    this.#isDoubted = false;
    const turn = this.#turn;
    let token: string | null;
    try {
      token = await this.#credentials.again();
    } catch {
      this.#isDoubted = true;
      if (turn === this.#turn) this.#doubts.want();
      return;
    }
    if (turn !== this.#turn) return;
    if (token !== null && this.#live === null) this.#beginAnew();
    else if (token === null && this.#live !== null) this.#signOut("missing");
  }

  /** The name under which tabs share: the same scripts, service, person and roles. */
  #group(whose: string): string {
    const address = new URL(endpoint(this.#url, ""), globalThis.location?.href).href;
    return `${VERSION} ${SUBPROTOCOL} ${address} ${whose}`;
  }

  #pause(): void {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#doubts.stop();
    this.#renewal.stop();
    this.#live?.stop();
    this.#live = null;
  }

  /** What is true of the figures while nothing is listened to. */
  #resting(): Status {
    const since = this.#figures.at;
    return since === null ? { kind: "connecting" } : { kind: "stale", since };
  }

  #signOut(reason: "missing" | "expired"): void {
    this.#onStatus({ kind: "signed-out", reason });
  }

  // What comes

  #onFrame(frame: Frame): void {
    this.#figures = apply(this.#figures, frame);
    if (frame.type !== "error" && this.#figures.staleSince === null) this.#clock.take(frame.at);
    // Only now is the service's clock known, by which tokens end.
    if (this.#credentials.held !== null) this.#renewal.watch(this.#credentials.held);
    this.#tell();
  }

  #onFigures(figures: Figures): void {
    this.#figures = figures;
    this.#tell();
  }

  #onStatus(status: Status): void {
    if (status.kind === "signed-out") {
      this.#pause();
      // Who signs in next may be another person.
      this.#figures = EMPTY;
    }
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.#tell();
  }

  #onToken(token: string, before: string | null): void {
    if (before !== null && identity(token) !== identity(before)) {
      // Another person, or other roles: nothing of the one before may stay on screen.
      this.#figures = EMPTY;
      this.#onStatus(this.#resting());
      if (this.#live === null) return;
      this.#pause();
      void this.#begin();
    } else if (this.#live !== null) {
      this.#live.renew(token);
      this.#renewal.watch(token);
    }
  }

  readonly #serviceNow = (): number => Date.now() + this.#clock.ms;

  // The page

  #listenToPage(signal: AbortSignal): void {
    const page = globalThis.window;
    if (page === undefined) return;
    const on = (target: EventTarget, name: string, act: () => void) => target.addEventListener(name, act, { signal });
    on(page, "online", () => this.#live?.online());
    on(page, "offline", () => this.#live?.offline());
    on(page.document, "visibilitychange", () => {
      if (page.document.visibilityState === "visible") this.#wake();
    });
    // A page that is put aside, to come back by a press of "back" or when its tab is thawed, gives up connection and lead.
    on(page, "pagehide", () => this.#sleep());
    on(page, "pageshow", () => this.#resume());
    on(page.document, "freeze", () => this.#sleep());
    on(page.document, "resume", () => this.#resume());
  }

  #sleep(): void {
    if (this.#live === null) return;
    this.#live.stop();
    this.#onStatus(this.#resting());
  }

  #resume(): void {
    this.#live?.start();
    this.#wake();
  }

  #wake(): void {
    this.#live?.wake();
    this.#renewal.check();
  }

  /** Tell listeners once for all that changed since the screen was last drawn; a hidden page is told when it is shown. */
  #tell(): void {
    if (!this.#isTold) return;
    this.#isTold = false;
    const tell = () => {
      this.#isTold = true;
      for (const listener of [...this.#listeners]) listener();
    };
    if (typeof requestAnimationFrame === "function") requestAnimationFrame(tell);
    else queueMicrotask(tell);
  }
}

/** How many frames an estimate of the clock is made of. */
const SAMPLES = 8;
/** This machine's clock was set, or the machine slept, if it moved so far against one that only counts. */
const LEAP_MS = 2000;

/** How far the service's clock is ahead. Frames come late, never early: the largest of some differences is nearest. */
export class ClockOffset {
  #samples: number[] = [];
  #ahead = 0;

  /** Note a frame that says it was right `at` that time, and has just come. */
  take(at: string): void {
    if (!this.isSure) this.#samples = [];
    this.#ahead = aheadOfSteady();
    this.#samples = [...this.#samples.slice(1 - SAMPLES), Date.parse(at) - Date.now()];
  }

  get ms(): number {
    return this.#samples.length === 0 ? 0 : Math.max(...this.#samples);
  }

  /** Whether a frame has come, and this machine's clock made no leap since. */
  get isSure(): boolean {
    return this.#samples.length > 0 && Math.abs(aheadOfSteady() - this.#ahead) < LEAP_MS;
  }
}

function aheadOfSteady(): number {
  return Date.now() - performance.now();
}
