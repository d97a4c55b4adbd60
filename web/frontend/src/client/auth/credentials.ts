/** The credential in use, which is a token or a session, and the source that gives the next one. */

import { type Credential, isSame } from "./credential";

/**
 * Gives a token, or null if there is none, which signs the person out. Called whenever a new token is needed. If it throws
 * or rejects, the person stays signed in, and the source is called again later.
 */
export type TokenSource = () => string | null | Promise<string | null>;
/** As a {@link TokenSource}; also gives the session of this browser. */
export type CredentialSource = () => Credential | null | Promise<Credential | null>;

/** Holds the credential in use, so that its source is called only when another one is needed. */
export class Credentials {
  /** Called with each new credential and the one before it. */
  onChange: (credential: Credential, before: Credential | null) => void = () => {};
  readonly #source: CredentialSource;
  #current: Credential | null = null;
  #last: Credential | null = null;
  #pending: Promise<Credential | null> | null = null;

  constructor(source: CredentialSource) {
    this.#source = source;
  }

  /** The credential in use; null if the source has to be called. */
  get current(): Credential | null {
    return this.#current;
  }

  /** The credential in use, or the one that the source gives; null if there is none. Rejects when the source does. */
  async token(): Promise<Credential | null> {
    return this.#current ?? (await this.#load());
  }

  /** Get a credential other than `refused`; null if the source has none. Rejects when the source does. */
  async replacement(refused: Credential): Promise<Credential | null> {
    if (this.#current !== null && !isSame(this.#current, refused)) return this.#current;
    const credential = await this.#load();
    return isSame(credential, refused) ? null : credential;
  }

  /** Call the source now; the credential in use stays until it answers. Rejects when the source does. */
  async reload(): Promise<Credential | null> {
    // A call under way may be to a source that was replaced since.
    await this.#pending?.catch(() => null);
    return this.#load();
  }

  /** Drop the credential in use: the source is called the next time one is needed. */
  clear(): void {
    this.#current = null;
    this.#pending = null;
  }

  /** Call the source once, however many callers wait. */
  #load(): Promise<Credential | null> {
    if (this.#pending === null) {
      const pending = this.#callSource().then((credential) => {
        // Otherwise `clear` was called in the meantime.
        if (this.#pending === pending) this.#accept(credential);
        return credential;
      });
      const done = () => {
        if (this.#pending === pending) this.#pending = null;
      };
      pending.then(done, done);
      this.#pending = pending;
    }
    return this.#pending;
  }

  async #callSource(): Promise<Credential | null> {
    return (await this.#source()) || null;
  }

  #accept(credential: Credential | null): void {
    const before = this.#last;
    this.#current = credential;
    if (credential === null || isSame(credential, before)) return;
    this.#last = credential;
    this.onChange(credential, before);
  }
}
