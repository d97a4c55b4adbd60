/** The status of the figures as a text. Pure. */

import { HEARTBEAT_SECONDS } from "../client/catalogue";
import type { AnalyticsClient, Status } from "../client/client";
import { silenceLimit } from "../client/live";
import type { Figures } from "../client/store";
import { age, count, timeOfDay } from "./format";
import { text } from "./text";

export type Kind = Status["kind"];
export type Tone = "good" | "warn" | "bad" | "neutral";

/** Live figures are late, and their age is told, after so many heartbeats. */
const LATE_HEARTBEATS = 1.2;

export interface Freshness {
  readonly kind: Kind;
  readonly tone: Tone;
  /** The text on screen, which may change each second. */
  readonly text: string;
  /** What screen readers say when the kind changes, without seconds. */
  readonly spoken: string;
}

/**
 * The freshness of *figures* at *now* (this machine's clock, ms), with the service's clock *offset* ms ahead of it.
 *
 * Figures that the service has not confirmed for two and a half heartbeats are stale, even if the client's status is
 * "live".
 */
export function freshness(status: Status, figures: Figures, now: number, offset = 0): Freshness {
  const { at, staleSince } = figures;
  const words = text.status;
  const passed = at === null ? 0 : now + offset - Date.parse(at);
  const isLate = passed > LATE_HEARTBEATS * 1000 * (figures.heartbeatSeconds ?? HEARTBEAT_SECONDS);
  const isOverdue = passed > silenceLimit(figures);
  const stale = (since: string): Freshness => plain("stale", "bad", words.stale(timeOfDay(since)));

  switch (status.kind) {
    case "live":
      if (staleSince !== null) return stale(staleSince);
      if (at === null) return plain("catching-up", "warn", words.catchingUp);
      if (isOverdue) return stale(at);
      return {
        kind: "live",
        tone: "good",
        text: isLate ? words.late(age(passed)) : words.live,
        spoken: words.spoken.live,
      };
    case "polling":
      if (staleSince !== null) return stale(staleSince);
      if (at !== null && passed > silenceLimit({ ...figures, heartbeatSeconds: status.every })) return stale(at);
      return plain("polling", "warn", words.polling(count(status.every)));
    case "reconnecting": {
      const left = Math.ceil((status.at - now) / 1000);
      const trying = left > 0 ? words.reconnecting(count(left)) : words.reconnectingNow;
      const since = staleSince ?? (isOverdue ? at : null);
      const shown = since === null ? trying : words.staleToo(trying, timeOfDay(since));
      return {
        kind: "reconnecting",
        tone: since === null ? "warn" : "bad",
        text: shown,
        spoken: words.spoken.reconnecting,
      };
    }
    case "stale":
      return stale(status.since);
    case "catching-up":
      return plain("catching-up", "warn", words.catchingUp);
    case "connecting":
      if (at !== null) return plain("catching-up", "warn", words.catchingUp);
      return plain("connecting", "neutral", words.connecting);
    case "signed-out":
      return plain("signed-out", "bad", words.signedOut);
  }
}

/** The freshness of a client's figures now. */
export function currentFreshness({ status, figures, clockOffset }: AnalyticsClient): Freshness {
  return freshness(status, figures, Date.now(), clockOffset);
}

function plain(kind: Kind, tone: Tone, text: string): Freshness {
  return { kind, tone, text, spoken: text };
}
