/** The interface of a connection that delivers frames, whatever its transport. A channel is used once. */

import type { Credential } from "../auth/credential";

export interface Channel {
  /** Subscribe from `position` on (null: from a snapshot on), instead of any subscription before. */
  subscribe(position: string | null): void;
  /** Report that the figures at `position` do not have the digest of the heartbeat, and subscribe from a snapshot on. */
  disagree(position: string): void;
  /** Continue with a new credential of the same subject and tenant. Of a session the service knows by itself. */
  renew(credential: Credential): void;
  /** Close the channel; its listener is not called any more. */
  close(): void;
}

/** Receives what a {@link Channel} delivers. */
export interface ChannelListener {
  /** The service accepted the connection; the first frame follows. */
  opened(): void;
  /** A frame arrived, as JSON text. */
  received(text: string): void;
  /** The connection ended, or never began; `code` and `reason` are those of a WebSocket's close. */
  closed(code: number, reason: string): void;
  /** The server at this address speaks another protocol. */
  incompatible(reason: string): void;
}

/** How a channel is opened; `position` is where to resume, read when it is needed. */
export interface ChannelOptions {
  readonly url: string;
  readonly credential: Credential;
  readonly position: () => string | null;
}

/** The close code of a connection that was lost without a close frame (RFC 6455). */
export const ABNORMAL_CLOSURE = 1006;
