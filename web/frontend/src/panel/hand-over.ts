/**
 * Hands the reader of a panel over to the dashboard, whose origin is another one: by a code that opens a session there once,
 * within 30 seconds. For as long as the page has newer tokens of that reader, the session is renewed.
 */

import { Credentials, type TokenSource } from "../client/auth/credentials";
import { Renewal } from "../client/auth/renewal";
import { Rest, RestError } from "../client/rest";

/** How long the window of the dashboard waits for a code, in ms. */
const TIMEOUT_MS = 5000;

export class HandOver {
  readonly #service: string;
  readonly #rest: Rest;
  readonly #renewal: Renewal;
  /** The codes of the sessions that are renewed. */
  readonly #codes = new Set<string>();

  constructor(service: string, source: TokenSource) {
    const credentials = new Credentials(source);
    this.#service = service;
    this.#rest = new Rest(service, credentials);
    this.#renewal = new Renewal(credentials, Date.now, () => {});
    credentials.onChange = (token) => {
      this.#renewal.watch(token);
      for (const code of [...this.#codes]) void this.#renew(code);
    };
  }

  /** Open the dashboard in a new tab, signed in as this reader; without a code its page asks for a token. */
  async open(): Promise<void> {
    // At once: a window that is opened after an answer, browsers take for one that nobody asked for.
    const tab = window.open("about:blank", "_blank");
    if (tab === null) return;
    const fragment = await this.#code().then(
      (code) => `#code=${code}`,
      () => "",
    );
    tab.opener = null;
    tab.location.replace(`${this.#service}/analytics${fragment}`);
  }

  /** Renew nothing any more. */
  stop(): void {
    this.#renewal.stop();
    this.#codes.clear();
  }

  async #code(): Promise<string> {
    const response = await this.#post("session/codes");
    const { code } = await response.json();
    this.#codes.add(code);
    return code;
  }

  async #renew(code: string): Promise<void> {
    try {
      await this.#post("session/renewals", { code });
    } catch (error) {
      // Signed out there, or the page's reader is another one now.
      if (error instanceof RestError && error.status === 404) this.#codes.delete(code);
      if (this.#codes.size === 0) this.#renewal.stop();
    }
  }

  #post(path: string, body: object = {}): Promise<Response> {
    const headers = { "Content-Type": "application/json" };
    const options = { method: "POST", body: JSON.stringify(body) };
    return this.#rest.fetch(path, {}, headers, AbortSignal.timeout(TIMEOUT_MS), options);
  }
}
