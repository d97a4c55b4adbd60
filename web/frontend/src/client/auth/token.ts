/**
 * Tokens: where they come from, what they say, when to ask for the next. A token is a secret: it stays in its tab, and
 * reaches neither logs, errors nor URLs.
 */

import { Backoff } from "../backoff";

/**
 * Gives a token, or null if there is none, which signs the person out; asked again whenever a new one is needed. One that
 * fails (throws, rejects) says nothing of the person, and is asked again later.
 */
export type TokenSource = () => string | null | Promise<string | null>;

/** What a token says of itself. Read for display and timing only: verifying it is the service's business. */
export interface Claims {
  readonly subject: string | null;
  readonly tenant: string;
  readonly roles: readonly unknown[];
  /** When it ends, in ms since 1970; null if it does not say. */
  readonly expires: number | null;
}

/** Read a JWT's claims without verifying them; null if it is no JWT. */
export function claims(token: string): Claims | null {
  try {
    const { sub, tenant, roles, exp } = JSON.parse(decoded(token.split(".")[1] ?? ""));
    return {
      subject: typeof sub === "string" ? sub : null,
      tenant: typeof tenant === "string" ? tenant : "default",
      roles: Array.isArray(roles) ? roles : [],
      expires: typeof exp === "number" ? exp * 1000 : null,
    };
  } catch {
    return null;
  }
}

function decoded(base64url: string): string {
  const bytes = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}

/** Whether it can be a JWT at all; anything else can be neither a header's value nor the name of a subprotocol. */
export function isSound(token: string): boolean {
  return /^[\w.-]+$/.test(token);
}

/**
 * Whose figures a token opens, and by which roles; null if it does not say whose. Only tabs for which it is the same
 * share a connection: one whose token lost a role is let in, or not, by the service.
 */
export function identity(token: string): string | null {
  const read = claims(token);
  if (read === null || read.subject === null) return null;
  const roles = read.roles.filter((role) => typeof role === "string").sort();
  return JSON.stringify([read.tenant, read.subject, roles]);
}

const KEY = "convoai-analytics.token";

/** The source of a page that stands alone: the token kept in this tab's storage. */
export const storedToken = (): string | null => {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
};

/** Keep a token that a person pasted, with or without "Bearer " before it; says whether there was one. */
export function storeToken(pasted: string): boolean {
  const token = pasted.trim().replace(/^bearer\s+/i, "");
  if (token === "") return false;
  kept = token;
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // No storage, as in a sandboxed frame: it lasts as long as the page.
  }
  return true;
}

/** Forget the stored token. */
export function forgetToken(): void {
  kept = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // There was no storage to keep it.
  }
}

let kept: string | null = null;

/** Holds the token in use, so that its source is asked only when another is needed. */
export class Credentials {
  /** Told of every new token, with the one before it. */
  onChange: (token: string, before: string | null) => void = () => {};
  readonly #source: TokenSource;
  #held: string | null = null;
  #last: string | null = null;
  #asking: Promise<string | null> | null = null;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** The token in use; null: the source is to be asked. */
  get held(): string | null {
    return this.#held;
  }

  /** The token in use, or what the source gives; null: there is none. Rejects as the source does. */
  async token(): Promise<string | null> {
    return this.#held ?? (await this.#ask());
  }

  /** A token other than `spent`; null if the source has none. Rejects as the source does. */
  async instead(spent: string): Promise<string | null> {
    if (this.#held !== null && this.#held !== spent) return this.#held;
    const token = await this.#ask();
    return token === spent ? null : token;
  }

  /** What the source gives now; the token in use stays until it answers. Rejects as the source does. */
  async again(): Promise<string | null> {
    // An answer that is on its way may be of a source that was replaced since.
    await this.#asking?.catch(() => null);
    return this.#ask();
  }

  /** The source has another: ask it the next time. */
  forget(): void {
    this.#held = null;
    this.#asking = null;
  }

  /** However many ask at a time, the source is asked once. */
  #ask(): Promise<string | null> {
    if (this.#asking === null) {
      const asking = this.#askSource().then((token) => {
        // Else it was forgotten while it was on its way.
        if (this.#asking === asking) this.#take(token);
        return token;
      });
      const done = () => {
        if (this.#asking === asking) this.#asking = null;
      };
      asking.then(done, done);
      this.#asking = asking;
    }
    return this.#asking;
  }

  async #askSource(): Promise<string | null> {
    return (await this.#source()) || null;
  }

  #take(token: string | null): void {
    const before = this.#last;
    this.#held = token;
    if (token === null || token === before) return;
    this.#last = token;
    this.onChange(token, before);
  }
}

/** A browser's timer holds no more ms; it would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A source without another token is not asked more often. */
const SHORTEST_MS = 1000;

/** Gets the next token in time: a service ends a connection to the second at which its token ends. */
export class Renewal {
  readonly #credentials: Credentials;
  readonly #serviceNow: () => number;
  readonly #ended: () => void;
  readonly #isSure: () => boolean;
  readonly #backoff = new Backoff();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #token: string | null = null;
  #due = 0;
  #ends = 0;

  /**
   * `serviceNow` is the service's clock in ms, by which tokens end; `ended` is called if the source had no other token in
   * time. Not, however, while that clock is not sure.
   */
  constructor(
    credentials: Credentials,
    serviceNow: () => number,
    ended: () => void,
    isSure: () => boolean = () => true,
  ) {
    this.#credentials = credentials;
    this.#serviceNow = serviceNow;
    this.#ended = ended;
    this.#isSure = isSure;
  }

  /** Watch over `token`, instead of any before it. */
  watch(token: string): void {
    if (token === this.#token) return;
    this.stop();
    this.#token = token;
    this.#ends = claims(token)?.expires ?? Number.POSITIVE_INFINITY;
    this.#backoff.reset();
    this.#plan();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#token = null;
  }

  /** The machine may have slept: look at the clock. */
  check(): void {
    if (this.#token === null) return;
    clearTimeout(this.#timer);
    const left = this.#due - this.#serviceNow();
    if (left > 0) this.#timer = setTimeout(() => this.check(), Math.min(left, LONGEST_TIMER_MS));
    else void this.#renew(this.#token);
  }

  #plan(): void {
    const now = this.#serviceNow();
    this.#due = now + renewAfter(this.#ends - now);
    this.check();
  }

  async #renew(token: string): Promise<void> {
    // Whoever takes the new one says so through `Credentials.onChange`, which leads back to `watch`.
    const next = await this.#credentials.instead(token).catch(() => undefined);
    if (token !== this.#token || typeof next === "string") return;
    // The source failed, not the person: after a sleep the network may not be up yet.
    if (next === undefined) this.#retry();
    else if (this.#serviceNow() < this.#ends) this.#plan();
    else if (!this.#isSure()) this.#retry();
    else {
      this.stop();
      this.#ended();
    }
  }

  /** Ask again in a while, whatever the service's clock will say by then. */
  #retry(): void {
    this.#due = Number.NEGATIVE_INFINITY;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.check(), Math.max(SHORTEST_MS, this.#backoff.next()));
  }
}

/**
 * After how many of the ms that a token has left its successor is asked for: at 80 %, 30 s before the end, or half-way
 * for one that is shorter still, whichever is first; at least a second, so that a source without one is not pestered.
 */
export function renewAfter(left: number): number {
  return Math.max(SHORTEST_MS, Math.min(left * 0.8, Math.max(left - 30_000, left / 2)));
}
