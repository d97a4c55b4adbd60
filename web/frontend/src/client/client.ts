/**
 * The client of the service, which elements use: live figures, their status, and REST requests.
 *
 * It connects the parts: the connection (shared with other tabs or not), the store, the renewal of tokens, and the events
 * of the page.
 */

import { type Credential, identityOf } from "./auth/credential";
import { type CredentialSource, Credentials, type TokenSource } from "./auth/credentials";
import { Renewal } from "./auth/renewal";
import { Backoff, Throttle } from "./backoff";
import { type Frame, SUBPROTOCOL } from "./catalogue";
import { ClockOffset } from "./clock";
import { Connection } from "./connection";
import type { LiveListener, LiveSource, Status } from "./live";
import { endpoint, Rest } from "./rest";
import { canShare, SharedConnection, VERSION } from "./shared-connection";
import { apply, EMPTY, type Figures } from "./store";

export type { Figures, Status, TokenSource };

export interface ClientOptions {
  /** The address of the service, such as "https://analytics.example.com"; "" is this page's own origin. */
  readonly url: string;
  readonly token: CredentialSource;
  /** Share one connection with all tabs of this origin that show the same figures. */
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
  #source: LiveSource | null = null;
  /** Set from `start` to `stop`; its signal removes the listeners of the page's events. */
  #running: AbortController | null = null;
  /** Counts the starts and pauses, so that a token that arrives after its start was ended opens no connection. */
  #startNumber = 0;
  /** Whether the token source was replaced, and has not been called since. */
  #isSourceNew = false;
  readonly #sourceCheck = new Throttle(() => void this.#checkSource());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #areListenersUpToDate = true;

  constructor(options: ClientOptions) {
    this.#url = options.url;
    this.#share = options.share ?? true;
    this.#credentials = new Credentials(options.token);
    this.#credentials.onChange = (token, before) => this.#onToken(token, before);
    const expired = () => this.#signOut("expired");
    this.#renewal = new Renewal(this.#credentials, this.#serviceNow, expired, () => this.#clock.isKnown);
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
    void this.#connect();
  }

  /** Release the connection, the lock, the channel and all timers. The figures stay, and `start` resumes from them. */
  stop(): void {
    this.#running?.abort();
    this.#running = null;
    this.#pause();
    this.#onStatus(this.#disconnectedStatus());
  }

