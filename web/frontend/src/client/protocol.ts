/**
 * The live protocol `analytics.v1`: reading frames, writing messages. Pure, like `realtime/protocol.py`, from which
 * `catalogue.ts` has the frames and close codes; `docs/protocol.md` describes all of it.
 */

import { type Action, CLOSES, type Frame, TOPICS } from "./catalogue";

/** What to do after a close with `code`; null for a code that the protocol does not name: the connection was lost. */
export function actionAfter(code: number): Action | null {
  return CLOSES.find((close) => close.code === code)?.action ?? null;
}

/** The delay in milliseconds that a close reason such as "retry after 2.3 s" asks for; null if it asks for none. */
export function retryAfter(reason: string): number | null {
  const found = /retry after (\d+(?:\.\d+)?) s/.exec(reason);
  return found === null ? null : Number(found[1]) * 1000;
}

/** The service sent something that this protocol does not know; the message says what, without repeating data. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** Read a frame from JSON text. Unknown fields are allowed; anything else that is wrong throws {@link ProtocolError}. */
export function parse(text: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("a frame is not JSON");
  }
  return checkFrame(value);
}

/** Check that a decoded value is a frame, as {@link parse} does. */
export function checkFrame(value: unknown): Frame {
  check(isObject(value), "a frame is not an object");
  const type = String(value.type);
  check(Object.hasOwn(CHECKS, type), `unknown frame type ${JSON.stringify(type.slice(0, 40))}`);
  for (const [field, isValid] of Object.entries(CHECKS[type as Frame["type"]]))
    check(isValid(value[field]), `invalid field ${field}`);
  return value as unknown as Frame;
}

/** Write the subscription to all topics, from `position` on (null: from a snapshot on). */
export function subscribe(position: string | null): string {
  return JSON.stringify({ type: "subscribe", topics: TOPICS, position });
}

/** Write the report that the figures held at `position` do not have the digest of a heartbeat. */
export function disagree(position: string): string {
  return JSON.stringify({ type: "disagree", position });
}

/** Write the message that brings a new token of the same subject and tenant. */
export function refresh(token: string): string {
  return JSON.stringify({ type: "refresh", token });
}

type Check = (value: unknown) => boolean;
/** A check for each field of a frame. */
type Checks<F extends Frame> = { readonly [field in keyof Required<Omit<F, "type">>]: Check };

const isText: Check = (value) => typeof value === "string";
const isTime: Check = (value) => typeof value === "string" && !Number.isNaN(Date.parse(value));
const isPositive: Check = (value) => typeof value === "number" && value > 0;
const isListOrAbsent: Check = (value) => value === undefined || (Array.isArray(value) && value.every(isObject));
const isObjectOrAbsent: Check = (value) => value === undefined || isObject(value);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function check(isValid: boolean, message: string): asserts isValid {
  if (!isValid) throw new ProtocolError(message);
}

const TOPIC_CHECKS = {
  summary: isObjectOrAbsent,
  activities: isListOrAbsent,
  top_users: isListOrAbsent,
  series: isListOrAbsent,
  alerts: isObjectOrAbsent,
  breakdown: isObjectOrAbsent,
};

const CHECKS: { readonly [type in Frame["type"]]: Checks<Extract<Frame, { type: type }>> } = {
  snapshot: { position: isText, at: isTime, heartbeat_seconds: isPositive, ...TOPIC_CHECKS },
  delta: {
    position: isText,
    at: isTime,
    heartbeat_seconds: (value) => value === undefined || isPositive(value),
    ...TOPIC_CHECKS,
  },
  heartbeat: {
    position: isText,
    at: isTime,
    stale_since: (value) => value === null || isTime(value),
    digest: (value) => value === undefined || value === null || isText(value),
  },
  error: { code: isText, message: isText },
};
