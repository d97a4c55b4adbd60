/**
 * The live protocol `analytics.v1`: frames, topics, close codes. Pure; mirrors `realtime/protocol.py`, and
 * `docs/protocol.md` tells it in full.
 */

export const SUBPROTOCOL = "analytics.v1";
/** A browser cannot set headers, so it offers its token as a second subprotocol with this prefix. */
export const BEARER = "bearer.";
export const TOPICS = ["summary", "activities", "top_users", "series"] as const;

export type Topic = (typeof TOPICS)[number];

/** The figures by name; null: nothing to take the mean of. A newer service may send more of them. */
export interface Summary {
  readonly total_users: number;
  readonly active_users_today: number;
  readonly total_conversations: number;
  readonly total_messages: number;
  readonly total_tokens: number;
  readonly avg_response_time: number | null;
  readonly total_activities: number;
  readonly total_api_calls: number;
  readonly total_api_errors: number;
  readonly avg_api_response_time: number | null;
}

export interface Activity {
  readonly id: number;
  readonly user_id: string;
  readonly username: string;
  readonly activity_type: string;
  readonly timestamp: string;
}

export interface TopUser {
  readonly user_id: string;
  readonly username: string;
  readonly activity_count: number;
}

/** What a minute can have added; `users` are new ones, `active_users` those first seen that day. */
export type Counter =
  | "activities"
  | "messages"
  | "tokens"
  | "responses"
  | "response_time_us"
  | "api_calls"
  | "api_errors"
  | "api_response_time_us"
  | "users"
  | "active_users"
  | "conversations";

/** Counted for each model; the empty name stands for all models beyond the service's bound. */
export type ModelCounter = `model_messages:${string}` | `model_tokens:${string}`;

/** One UTC minute that has events, and those of its counters that are not 0. */
export type Minute = { readonly start: string } & { readonly [name in Counter]?: number } & {
  readonly [name: ModelCounter]: number;
};

export interface Snapshot {
  readonly type: "snapshot";
  readonly position: string;
  readonly at: string;
  readonly heartbeat_seconds: number;
  readonly summary?: Summary;
  readonly activities?: readonly Activity[];
  readonly top_users?: readonly TopUser[];
  readonly series?: readonly Minute[];
}

export interface Delta {
  readonly type: "delta";
  readonly position: string;
  readonly at: string;
  /** Only on the first frame of a subscription. */
  readonly heartbeat_seconds?: number;
  readonly summary?: Partial<Summary>;
  readonly activities?: readonly Activity[];
  readonly top_users?: readonly TopUser[];
  readonly series?: readonly Minute[];
}

export interface Heartbeat {
  readonly type: "heartbeat";
  readonly position: string;
  readonly at: string;
  readonly stale_since: string | null;
  /** Of the summary at this position; null: it is not known. A poll that found nothing new has none. */
  readonly digest?: string | null;
}

export interface Failure {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
}

export type Frame = Snapshot | Delta | Heartbeat | Failure;

/** What to do after a close. */
export type Advice =
  | "retry-after" // reconnect after the delay in the close reason
  | "backoff" // reconnect with backoff, with the last position
  | "lost" // the same; the protocol does not name this code
  | "stay-away" // mend the client
  | "new-token" // get a new token, then reconnect
  | "other-token"; // this token may never

/** Why the service ends a connection; `name` is the code of the error frame before it. */
export interface Close {
  readonly code: number;
  readonly name: string;
  readonly advice: Advice;
}

export const CLOSES: readonly Close[] = [
  { code: 1012, name: "restarting", advice: "retry-after" },
  { code: 1013, name: "over_capacity", advice: "backoff" },
  { code: 4400, name: "bad_message", advice: "stay-away" },
  { code: 4401, name: "token_expired", advice: "new-token" },
  { code: 4403, name: "not_allowed", advice: "other-token" },
  { code: 4408, name: "too_slow", advice: "backoff" },
  { code: 4429, name: "too_many_messages", advice: "backoff" },
];

/** What to do after a close with `code`; any that the protocol does not name is a lost connection. */
export function advice(code: number): Advice {
  return CLOSES.find((close) => close.code === code)?.advice ?? "lost";
}

/** The delay in milliseconds that a close reason such as "retry after 2.3 s" asks for; null: none. */
export function retryAfter(reason: string): number | null {
  const found = /retry after (\d+(?:\.\d+)?) s/.exec(reason);
  return found === null ? null : Number(found[1]) * 1000;
}

/** The service said what this protocol does not know; the message says what, without repeating data. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** Read one frame. Unknown fields are left alone; anything else that is unknown raises {@link ProtocolError}. */
export function parse(written: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch {
    throw new ProtocolError("a frame is not JSON");
  }
  return frame(value);
}

/** Check that a decoded value is a frame, as {@link parse} does. */
export function frame(value: unknown): Frame {
  check(isObject(value), "a frame is not an object");
  const kind = String(value.type);
  check(Object.hasOwn(SHAPES, kind), `unknown frame type ${JSON.stringify(kind.slice(0, 40))}`);
  for (const [field, holds] of Object.entries(SHAPES[kind] ?? {})) check(holds(value[field]), `invalid field ${field}`);
  return value as unknown as Frame;
}

/** Write the subscription to all topics, from `position` on (null: from a snapshot on). */
export function subscribe(position: string | null): string {
  return JSON.stringify({ type: "subscribe", topics: TOPICS, position });
}

/** Write the report that the figures held at `position` are not those of a heartbeat's digest. */
export function disagree(position: string): string {
  return JSON.stringify({ type: "disagree", position });
}

/** Write the message that brings a new token of the same subject and tenant. */
export function refresh(token: string): string {
  return JSON.stringify({ type: "refresh", token });
}

type Holds = (value: unknown) => boolean;

const isText: Holds = (value) => typeof value === "string";
const isTime: Holds = (value) => typeof value === "string" && !Number.isNaN(Date.parse(value));
const isPositive: Holds = (value) => typeof value === "number" && value > 0;
const isListOrAbsent: Holds = (value) => value === undefined || (Array.isArray(value) && value.every(isObject));
const isObjectOrAbsent: Holds = (value) => value === undefined || isObject(value);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function check(holds: boolean, complaint: string): asserts holds {
  if (!holds) throw new ProtocolError(complaint);
}

const TOPIC_SHAPES: Record<Topic, Holds> = {
  summary: isObjectOrAbsent,
  activities: isListOrAbsent,
  top_users: isListOrAbsent,
  series: isListOrAbsent,
};

const SHAPES: Record<string, Record<string, Holds>> = {
  snapshot: { position: isText, at: isTime, heartbeat_seconds: isPositive, ...TOPIC_SHAPES },
  delta: {
    position: isText,
    at: isTime,
    heartbeat_seconds: (value) => value === undefined || isPositive(value),
    ...TOPIC_SHAPES,
  },
  heartbeat: {
    position: isText,
    at: isTime,
    stale_since: (value) => value === null || isTime(value),
    digest: (value) => value === undefined || value === null || isText(value),
  },
  error: { code: isText, message: isText },
};
