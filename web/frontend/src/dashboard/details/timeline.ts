/** The messages of a conversation in their order, with the days on which they were written and the gaps between them. Pure. */

import type { Message } from "../../client/catalogue";

/** A gap is told from so many ms on. */
export const GAP_MS = 60_000;

export interface Entry {
  readonly message: Message;
  /** Whether the message is the first one of its day, in the browser's zone. */
  readonly isFirstOfDay: boolean;
  /** How long after the message before, in ms; null if that is shorter than a minute, or there is none. */
  readonly gap: number | null;
  /** The response time as a part of the longest one, 0 to 1; null without one. */
  readonly share: number | null;
}

/** Make the timeline of messages, oldest first. */
export function timeline(messages: readonly Message[]): readonly Entry[] {
  const longest = Math.max(0, ...messages.map(({ response_time }) => response_time ?? 0));
  let before: number | null = null;
  return messages.map((message) => {
    const at = Date.parse(message.created_at);
    const passed: number | null = before === null ? null : at - before;
    const isFirstOfDay = before === null || midnight(before) !== midnight(at);
    before = at;
    return {
      message,
      isFirstOfDay,
      gap: passed !== null && passed >= GAP_MS ? passed : null,
      share: message.response_time === null || longest === 0 ? null : message.response_time / longest,
    };
  });
}

function midnight(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}
