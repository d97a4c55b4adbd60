/** One connection over which frames come, by whatever transport; it is used once. */

export interface Channel {
  /** Ask for what changed since `position`, or for a snapshot (null), in place of what was asked before. */
  subscribe(position: string | null): void;
  /** Report that the figures at `position` are not those of a heartbeat's digest, and ask for a snapshot. */
  disagree(position: string): void;
  /** Go on with a token of the same subject and tenant. */
  renew(token: string): void;
  /** End it; nothing is told any more. */
  close(): void;
}

/** Told of all that a {@link Channel} brings. */
export interface Listener {
  /** The service took the panel in; the first frame is on its way. */
  opened(): void;
  /** A frame, as it is written. */
  said(written: string): void;
  /** It is over, or never began; `code` and `reason` are those of a WebSocket's close. */
  ended(code: number, reason: string): void;
  /** What answers there speaks another protocol. */
  foreign(reason: string): void;
}

/** What a channel is opened with; `position` is where to resume, asked for when it is needed. */
export interface Opening {
  readonly url: string;
  readonly token: string;
  readonly position: () => string | null;
}

/** The code of a connection that was lost without a word. */
export const LOST = 1006;
