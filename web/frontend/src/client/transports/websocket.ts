/** The channel over a WebSocket: the service's first choice. */

import type { Channel, Listener, Opening } from "./channel";
import { BEARER, disagree, refresh, SUBPROTOCOL, subscribe } from "../protocol";
import { endpoint } from "../rest";

export class Socket implements Channel {
  readonly #socket: WebSocket;

  /** Raises what the browser does if the page may open none, or the token has characters that none has. */
  constructor(opening: Opening, listener: Listener, Kind: typeof WebSocket) {
    const socket = new Kind(liveUrl(opening.url), [SUBPROTOCOL, BEARER + opening.token]);
    this.#socket = socket;
    socket.onopen = () => {
      if (socket.protocol !== SUBPROTOCOL) {
        listener.foreign(`what answers there does not speak ${SUBPROTOCOL}`);
        return;
      }
      this.subscribe(opening.position());
      listener.opened();
    };
    socket.onmessage = (message) => listener.said(String(message.data));
    socket.onclose = (close) => listener.ended(close.code, close.reason);
  }

  subscribe(position: string | null): void {
    this.#socket.send(subscribe(position));
  }

  disagree(position: string): void {
    this.#socket.send(disagree(position));
    this.subscribe(null);
  }

  renew(token: string): void {
    this.#socket.send(refresh(token));
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