  /** Reconnect now, or fetch a snapshot: a person asked for it. */
  refresh(): void {
    if (this.#source !== null) this.#source.refresh();
    else this.signIn();
  }

  /** The token source has a new token. */
  signIn(): void {
    this.#credentials.clear();
    this.#isSourceNew = false;
    if (this.#running !== null) this.#reconnect();
  }

  /**
   * The token source was replaced: by one of another person or, as some pages do at every render, by the same one in a new
   * closure. It is called to see whose token it gives, less often if this happens often. If the person is the same, nothing
   * on screen changes.
   */
  sourceChanged(): void {
    if (this.#running === null) {
      // The source is not called before the next start; until then it is unknown whose figures these would be.
      this.#figures = EMPTY;
      this.#onStatus(this.#disconnectedStatus());
      this.signIn();
      return;
    }
    this.#isSourceNew = true;
    // Otherwise a call is under way, maybe to the source before: `#goLive` checks again after it.
    if (this.#source !== null || this.#status.kind === "signed-out") this.#sourceCheck.request();
  }

  /** Call `listener` after figures or status change, at most once per animation frame. Returns a function that ends this. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #reconnect(): void {
    this.#pause();
    this.#onStatus(this.#disconnectedStatus());
    this.#backoff.reset();
    void this.#connect();
  }

  /** Get a token, which decides with which tabs to share, and connect. */
  async #connect(): Promise<void> {
    this.#startNumber += 1;
    const start = this.#startNumber;
    let token: Credential | null;
    try {
      token = await this.#credentials.token();
    } catch {
      // A source that fails does not sign out: it is called again later.
      if (start === this.#startNumber) this.#connectLater();
      return;
    }
    if (start !== this.#startNumber) return;
    this.#backoff.reset();
    if (token === null) this.#signOut("missing");
    else this.#goLive(token);
  }

  #connectLater(): void {
    const ms = this.#backoff.next();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), ms);
    this.#onStatus({ kind: "reconnecting", at: Date.now() + ms });
  }

  #goLive(token: Credential): void {
    const figures = () => this.#figures;
    const listener = {
      frame: (frame: Frame) => this.#onFrame(frame),
      status: (status: Status) => this.#onStatus(status),
      figures: (figures: Figures) => this.#onFigures(figures),
    };
    const options = { figures, serviceNow: this.#serviceNow };
    const connect = (target: LiveListener) => new Connection(this.#url, this.#credentials, target, options);
    const person = identityOf(token);
    // If the token names no subject, it is unknown whether other tabs show the same figures.
    const isShared = this.#share && person !== null && canShare();
    this.#source = isShared
      ? new SharedConnection(this.#shareName(person), listener, figures, connect)
      : connect(listener);
    this.#source.start();
    if (this.#isSourceNew) this.#sourceCheck.request();
  }

  /** Call a source that was replaced. While connected, `#onToken` handles the token. */
  async #checkSource(): Promise<void> {
    this.#isSourceNew = false;
    const start = this.#startNumber;
    let token: Credential | null;
    try {
      token = await this.#credentials.reload();
    } catch {
      this.#isSourceNew = true;
      if (start === this.#startNumber) this.#sourceCheck.request();
      return;
    }
    if (start !== this.#startNumber) return;
    if (token !== null && this.#source === null) this.#reconnect();
    else if (token === null && this.#source !== null) this.#signOut("missing");
  }

  /** The name of what tabs share: it is the same for the same scripts, service, person and roles. */
  #shareName(person: string): string {
    const address = new URL(endpoint(this.#url, ""), globalThis.location?.href).href;
    return `${VERSION} ${SUBPROTOCOL} ${address} ${person}`;
  }

  #pause(): void {
    this.#startNumber += 1;
    clearTimeout(this.#timer);
    this.#sourceCheck.cancel();
    this.#renewal.stop();
    this.#source?.stop();
    this.#source = null;
  }

  /** The status while there is no connection. */
  #disconnectedStatus(): Status {
    const since = this.#figures.at;
    return since === null ? { kind: "connecting" } : { kind: "stale", since };
  }

  #signOut(reason: "missing" | "expired"): void {
    this.#onStatus({ kind: "signed-out", reason });
  }

  // What the connection delivers

  #onFrame(frame: Frame): void {
    this.#figures = apply(this.#figures, frame);
    if (frame.type !== "error" && this.#figures.staleSince === null) this.#clock.add(frame.at);
    // The renewal needs the service's clock, which is known from the first frame on.
    if (this.#credentials.current !== null) this.#renewal.watch(this.#credentials.current);
    this.#notify();
  }

  #onFigures(figures: Figures): void {
    this.#figures = figures;
    this.#notify();
  }

  #onStatus(status: Status): void {
    if (status.kind === "signed-out") {
      this.#pause();
      // The next person who signs in may be another one.
      this.#figures = EMPTY;
    }
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.#notify();
  }

  #onToken(token: Credential, before: Credential | null): void {
    if (before !== null && identityOf(token) !== identityOf(before)) {
      // Another person, or other roles: no figures of the one before may stay on screen.
      this.#figures = EMPTY;
      this.#onStatus(this.#disconnectedStatus());
      if (this.#source === null) return;
      this.#pause();
      void this.#connect();
    } else if (this.#source !== null) {
      this.#source.renew(token);
      this.#renewal.watch(token);
    }
  }

  readonly #serviceNow = (): number => Date.now() + this.#clock.ms;

  // The page

  #listenToPage(signal: AbortSignal): void {
    const page = globalThis.window;
    if (page === undefined) return;
    const on = (target: EventTarget, name: string, listener: () => void) =>
      target.addEventListener(name, listener, { signal });
    on(page, "online", () => this.#source?.online());
    on(page, "offline", () => this.#source?.offline());
    on(page.document, "visibilitychange", () => {
      if (page.document.visibilityState !== "visible") return;
      this.#source?.shown();
      this.#renewal.check();
    });
    // A page in the back-forward cache, or in a frozen tab, releases the connection and the lock.
    on(page, "pagehide", () => this.#suspend());
    on(page, "pageshow", () => this.#resume());
    on(page.document, "freeze", () => this.#suspend());
    on(page.document, "resume", () => this.#resume());
  }

  #suspend(): void {
    if (this.#source === null) return;
    this.#source.stop();
    this.#onStatus(this.#disconnectedStatus());
  }

  #resume(): void {
    this.#source?.start();
    this.#wake();
  }

  #wake(): void {
    this.#source?.wake();
    this.#renewal.check();
  }

  /** Call the listeners once for all changes since the last animation frame; in a hidden page, when it is shown. */
  #notify(): void {
    if (!this.#areListenersUpToDate) return;
    this.#areListenersUpToDate = false;
    const notify = () => {
      this.#areListenersUpToDate = true;
      for (const listener of [...this.#listeners]) listener();
    };
    if (typeof requestAnimationFrame === "function") requestAnimationFrame(notify);
    else queueMicrotask(notify);
  }
}
