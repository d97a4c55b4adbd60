/** Requests to the service's REST endpoints: JSON, pages of lists, CSV, and the service's error messages. */

import { type Credential, canBeSent, requestOf } from "./auth/credential";
import { type CredentialSource, Credentials } from "./auth/credentials";
import { API_PREFIX } from "./catalogue";

/** Query parameters; null and undefined are left out, lists are joined by commas. */
export type Params = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;

/** One page of a list; `next` is the cursor of the page after it, null on the last. */
export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
  readonly position: string;
}

/** The response was not a success. `status` is 0 if there was none: the service cannot be reached. */
export class RestError extends Error {
  override name = "RestError";

  constructor(
    readonly status: number,
    /** What is wrong, in the service's words; empty if it did not say. */
    readonly detail: string,
    /** The parameter at fault. */
    readonly field: string | null,
    /** After how many ms to try again; null if the service does not say. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail || (status === 0 ? "the service cannot be reached" : `the service answered ${status}`));
  }
}

/** The address of an endpoint of the service at `url`; "" is this page's origin. A path prefix is kept. */
export function endpoint(url: string, path: string): string {
  return url.replace(/\/+$/, "") + API_PREFIX + path;
}

export class Rest {
  readonly #url: string;
  readonly #credentials: Credentials;

  constructor(url: string, token: CredentialSource | Credentials) {
    this.#url = url;
    this.#credentials = token instanceof Credentials ? token : new Credentials(token);
  }

  /** Get JSON from a path such as "users/top"; throws {@link RestError}. */
  async get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
    const response = await this.fetch(path, params, {}, signal);
    return (await readBody(() => response.json())) as T;
  }

  /** Get one page of a list; throws {@link RestError}. */
  list<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Page<T>> {
    return this.get<Page<T>>(path, params, signal);
  }

  /**
   * Get all rows that the parameters select as CSV, with a byte-order mark, without which Excel does not read UTF-8; throws
   * {@link RestError}.
   */
  async csv(path: string, params: Params = {}): Promise<Blob> {
    const response = await this.fetch(path, { ...params, bom: 1 }, { Accept: "text/csv" });
    return readBody(() => response.blob());
  }

  /**
   * Change something: `body` is sent as JSON. The result is the JSON of the response, null if it has none; throws
   * {@link RestError}.
   */
  async change<T>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T | null> {
    const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
    const options = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await this.fetch(path, {}, headers, undefined, options);
    return response.status === 204 ? null : ((await readBody(() => response.json())) as T);
  }

  /** Send a request, and again with a new token if the first is refused; throws {@link RestError}. */
  async fetch(
    path: string,
    params: Params,
    headers: Record<string, string>,
    signal?: AbortSignal,
    options: RequestInit = {},
  ): Promise<Response> {
    const address = endpoint(this.#url, path) + query(params);
    const token = await this.#token();
    const first = await send(address, token, headers, signal, options);
    const renewed = first.status === 401 ? await fromSource(this.#credentials.replacement(token)) : null;
    const response = renewed === null ? first : await send(address, renewed, headers, signal, options);
    if (response.ok || response.status === 304) return response;
    throw await problem(response);
  }

  async #token(): Promise<Credential> {
    const token = await fromSource(this.#credentials.token());
    if (token === null) throw new RestError(401, "there is no token", null);
    return token;
  }
}

/** Send one request with this credential; throws {@link RestError} if there is no response. */
export async function send(
  address: string,
  credential: Credential,
  headers: Record<string, string>,
  signal?: AbortSignal | undefined,
  options: RequestInit = {},
): Promise<Response> {
  if (!canBeSent(credential)) throw new RestError(401, "this is not a token", null);
  const shown = requestOf(credential);
  return reply(address, {
    ...options,
    headers: { Accept: "application/json", ...headers, ...shown.headers },
    credentials: shown.credentials,
    signal: signal ?? null,
  });
}

/** Get the response to a request, whatever its status; throws {@link RestError} if there is none. */
export async function reply(address: string, options: RequestInit): Promise<Response> {
  try {
    // An admin's figures stay out of the browser's cache.
    return await fetch(address, { cache: "no-store", referrerPolicy: "no-referrer", ...options });
  } catch (error) {
    throw asRestError(error);
  }
}

/** Wait for the token source. If it fails, the error is not a 401, which would sign the person out. */
async function fromSource(token: Promise<Credential | null>): Promise<Credential | null> {
  try {
    return await token;
  } catch {
    throw new RestError(0, "no token can be had just now", null);
  }
}

function query(params: Params): string {
  const present = Object.entries(params).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(present.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

/** Read a body to its end. */
async function readBody<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw asRestError(error);
  }
}

/** Keep the error of an aborted request; any other failure means that the service cannot be reached. */
function asRestError(error: unknown): unknown {
  return error instanceof DOMException && error.name === "AbortError" ? error : new RestError(0, "", null);
}

/** Read a problem document (RFC 9457). Of any other body, such as a proxy's error page, only the status is used. */
export async function problem(response: Response): Promise<RestError> {
  const document = await response.json().catch(() => null);
  const seconds = Number(response.headers.get("Retry-After"));
  return new RestError(
    response.status,
    typeof document?.detail === "string" ? document.detail : "",
    typeof document?.field === "string" ? document.field : null,
    seconds > 0 ? seconds * 1000 : null,
  );
}
