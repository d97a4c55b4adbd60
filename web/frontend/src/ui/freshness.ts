/** How fresh the figures are, in words: what the status pill says. Pure. */

import type { Status } from "../client/client";
import { age, count, timeOfDay } from "./format";
import { silence } from "../client/live";
import type { Figures } from "../client/store";
import { text } from "./text";

export type Kind = Status["kind"];
export type Tone = "good" | "warn" | "bad" | "calm";

export interface Freshness {
  readonly kind: Kind;
  readonly tone: Tone;
  /** What is shown; it ticks. */
  readonly words: string;
  /** What is said aloud when the kind changes; it does not tick. */
  readonly said: string;
}

/**
 * Tell how fresh *figures* are at *now* (this machine's clock, ms), with the service's clock *offset* ms ahead of it.
 *
 * The client's word is not enough for "live": whatever it says, figures that the service has not confirmed for two and
 * a half heartbeats are called stale.
 */
export function freshness(status: Status, figures: Figures, now: number, offset = 0): Freshness {
  const { at, staleSince } = figures;
  const words = text.status;
  const passed = at === null ? 0 : now + offset - Date.parse(at);
  const isSilent = passed > silence(figures);
  const stale = (since: string): Freshness => plain("stale", "bad", words.stale(timeOfDay(since)));

  switch (status.kind) {
    case "live":
      if (staleSince !== null) return stale(staleSince);
      if (at === null) return plain("catching-up", "warn", words.catchingUp);
      if (isSilent) return stale(at);
      return { kind: "live", tone: "good", words: words.live(age(passed)), said: words.said.live };
    case "polling":
      if (staleSince !== null) return stale(staleSince);
      if (at !== null && passed > silence({ ...figures, heartbeatSeconds: status.every })) return stale(at);
      return plain("polling", "warn", words.polling(count(status.every)));
    case "reconnecting": {
      const left = Math.ceil((status.at - now) / 1000);
      const trying = left > 0 ? words.reconnecting(count(left)) : words.reconnectingNow;
      const since = staleSince ?? (isSilent ? at : null);
      const shown = since === null ? trying : words.staleToo(trying, timeOfDay(since));
      return {
        kind: "reconnecting",
        tone: since === null ? "warn" : "bad",
        words: shown,
        said: words.said.reconnecting,
      };
    }
    case "stale":
      return stale(status.since);
    case "catching-up":
      return plain("catching-up", "warn", words.catchingUp);
    case "connecting":
      if (at !== null) return plain("catching-up", "warn", words.catchingUp);
      return plain("connecting", "calm", words.connecting);
    case "signed-out":
      return plain("signed-out", "bad", words.signedOut);
  }
}

function plain(kind: Kind, tone: Tone, words: string): Freshness {
  return { kind, tone, words, said: words };
}
