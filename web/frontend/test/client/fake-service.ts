/** A service for tests of the client's logic, in the test's own time. (The real one is tested with a real browser.) */

import { vi } from "vitest";
import type { Frame, Snapshot } from "../../src/client/catalogue";

/** A token that ends at `expires` (ms); nobody here verifies it. */
export function token(expires: number, subject = "ada", tenant = "default", roles: unknown[] = ["admin"]): string {
  const encode = (value: object) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return `${encode({ alg: "HS256" })}.${encode({ sub: subject, tenant, exp: expires / 1000, roles })}.c2ln`;
}

/** A source of tokens, each of them new; `made` counts them. */
export class Mint {
  made = 0;
  readonly source = (): string => {
    this.made += 1;
    return `t${this.made}.a.b`;
  };
}

export function snapshot(sequence: number, more: Partial<Snapshot> = {}): Snapshot {
  const summary = {
    total_users: sequence,
    active_users_today: 0,
    total_conversations: 0,
    total_messages: 0,
    total_tokens: 0,
    avg_response_time: null,
    deleted_conversations: 0,
    total_activities: 0,
    total_api_calls: 0,
    total_api_errors: 0,
    avg_api_response_time: null,
    total_llm_calls: 0,
    failed_llm_calls: 0,
    total_input_tokens: 0,
    total_cached_input_tokens: 0,
    total_output_tokens: 0,
    total_reasoning_tokens: 0,
    total_cost: "0",
    unpriced_llm_calls: 0,
    total_unpriced_tokens: 0,
    avg_llm_response_time: null,
    avg_time_to_first_token: null,
    avg_tokens_per_second: null,
  };
  const at = new Date().toISOString();
  const lists = { activities: [], top_users: [], series: [] };
  return { type: "snapshot", position: `ab.${sequence}.0c`, at, heartbeat_seconds: 10, summary, ...lists, ...more };
}

export function heartbeat(sequence: number, staleSince: string | null = null): Frame {
  const at = staleSince ?? new Date().toISOString();
  return { type: "heartbeat", position: `ab.${sequence}.0c`, at, stale_since: staleSince };
}

export function delta(sequence: number, more: object = {}): Frame {
  return { type: "delta", position: `ab.${sequence}.0c`, at: new Date().toISOString(), ...more };
}

/** The browser's end of a connection; the test is the other end. */
export class Socket {
  protocol = "";
  readonly sent: { type: string; position?: string | null; token?: string; topics?: string[] }[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number; reason: string }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly offered: string[],
  ) {
    if (offered.some((name) => /\s/.test(name))) throw new SyntaxError("not a subprotocol");
  }

  get token(): string {
    return this.offered[1]?.replace("bearer.", "") ?? "";
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  accept(protocol = "analytics.v1"): this {
    this.protocol = protocol;
    this.onopen?.();
    return this;
  }

  push(frame: Frame | object): this {
    this.onmessage?.({ data: JSON.stringify(frame) });
    return this;
  }

  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}

/** All sockets that were opened, the newest last. */
export class Sockets {
  readonly all: Socket[] = [];
  readonly WebSocket: typeof WebSocket;

  constructor() {
    const { all } = this;
    this.WebSocket = class extends Socket {
      constructor(url: string, offered: string[]) {
        super(url, offered);
        all.push(this);
      }
    } as unknown as typeof WebSocket;
  }

  get last(): Socket {
    const socket = this.all.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }
}

export interface Request {
  readonly url: string;
  readonly init: RequestInit;
  readonly headers: Record<string, string>;
}

/** Answer each `fetch` of the code under test; gives what was asked. An answer of null: the network is gone. */
export function serve(answer: (request: Request) => Response | null): Request[] {
  const asked: Request[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const request = { url, init, headers: init.headers as Record<string, string> };
    asked.push(request);
    const response = answer(request);
    if (response === null) throw new TypeError("Failed to fetch");
    return response;
  });
  return asked;
}

/** The browser's end of an event stream; the test is the other end. */
export class EventStream {
  readonly response: Response;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;

  constructor(readonly request: Request) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    this.response = new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
  }

  async push(frame: Frame | object): Promise<void> {
    const { type, position } = frame as { type: string; position?: string };
    const id = position === undefined ? "" : `id: ${position}\n`;
    this.#controller?.enqueue(new TextEncoder().encode(`event: ${type}\n${id}data: ${JSON.stringify(frame)}\n\n`));
    await settle();
  }

  end(): void {
    this.#controller?.close();
  }
}

/** All event streams that were opened, the newest last. */
export class Streams {
  readonly all: EventStream[] = [];
  full = false;

  /** Answer a request for a stream; null: it is for something else. */
  answer(request: Request): Response | null {
    if (request.headers.Accept !== "text/event-stream") return null;
    if (this.full) return json({ detail: "full" }, 503, { "Retry-After": "3" });
    this.all.push(new EventStream(request));
    return this.last.response;
  }

  get last(): EventStream {
    const stream = this.all.at(-1);
    if (stream === undefined) throw new Error("no stream was opened");
    return stream;
  }
}

export function json(body: object, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

/** Let what is on its way arrive, without letting time pass. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}
