/**
 * The texts that panel and dashboard share; each has a text.ts of its own beside it. Parameters of functions are formatted
 * numbers and times. They are in English here, and in German in languages/german.ts: a test compares both.
 */

import type { Translation } from "./languages/translation";

export const english = {
  /** The figures that can be shown. */
  figures: {
    total_users: "Total users",
    active_users_today: "Active users today",
    total_conversations: "Total conversations",
    total_messages: "Total messages",
    total_tokens: "Total tokens",
    avg_response_time: "Average response time",
    total_activities: "Total activities",
    total_api_calls: "Total API calls",
    total_api_errors: "Failed API calls",
    avg_api_response_time: "Average API response time",
    total_llm_calls: "Total LLM calls",
    failed_llm_calls: "Failed LLM calls",
    total_input_tokens: "Input tokens",
    total_cached_input_tokens: "Cached input tokens",
    total_output_tokens: "Output tokens",
    total_reasoning_tokens: "Reasoning tokens",
    total_cost: "Total cost",
    unpriced_llm_calls: "Calls without a price",
    total_unpriced_tokens: "Tokens without a price",
    avg_llm_response_time: "Average LLM response time",
    avg_time_to_first_token: "Average time to first token",
  },
  status: {
    connecting: "Connecting",
    live: "Live",
    /** The figures are older than usual. */
    late: (age: string) => `Live · ${age}`,
    catchingUp: "Catching up",
    reconnecting: (seconds: string) => `Reconnecting in ${seconds} s`,
    reconnectingNow: "Reconnecting now",
    stale: (time: string) => `Stale since ${time}`,
    staleToo: (status: string, time: string) => `${status} · stale since ${time}`,
    polling: (seconds: string) => `Polling every ${seconds} s`,
    signedOut: "Signed out",
    /** What screen readers say when the status changes: without seconds. */
    spoken: { live: "Live", reconnecting: "Connection lost, reconnecting" },
  },
  age: {
    now: "now",
    old: (duration: string) => `${duration} old`,
  },
  change: {
    none: "Nothing to compare with yesterday at this time",
    new: "new",
    since: "vs yesterday",
    times: (factor: string) => `${factor} times that of yesterday at this time`,
    spokenNew: "new since yesterday at this time",
    same: "no change since yesterday at this time",
    up: (percent: string) => `up ${percent} since yesterday at this time`,
    down: (percent: string) => `down ${percent} since yesterday at this time`,
  },
  activityTypes: {
    login: "Logged in",
    logout: "Logged out",
    registration: "Registered",
    conversation_started: "Conversation started",
    conversation_ended: "Conversation ended",
    message_sent: "Message sent",
    api_call: "API call",
  } as Record<string, string>,
  hour: {
    lastHour: (most: string) => `Last hour, by the minute; at most ${most}`,
    lastHourEmpty: "Last hour, by the minute; nothing yet",
  },
  lists: {
    noActivities: "No activity yet.",
    noTopUsers: "Nobody has been active yet.",
    noActivitiesOfUsers: "No activities yet, such as logins. Messages and API calls are not listed here.",
    noTopUsersOfUsers: "No activities yet, such as logins. Messages and API calls do not count here.",
    rank: (rank: string) => `Rank ${rank}`,
    activityCount: {
      one: (count: string) => `${count} activity`,
      other: (count: string) => `${count} activities`,
    },
  },
} as const;

export type Text = Translation<typeof english>;

/** The texts in the language of the page. */
export let text: Text = english;

export function setText(translation: Text): void {
  text = translation;
}
