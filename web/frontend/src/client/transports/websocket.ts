/** The channel over a WebSocket, which is tried first. */

import { type Credential, subprotocolsOf } from "../auth/credential";
import { SUBPROTOCOL } from "../catalogue";
import { disagree, refresh, subscribe } from "../protocol";
import { endpoint } from "../rest";
import type { Channel, ChannelListener, ChannelOptions } from "./channel";

export class WebSocketChannel implements Channel {
  readonly #socket: WebSocket;

  /** Throws what the browser throws if the page may not open a WebSocket, or the token has characters that are not allowed. */
  constructor(options: ChannelOptions, listener: ChannelListener, Implementation: typeof WebSocket) {
    const socket = new Implementation(liveUrl(options.url), [SUBPROTOCOL, ...subprotocolsOf(options.credential)]);
    this.#socket = socket;
    socket.onopen = () => {
      if (socket.protocol !== SUBPROTOCOL) {
        listener.incompatible(`the server at this address does not speak ${SUBPROTOCOL}`);
        return;
      }
      this.subscribe(options.position());
      listener.opened();
    };
    socket.onmessage = (message) => listener.received(String(message.data));
    socket.onclose = (close) => listener.closed(close.code, close.reason);
  }

  subscribe(position: string | null): void {
    this.#socket.send(subscribe(position));
  }

  disagree(position: string): void {
    this.#socket.send(disagree(position));
    this.subscribe(null);
  }

  renew(credential: Credential): void {
    if (typeof credential === "string") this.#socket.send(refresh(credential));
  }

  close(): void {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }
}

/** The address of the live endpoint of the service at `url`. */
export function liveUrl(url: string): string {
  const address = new URL(endpoint(url, "live"), globalThis.location?.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}
