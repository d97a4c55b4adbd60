/** The service's REST endpoints: JSON, pages of lists, CSV, and errors as the service words them. */

import { Credentials, isSound, type TokenSource } from "./auth/token";

export const PREFIX = "/api/v1/analytics/";

/** A query; null and undefined are left out, lists are joined by commas. */
export type Params = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;

/** One page of a list; `next` is the cursor of the page after it, null on the last. */
export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
  readonly position: string;
}

/** An answer that is not a success. `status` 0: there was none, the service cannot be reached. */
export class RestError extends Error {
  override name = "RestError";

  constructor(
    readonly status: number,
    /** What is wrong, in the service's words; empty if it had none. */
    readonly detail: string,
    /** The parameter at fault. */
    readonly field: string | null,
    /** After how many ms to come back, if the service says. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail || (status === 0 ? "the service cannot be reached" : `the service answered ${status}`));
  }
}

/** The address of an endpoint of the service at `url`: "" is this page's origin, a path prefix is kept. */
export function endpoint(url: string, path: string): string {
  return url.replace(/\/+$/, "") + PREFIX + path;
}

export class Rest {
  readonly #url: string;
  readonly #credentials: Credentials;

  constructor(url: string, token: TokenSource | Credentials) {
    this.#url = url;
    this.#credentials = token instanceof Credentials ? token : new Credentials(token);
  }

  /** Get what is at a path such as "users/top"; raises {@link RestError}. */
  async get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
    const response = await this.fetch(path, params, {}, signal);
    return (await whole(() => response.json())) as T;
  }

  /** Get one page of a list; raises {@link RestError}. */
  list<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Page<T>> {
    return this.get<Page<T>>(path, params, signal);
  }

  /** Get a list as CSV: all that the parameters select; raises {@link RestError}. */
  async csv(path: string, params: Params = {}): Promise<Blob> {
    const response = await this.fetch(path, params, { Accept: "text/csv" });
    return whole(() => response.blob());
  }

  /** Send one request, and once more with a new token if the first is refused; raises {@link RestError}. */
  async fetch(path: string, params: Params, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    const address = endpoint(this.#url, path) + query(params);
    const token = await this.#token();
    const answer = await send(address, token, headers, signal);
    const renewed = answer.status === 401 ? await had(this.#credentials.instead(token)) : null;
    const response = renewed === null ? answer : await send(address, renewed, headers, signal);
    if (response.ok || response.status === 304) return response;
    throw await problem(response);
  }

  async #token(): Promise<string> {
    const token = await had(this.#credentials.token());
    if (token === null) throw new RestError(401, "there is no token", null);
    return token;
  }
}

/** Ask once, with this token; raises {@link RestError} if there is no answer. */
export async function send(
  address: string,
  token: string,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<Response> {
  if (!isSound(token)) throw new RestError(401, "this is not a token", null);
  try {
    return await fetch(address, {
      headers: { Accept: "application/json", ...headers, Authorization: `Bearer ${token}` },
      // Figures of an admin stay out of the browser's cache; the token is all that identifies.
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: signal ?? null,
    });
  } catch (error) {
    throw unreached(error);
  }
}

/** What the token source gives; one that fails says nothing of the person, who stays signed in. */
async function had(token: Promise<string | null>): Promise<string | null> {
  try {
    return await token;
  } catch {
    throw new RestError(0, "no token can be had just now", null);
  }
}

function query(params: Params): string {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined);
  const written = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return written && `?${written}`;
}

/** Read a body to its end. */
async function whole<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw unreached(error);
  }
}

/** An aborted request stays an abort; what else fails is a service that cannot be reached. */
function unreached(error: unknown): unknown {
  return error instanceof DOMException && error.name === "AbortError" ? error : new RestError(0, "", null);
}

/** Read a problem document (RFC 9457); a proxy's error page is none, and leaves only its status. */
async function problem(response: Response): Promise<RestError> {
  const document = await response.json().catch(() => null);
  const seconds = Number(response.headers.get("Retry-After"));
  return new RestError(
    response.status,
    typeof document?.detail === "string" ? document.detail : "",
    typeof document?.field === "string" ? document.field : null,
    seconds > 0 ? seconds * 1000 : null,
  );
}
