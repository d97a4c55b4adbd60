/** What this front end knows of the service, written by `make catalogue` from Python: do not edit it here. */

/** The path under which every endpoint is. */
export const API_PREFIX = "/api/v1/analytics/";
/** The role that may read the figures, unless the service has another one for it. */
export const ADMIN_ROLE = "admin";
/** The WebSocket subprotocol of the live connection. */
export const SUBPROTOCOL = "analytics.v1";
/** A browser offers its token as a second subprotocol with this prefix. */
export const BEARER = "bearer.";
/** The default time between two heartbeats; the first frame tells the one in use. */
export const HEARTBEAT_SECONDS = 10;
/** How many activities the live state holds. */
export const RECENT_ACTIVITIES = 10;
/** How many users the live state ranks. */
export const TOP_USERS = 5;
/** How many minutes the live state holds. */
export const SERIES_MINUTES = 66;
/** How many rows a page of a list has, unless the request says. */
export const DEFAULT_LIMIT = 50;
/** How many rows a page of a list has at most. */
export const MAX_LIMIT = 1000;
/** What a client can subscribe to. */
export const TOPICS = ["summary", "activities", "top_users", "series", "alerts"] as const;
export type Topic = (typeof TOPICS)[number];
/** The lengths that a point of a series can have. */
export const INTERVALS = ["minute", "hour", "day"] as const;
export type Interval = (typeof INTERVALS)[number];

/** What is counted by minute, hour and day. */
export type Counter =
  | "activities"
  | "messages"
  | "tokens"
  | "responses"
  | "response_time_us"
  | "api_calls"
  | "api_errors"
  | "api_response_time_us"
  | "llm_calls"
  | "llm_errors"
  | "input_tokens"
  | "cached_input_tokens"
  | "cache_write_tokens"
  | "output_tokens"
  | "reasoning_tokens"
  | "unpriced_calls"
  | "unpriced_tokens"
  | "llm_responses"
  | "llm_response_time_us"
  | "first_tokens"
  | "time_to_first_token_us"
  | "timed_output_tokens"
  | "timed_output_us"
  | "users"
  | "active_users"
  | "conversations";

/** The same of money: decimal text of US dollars. */
export type MoneyCounter =
  | "llm_cost";

/** What is counted for each model; the empty name stands for all models beyond the service's bound. */
export type LabelledCounter = `model_messages:${string}` | `model_tokens:${string}`;

/** The counters of each figure: its own, or the sum in microseconds and the number of a mean. */
export const FIGURES = {
  total_users: ["users"],
  active_users_today: ["active_users"],
  total_conversations: ["conversations"],
  total_messages: ["messages"],
  total_tokens: ["tokens"],
  avg_response_time: ["response_time_us", "responses"],
  deleted_conversations: ["deleted_conversations"],
  total_activities: ["activities"],
  total_api_calls: ["api_calls"],
  total_api_errors: ["api_errors"],
  avg_api_response_time: ["api_response_time_us", "api_calls"],
  total_llm_calls: ["llm_calls"],
  failed_llm_calls: ["llm_errors"],
  total_input_tokens: ["input_tokens"],
  total_cached_input_tokens: ["cached_input_tokens"],
  total_output_tokens: ["output_tokens"],
  total_reasoning_tokens: ["reasoning_tokens"],
  total_cost: ["llm_cost"],
  unpriced_llm_calls: ["unpriced_calls"],
  total_unpriced_tokens: ["unpriced_tokens"],
  avg_llm_response_time: ["llm_response_time_us", "llm_responses"],
  avg_time_to_first_token: ["time_to_first_token_us", "first_tokens"],
  avg_tokens_per_second: ["timed_output_tokens", "timed_output_us"],
} as const;

/** What a breakdown can go by. */
export type Dimension =
  | "model"
  | "provider"
  | "user"
  | "conversation"
  | "endpoint"
  | "activity_type"
  | "role"
  | "finish_reason"
  | "error_type";

