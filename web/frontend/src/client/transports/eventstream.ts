/**
 * The channel over an event stream, for networks that block WebSockets. Read by `fetch()`, since a browser's EventSource
 * cannot send a token. A stream has no way back: to say something, another one takes its place.
 */

import { type Channel, type Listener, LOST, type Opening } from "./channel";
import { EventParser, type ServerEvent } from "./eventstream-parser";
import { CLOSES, parse } from "../protocol";
import { endpoint, send } from "../rest";

const MEDIA_TYPE = "text/event-stream";
/** The code of a service that has no room, or is about to stop: 503 by HTTP. */
const OVER_CAPACITY = 1013;

export class Stream implements Channel {
  readonly #url: string;
  readonly #listener: Listener;
  #token: string;
  #position: string | null;
  #opened = false;
  #reading = new AbortController();

  constructor(opening: Opening, listener: Listener) {
    this.#url = endpoint(opening.url, "live");
    this.#listener = listener;
    this.#token = opening.token;
    this.#position = opening.position();
    void this.#open();
  }

  subscribe(position: string | null): void {
    this.#position = position;
    void this.#open();
  }

  disagree(position: string): void {
    this.#position = null;
    void this.#open(`?${new URLSearchParams({ disagree: position })}`);
  }

  renew(token: string): void {
    this.#token = token;
    void this.#open();
  }

  close(): void {
    this.#reading.abort();
  }

  /** Open a stream in place of the one before, and read it to its end. */
  async #open(query = ""): Promise<void> {
    this.#reading.abort();
    this.#reading = new AbortController();
    const { signal } = this.#reading;
    let end: End;
    try {
      end = await this.#read(query, signal);
    } catch {
      end = { code: LOST, reason: "" };
    }
    if (!signal.aborted) this.#listener.ended(end.code, end.reason);
  }

  async #read(query: string, signal: AbortSignal): Promise<End> {
    const resumed: Record<string, string> = this.#position === null ? {} : { "Last-Event-ID": this.#position };
    const response = await send(this.#url + query, this.#token, { Accept: MEDIA_TYPE, ...resumed }, signal);
    const end = { code: response.status === 503 ? OVER_CAPACITY : LOST, reason: "" };
    const isStream = response.ok && response.headers.get("Content-Type")?.startsWith(MEDIA_TYPE);
    if (signal.aborted || !isStream || response.body === null) return end;
    if (!this.#opened) this.#listener.opened();
    this.#opened = true;
    const [reader, decoder, parser] = [response.body.getReader(), new TextDecoder(), new EventParser()];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return end;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (signal.aborted) return end;
        Object.assign(end, this.#take(event));
      }
    }
  }

  /** Hand an event on; one that announces the end gives what ends it. */
  #take(event: ServerEvent): End | null {
    if (event.id !== "") this.#position = event.id;
    if (event.type !== "error") this.#listener.said(event.data);
    return event.type === "error" ? announced(event.data) : null;
  }
}

interface End {
  readonly code: number;
  readonly reason: string;
}

/** The close that an error frame stands for: with a WebSocket it would follow. */
function announced(written: string): End {
  const frame = parse(written);
  const close = frame.type === "error" ? CLOSES.find(({ name }) => name === frame.code) : undefined;
  return { code: close?.code ?? LOST, reason: frame.type === "error" ? frame.message : "" };
}
