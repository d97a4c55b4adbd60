/**
 * The channel over an event stream (server-sent events), for networks that block WebSockets. It uses `fetch()`, since a
 * browser's EventSource cannot send a token. Nothing can be sent over a stream: to send something, another one is opened.
 */

import type { Credential } from "../auth/credential";
import { CLOSES } from "../catalogue";
import { parse } from "../protocol";
import { endpoint, send } from "../rest";
import { ABNORMAL_CLOSURE, type Channel, type ChannelListener, type ChannelOptions } from "./channel";
import { EventStreamParser, type ServerEvent } from "./event-stream-parser";

const MEDIA_TYPE = "text/event-stream";
/** The close code that stands for 503 by HTTP: the service is full, or about to stop. */
const OVER_CAPACITY = 1013;

export class EventStreamChannel implements Channel {
  readonly #url: string;
  readonly #listener: ChannelListener;
  #credential: Credential;
  #position: string | null;
  #opened = false;
  #request = new AbortController();

  constructor(options: ChannelOptions, listener: ChannelListener) {
    this.#url = endpoint(options.url, "live");
    this.#listener = listener;
    this.#credential = options.credential;
    this.#position = options.position();
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

  renew(credential: Credential): void {
    this.#credential = credential;
    if (typeof credential === "string") void this.#open();
  }

  close(): void {
    this.#request.abort();
  }

  /** Open a stream in place of the one before, and read it to its end. */
  async #open(query = ""): Promise<void> {
    this.#request.abort();
    this.#request = new AbortController();
    const { signal } = this.#request;
    let close: StreamClose;
    try {
      close = await this.#read(query, signal);
    } catch {
      close = { code: ABNORMAL_CLOSURE, reason: "" };
    }
    if (!signal.aborted) this.#listener.closed(close.code, close.reason);
  }

  async #read(query: string, signal: AbortSignal): Promise<StreamClose> {
    const resume: Record<string, string> = this.#position === null ? {} : { "Last-Event-ID": this.#position };
    const response = await send(this.#url + query, this.#credential, { Accept: MEDIA_TYPE, ...resume }, signal);
    const close = { code: response.status === 503 ? OVER_CAPACITY : ABNORMAL_CLOSURE, reason: "" };
    const isStream = response.ok && response.headers.get("Content-Type")?.startsWith(MEDIA_TYPE);
    if (signal.aborted || !isStream || response.body === null) return close;
    if (!this.#opened) this.#listener.opened();
    this.#opened = true;
    const [reader, decoder, parser] = [response.body.getReader(), new TextDecoder(), new EventStreamParser()];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return close;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (signal.aborted) return close;
        Object.assign(close, this.#handle(event));
      }
    }
  }

  /** Pass an event on; an error event gives the close that follows. */
  #handle(event: ServerEvent): StreamClose | null {
    if (event.id !== "") this.#position = event.id;
    if (event.type !== "error") this.#listener.received(event.data);
    return event.type === "error" ? closeOf(event.data) : null;
  }
}

interface StreamClose {
  readonly code: number;
  readonly reason: string;
}

/** The close that an error frame stands for; over a WebSocket a close frame would follow. */
function closeOf(text: string): StreamClose {
  const frame = parse(text);
  const close = frame.type === "error" ? CLOSES.find(({ name }) => name === frame.code) : undefined;
  return { code: close?.code ?? ABNORMAL_CLOSURE, reason: frame.type === "error" ? frame.message : "" };
}