/** What can be broken down: its unit, the counter of its total, and by what, by day and by hour. */
export const BREAKDOWNS = {
  cost: { unit: "US dollars", counter: "llm_cost", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  llm_calls: { unit: "calls", counter: "llm_calls", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  llm_errors: { unit: "calls", counter: "llm_errors", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  input_tokens: { unit: "tokens", counter: "input_tokens", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  cached_input_tokens: { unit: "tokens", counter: "cached_input_tokens", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  cache_write_tokens: { unit: "tokens", counter: "cache_write_tokens", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  output_tokens: { unit: "tokens", counter: "output_tokens", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  reasoning_tokens: { unit: "tokens", counter: "reasoning_tokens", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  unpriced_calls: { unit: "calls", counter: "unpriced_calls", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  unpriced_tokens: { unit: "tokens", counter: "unpriced_tokens", day: ["model", "provider", "user", "conversation", "finish_reason", "error_type", "model,provider", "model,user", "model,finish_reason", "model,error_type"], hour: ["model", "provider", "model,provider"] },
  avg_llm_response_time: { unit: "seconds", counter: null, day: ["model", "provider", "model,provider"], hour: ["model", "provider", "model,provider"] },
  p50_llm_response_time: { unit: "seconds", counter: null, day: ["model", "provider", "model,provider"], hour: ["model", "provider", "model,provider"] },
  p95_llm_response_time: { unit: "seconds", counter: null, day: ["model", "provider", "model,provider"], hour: ["model", "provider", "model,provider"] },
  p99_llm_response_time: { unit: "seconds", counter: null, day: ["model", "provider", "model,provider"], hour: ["model", "provider", "model,provider"] },
  active_users: { unit: "users", counter: null, day: ["model"], hour: [] },
  messages: { unit: "messages", counter: "messages", day: ["model", "user", "role", "finish_reason", "model,role", "model,finish_reason"], hour: [] },
  tokens: { unit: "tokens", counter: "tokens", day: ["model", "user", "role", "finish_reason", "model,role", "model,finish_reason"], hour: [] },
  avg_response_time: { unit: "seconds", counter: null, day: ["model"], hour: ["model"] },
  p50_response_time: { unit: "seconds", counter: null, day: ["model"], hour: ["model"] },
  p95_response_time: { unit: "seconds", counter: null, day: ["model"], hour: ["model"] },
  p99_response_time: { unit: "seconds", counter: null, day: ["model"], hour: ["model"] },
  api_calls: { unit: "calls", counter: "api_calls", day: ["endpoint"], hour: ["endpoint"] },
  api_errors: { unit: "calls", counter: "api_errors", day: ["endpoint"], hour: ["endpoint"] },
  avg_api_response_time: { unit: "seconds", counter: null, day: ["endpoint"], hour: ["endpoint"] },
  p50_api_response_time: { unit: "seconds", counter: null, day: ["endpoint"], hour: ["endpoint"] },
  p95_api_response_time: { unit: "seconds", counter: null, day: ["endpoint"], hour: ["endpoint"] },
  p99_api_response_time: { unit: "seconds", counter: null, day: ["endpoint"], hour: ["endpoint"] },
  activities: { unit: "activities", counter: "activities", day: ["activity_type"], hour: [] },
} as const;

/** One UTC minute that has events, and those of its counters that are not 0. */
export type Minute = { readonly start: string } & { readonly [name in Counter]?: number } & {
  readonly [name in MoneyCounter]?: string;
} & {
  readonly [name: LabelledCounter]: number;
};

export interface Summary {
  /** Distinct user ids in any event. */
  readonly total_users: number;
  /** Distinct user ids with an event today, in the tenant's zone. */
  readonly active_users_today: number;
  /** Conversations ever seen, deleted ones too. */
  readonly total_conversations: number;
  /** Messages tracked. */
  readonly total_messages: number;
  /** Tokens of all messages whose number of tokens is known. */
  readonly total_tokens: number;
  /** Mean over the messages that carry a response time; null where none does. */
  readonly avg_response_time: number | null;
  /** Conversations that were deleted. */
  readonly deleted_conversations: number;
  /** Activities tracked. */
  readonly total_activities: number;
  /** API calls tracked. */
  readonly total_api_calls: number;
  /** API calls with a status of 500 or more. */
  readonly total_api_errors: number;
  /** Mean over all API calls; null where there is none. */
  readonly avg_api_response_time: number | null;
  /** LLM calls tracked. */
  readonly total_llm_calls: number;
  /** LLM calls that name an error. */
  readonly failed_llm_calls: number;
  /** Input tokens of all LLM calls, cached ones too. */
  readonly total_input_tokens: number;
  /** Input tokens that came from a cache. */
  readonly total_cached_input_tokens: number;
  /** Output tokens of all LLM calls, reasoning too. */
  readonly total_output_tokens: number;
  /** Output tokens that are reasoning. */
  readonly total_reasoning_tokens: number;
  /** Cost of the LLM calls whose cost is known, as decimal text. */
  readonly total_cost: string;
  /** LLM calls whose cost is not known. */
  readonly unpriced_llm_calls: number;
  /** Known tokens of the LLM calls whose cost is not known. */
  readonly total_unpriced_tokens: number;
  /** Mean over the LLM calls that carry a response time; null where none does. */
  readonly avg_llm_response_time: number | null;
  /** Mean over the LLM calls that carry a time to first token; null where none does. */
  readonly avg_time_to_first_token: number | null;
  /** Output tokens over response time of the LLM calls that carry both; null where none does. */
  readonly avg_tokens_per_second: number | null;
}

export interface RecentActivity {
  readonly id: number;
  readonly user_id: string;
  readonly username: string;
  readonly activity_type: string;
  readonly timestamp: string;
}

export interface Activity {
  readonly id: number;
  readonly user_id: string;
  readonly username: string;
  readonly activity_type: string;
  readonly timestamp: string;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
  readonly extra_data: Readonly<Record<string, unknown>> | null;
}

export interface TopUser {
  readonly user_id: string;
  readonly username: string;
  readonly activity_count: number;
}

export interface AlertCounts {
  /** Alerts that fire: a budget at each of its levels. */
  readonly firing: number;
  /** Those of them that somebody has seen. */
  readonly acknowledged: number;
}

export interface User {
  readonly user_id: string;
  /** Null for a user without an activity. */
  readonly username: string | null;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly activity_count: number;
}

export interface Conversation {
  readonly id: number;
  readonly conversation_id: string;
  readonly user_id: string;
  readonly message_count: number;
  readonly total_tokens: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
  readonly status: "active" | "deleted";
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Message {
  readonly id: number;
  readonly message_id: string;
  readonly conversation_id: string;
  readonly user_id: string;
  readonly role: string;
  /** Null where it is not known. */
  readonly token_count: number | null;
  /** Seconds; null where nothing was measured. */
  readonly response_time: number | null;
  readonly model_used: string | null;
  readonly created_at: string;
  /** Seconds; null where nothing was measured. */
  readonly time_to_first_token: number | null;
  readonly finish_reason: string | null;
}

export interface DailyStatistics {
  /** The date as a number, such as 20261122. */
  readonly id: number;
  readonly date: string;
  /** Users seen up to the end of the day. */
  readonly total_users: number;
  readonly active_users: number;
  readonly new_users: number;
  readonly total_conversations: number;
  readonly total_messages: number;
  readonly total_api_calls: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
  readonly error_count: number;
  /** Of the day's messages, where their number is known. */
  readonly total_tokens: number;
}

export interface ApiCall {
  readonly id: number;
  readonly endpoint: string;
  readonly method: string;
  readonly user_id: string | null;
  readonly status_code: number;
  /** Seconds. */
  readonly response_time: number;
  readonly timestamp: string;
}

export interface EndpointUsage {
  /** Null: all endpoints beyond the bound of a day, together. */
  readonly endpoint: string | null;
  readonly count: number;
  readonly error_count: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
  /** Seconds, at most 1.6 % off. */
  readonly p95_response_time: number | null;
}

export interface Series {
  readonly interval: "minute" | "hour" | "day";
  /** The tenant's zone, which cuts the days. */
  readonly timezone: string;
  /** When each point starts, without a gap. */
  readonly start: readonly string[];
  /** A value for each point; of model_messages and model_tokens a column for each model. Money is decimal text. */
  readonly metrics: Readonly<Record<string, readonly (number | string | null)[]>>;
  readonly position: string;
}

export interface ActiveUsers {
  readonly from: string;
  readonly to: string;
  /** The tenant's zone, which cuts the days. */
  readonly timezone: string;
  /** Null where it cannot be known. */
  readonly active_users: number | null;
  readonly position: string;
}

export interface TypeCount {
  readonly activity_type: string;
  readonly count: number;
}

export interface ModelSums {
  /** Null: messages that name no model. */
  readonly model_used: string | null;
  readonly message_count: number;
  readonly total_tokens: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface EndpointSums {
  readonly endpoint: string;
  readonly count: number;
  readonly error_count: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface StatusSums {
  readonly status_code: number;
  readonly count: number;
  readonly error_count: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface MethodSums {
  readonly method: string;
  readonly count: number;
  readonly error_count: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface CallerSums {
  readonly user_id: string;
  readonly username: string | null;
  readonly count: number;
  readonly error_count: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface AuthorSums {
  readonly user_id: string;
  readonly username: string | null;
  readonly message_count: number;
  readonly total_tokens: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface UserFigures {
  readonly activities: number;
  readonly conversations: number;
  readonly messages: number;
  readonly tokens: number;
  readonly api_calls: number;
  readonly api_errors: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
  /** Seconds; null where nothing was measured. */
  readonly avg_api_response_time: number | null;
}

export interface EndpointFigures {
  readonly count: number;
  readonly error_count: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface ModelFigures {
  readonly messages: number;
  readonly tokens: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
}

export interface UserDetail {
  readonly interval: "minute" | "hour" | "day";
  /** The tenant's zone, which cuts the days. */
  readonly timezone: string;
  /** When each point starts, without a gap. */
  readonly start: readonly string[];
  readonly user_id: string;
  /** Null for a user without an activity. */
  readonly username: string | null;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly activity_count: number;
  readonly figures: UserFigures;
  readonly activity_types: readonly TypeCount[];
  readonly models: readonly ModelSums[];
  readonly endpoints: readonly EndpointSums[];
  /** Rows from before have been removed, and are missing in what is counted from rows; null: none are. */
  readonly kept_from: string | null;
  /** A value for each point, by name. */
  readonly metrics: Readonly<Record<string, readonly (number | null)[]>>;
  readonly position: string;
}

export interface ConversationDetail {
  readonly id: number;
  readonly conversation_id: string;
  readonly user_id: string;
  readonly message_count: number;
  readonly total_tokens: number;
  /** Seconds; null where nothing was measured. */
  readonly avg_response_time: number | null;
  readonly status: "active" | "deleted";
  readonly created_at: string;
  readonly updated_at: string;
  readonly username: string | null;
  /** Null: it was not deleted, or when is not kept any more. */
  readonly deleted_at: string | null;
  /** Of `message_count`, those that have not been removed. */
  readonly kept_messages: number;
  readonly first_message_at: string | null;
  readonly last_message_at: string | null;
  readonly models: readonly ModelSums[];
  readonly authors: readonly AuthorSums[];
  readonly position: string;
}

export interface EndpointDetail {
  readonly interval: "minute" | "hour" | "day";
  /** The tenant's zone, which cuts the days. */
  readonly timezone: string;
  /** When each point starts, without a gap. */
  readonly start: readonly string[];
  readonly endpoint: string;
  readonly figures: EndpointFigures;
  readonly status_codes: readonly StatusSums[];
  readonly methods: readonly MethodSums[];
  readonly users: readonly CallerSums[];
  /** Rows from before have been removed, and are missing in what is counted from rows; null: none are. */
  readonly kept_from: string | null;
  /** A value for each point, by name. */
  readonly metrics: Readonly<Record<string, readonly (number | null)[]>>;
  readonly position: string;
}

export interface ModelDetail {
  readonly interval: "minute" | "hour" | "day";
  /** The tenant's zone, which cuts the days. */
  readonly timezone: string;
  /** When each point starts, without a gap. */
  readonly start: readonly string[];
  readonly model_used: string;
  readonly figures: ModelFigures;
  readonly users: readonly AuthorSums[];
  /** Rows from before have been removed, and are missing in what is counted from rows; null: none are. */
  readonly kept_from: string | null;
  /** A value for each point, by name. */
  readonly metrics: Readonly<Record<string, readonly (number | null)[]>>;
  readonly position: string;
}

export interface FoundUser {
  readonly user_id: string;
  readonly username: string | null;
}

export interface FoundConversation {
  readonly conversation_id: string;
  readonly user_id: string;
}

export interface FoundEndpoint {
  readonly endpoint: string;
}

export interface FoundModel {
  readonly model_used: string;
}

export interface Found {
  readonly users: readonly FoundUser[];
  readonly conversations: readonly FoundConversation[];
  readonly endpoints: readonly FoundEndpoint[];
  readonly models: readonly FoundModel[];
  readonly position: string;
}

export interface BreakdownRow {
  readonly label: string;
  /** Of the second dimension; null: there is none. */
  readonly second: string | null;
  /** By user: the name; null for a user without an activity. */
  readonly username: string | null;
  /** Money is decimal text, times are seconds; null where nothing was measured. */
  readonly value: number | string | null;
  /** The events behind it, such as calls or messages. */
  readonly count: number;
  /** Of cost: the calls whose cost is not known. */
  readonly unpriced_calls: number | null;
  /** With `interval`: a value for each of `start`. In CSV the same as JSON. */
  readonly points: readonly (number | string | null)[] | null;
}

export interface Breakdown {
  readonly items: readonly BreakdownRow[];
  readonly metric: "cost" | "llm_calls" | "llm_errors" | "input_tokens" | "cached_input_tokens" | "cache_write_tokens" | "output_tokens" | "reasoning_tokens" | "unpriced_calls" | "unpriced_tokens" | "avg_llm_response_time" | "p50_llm_response_time" | "p95_llm_response_time" | "p99_llm_response_time" | "active_users" | "messages" | "tokens" | "avg_response_time" | "p50_response_time" | "p95_response_time" | "p99_response_time" | "api_calls" | "api_errors" | "avg_api_response_time" | "p50_api_response_time" | "p95_api_response_time" | "p99_api_response_time" | "activities";
  readonly by: readonly ("model" | "provider" | "user" | "conversation" | "endpoint" | "activity_type" | "role" | "finish_reason" | "error_type")[];
  readonly unit: string;
  readonly interval: "hour" | "day" | null;
  /** The tenant's zone, which cuts the days. */
  readonly timezone: string;
  /** From when on it was counted: the beginning of a day or an hour. */
  readonly from: string;
  /** Until when: the end of one, exclusive. */
  readonly to: string;
  /** Rows from before have been removed, so that it was not counted there; null: none are. */
  readonly kept_from: string | null;
  /** With `interval`: when each point starts, without a gap. */
  readonly start: readonly string[] | null;
  /** Of the whole range, also of what no row has. */
  readonly total: number | string | null;
  /** The events of the whole range. */
  readonly count: number;
  /** Of cost: the calls of the whole range whose cost is not known. */
  readonly unpriced_calls: number | null;
  /** How many rows there are on all pages. */
  readonly rows: number;
  /** What no row has, in the unit of the metric, of response times in their number: of labels that came when an hour or a day had as many rows as it may have; and of events that name none, or of which it is not known any more, as of users who were erased. Null: it does not add up, as of distinct users. */
  readonly others: Readonly<Record<string, unknown>> | null;
  readonly position: string;
}

export interface LiveBreakdown {
  /** Of these rows; it may differ from that of the frame. */
  readonly position: string;
  /** Rows that are new or have other values. */
  readonly items?: readonly BreakdownRow[];
  /** `label` and `second` of each row that is shown, in their order; absent: as before. */
  readonly order?: readonly (readonly (string | null)[])[];
  readonly range?: "today" | "hour";
  readonly limit?: number;
  readonly metric?: "cost" | "llm_calls" | "llm_errors" | "input_tokens" | "cached_input_tokens" | "cache_write_tokens" | "output_tokens" | "reasoning_tokens" | "unpriced_calls" | "unpriced_tokens" | "avg_llm_response_time" | "p50_llm_response_time" | "p95_llm_response_time" | "p99_llm_response_time" | "active_users" | "messages" | "tokens" | "avg_response_time" | "p50_response_time" | "p95_response_time" | "p99_response_time" | "api_calls" | "api_errors" | "avg_api_response_time" | "p50_api_response_time" | "p95_api_response_time" | "p99_api_response_time" | "activities";
  readonly by?: readonly ("model" | "provider" | "user" | "conversation" | "endpoint" | "activity_type" | "role" | "finish_reason" | "error_type")[];
  readonly unit?: string;
  readonly interval?: "hour" | "day" | null;
  /** The tenant's zone, which cuts the days. */
  readonly timezone?: string;
  /** From when on it was counted: the beginning of a day or an hour. */
  readonly from?: string;
  /** Until when: the end of one, exclusive. */
  readonly to?: string;
  /** Rows from before have been removed, so that it was not counted there; null: none are. */
  readonly kept_from?: string | null;
  /** With `interval`: when each point starts, without a gap. */
  readonly start?: readonly string[] | null;
  /** Of the whole range, also of what no row has. */
  readonly total?: number | string | null;
  /** The events of the whole range. */
  readonly count?: number;
  /** Of cost: the calls of the whole range whose cost is not known. */
  readonly unpriced_calls?: number | null;
  /** How many rows there are on all pages. */
  readonly rows?: number;
  /** What no row has, in the unit of the metric, of response times in their number: of labels that came when an hour or a day had as many rows as it may have; and of events that name none, or of which it is not known any more, as of users who were erased. Null: it does not add up, as of distinct users. */
  readonly others?: Readonly<Record<string, unknown>> | null;
  /** Since when the rows may be old; null: they are live. */
  readonly stale_since?: string | null;
  /** Of the breakdown as it is held after this frame. */
  readonly digest: string;
}

export interface ViewFilters {
  readonly user_id: string | null;
  readonly conversation_id: string | null;
  readonly model_used: string | null;
  readonly endpoint: string | null;
  readonly activity_type: string | null;
  readonly status: string | null;
}

export interface SavedView {
  readonly id: string;
  readonly name: string;
  readonly page: string;
  readonly filters: ViewFilters;
  readonly range: string | null;
  readonly created_at: string;
}

export interface Snapshot {
  readonly type: "snapshot";
  readonly position: string;
  readonly at: string;
  readonly heartbeat_seconds: number;
  readonly summary?: Summary;
  readonly activities?: readonly RecentActivity[];
  readonly top_users?: readonly TopUser[];
  /** The newest 66 minutes that have events. */
  readonly series?: readonly Minute[];
  readonly alerts?: AlertCounts;
  readonly breakdown?: LiveBreakdown;
}

export interface Delta {
  readonly type: "delta";
  readonly position: string;
  readonly at: string;
  readonly heartbeat_seconds?: number;
  readonly summary?: Partial<Summary>;
  readonly activities?: readonly RecentActivity[];
  readonly top_users?: readonly TopUser[];
  readonly series?: readonly Minute[];
  readonly alerts?: AlertCounts;
  readonly breakdown?: LiveBreakdown;
}

export interface Heartbeat {
  readonly type: "heartbeat";
  readonly position: string;
  readonly at: string;
  readonly stale_since: string | null;
  /** Of the summary at this position; null: not known. */
  readonly digest?: string | null;
}

export interface ErrorFrame {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
}

export type Frame = Snapshot | Delta | Heartbeat | ErrorFrame;

/** What a client does after a close. */
export type Action = "retry_after" | "backoff" | "new_token" | "sign_out" | "stop";

/** Why the service ends a connection; `name` is the code of the error frame before it. */
export interface Close {
  readonly code: number;
  readonly name: string;
  readonly action: Action;
}

export const CLOSES: readonly Close[] = [
  { code: 1012, name: "restarting", action: "retry_after" },
  { code: 1013, name: "over_capacity", action: "backoff" },
  { code: 4400, name: "bad_message", action: "stop" },
  { code: 4401, name: "token_expired", action: "new_token" },
  { code: 4403, name: "not_allowed", action: "sign_out" },
  { code: 4408, name: "too_slow", action: "backoff" },
  { code: 4429, name: "too_many_messages", action: "backoff" },
];
