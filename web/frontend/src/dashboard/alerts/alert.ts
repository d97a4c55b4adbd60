/** Alerts as the service has them, and the rule that the form makes. Pure. */

export interface Rule {
  readonly name: string;
  readonly kind: "threshold" | "change" | "budget" | "silence" | "unusual";
  readonly figure?: string;
  readonly window?: string;
  readonly above?: string;
  readonly below?: string;
  readonly clear?: string;
  readonly against?: string;
  readonly direction?: string;
  readonly percent?: number;
  readonly limit?: string;
  readonly levels?: readonly number[];
  readonly event?: string;
  readonly minutes?: number;
  readonly false_alarms_a_month?: number;
  readonly user_id?: string;
  readonly provider?: string;
  readonly model?: string;
  readonly targets?: readonly string[];
  readonly grouped?: boolean;
  readonly enabled?: boolean;
}

export interface RuleState {
  readonly level: number | null;
  readonly status: "ok" | "pending" | "firing" | "resolved";
  readonly since: string;
  readonly value: string | null;
  readonly acknowledged_by: string | null;
}

export interface KeptRule {
  readonly id: string;
  readonly rule: Rule;
  readonly states: readonly RuleState[];
  readonly silenced_until: string | null;
}

/** What the hours like one had, of a rule about what is unusual. */
export interface Usual {
  readonly least: string;
  readonly greatest: string;
  readonly hours: number;
}

/** What a rule about what is unusual would have fired; `since` null: too little is known for any. */
export interface Past {
  readonly items: readonly { readonly at: string; readonly value: string; readonly usual: Usual }[];
  readonly since: string | null;
}

export interface Delivery {
  readonly id: string;
  readonly target: string;
  readonly status: "waiting" | "delivered" | "failed" | "gone";
  readonly attempts: number;
  readonly error: string | null;
}

export interface Transition {
  readonly id: string;
  readonly at: string;
  readonly rule: string;
  readonly level: number | null;
  readonly status: "firing" | "resolved";
  readonly value: string | null;
  readonly held: string | null;
  readonly message: {
    readonly data: { readonly name?: string; readonly unit?: string; readonly usual?: Usual | null };
  };
  readonly deliveries: readonly Delivery[];
}

export interface Target {
  readonly id: string;
  readonly kind: "webhook" | "email" | "apprise";
  readonly address: string;
  readonly ended_at: string | null;
}

/** The windows that the form offers, each with the kinds of rules that may have it. */
export const WINDOWS = ["5m", "15m", "60m", "hour", "today", "month"] as const;
export const CALENDAR = ["today", "month", "hour"] as const;
export const KINDS = ["budget", "threshold", "change", "silence", "unusual"] as const;
export const EVENTS = ["message", "activity", "api_usage", "llm_call"] as const;
/** The figures that the form offers; every other one is there by REST and by the command. */
export const FIGURES = [
  "api_errors",
  "api_error_rate",
  "llm_errors",
  "llm_error_rate",
  "total_cost",
  "messages",
  "api_calls",
  "llm_calls",
  "avg_response_time",
  "avg_llm_response_time",
  "users",
] as const;

/** The levels that fire of a rule, the highest first; a rule without levels has one without a level. */
export function firing({ states }: KeptRule): RuleState[] {
  return states.filter(({ status }) => status === "firing").sort((one, other) => (other.level ?? 0) - (one.level ?? 0));
}

/** The transition by which a rule came to fire, if it is among those that are known. */
export function firedBy(
  history: readonly Transition[],
  { id }: KeptRule,
  { since }: RuleState,
): Transition | undefined {
  return history.find(({ rule, status, at }) => rule === id && status === "firing" && at === since);
}

/** Make an id of a name that none of the others has: what people read in addresses and files. */
export function idFor(name: string, others: readonly string[]): string {
  const plain = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");
  const stem = plain.replace(/^-+|-+$/g, "").slice(0, 50) || "rule";
  for (let number = 1; ; number += 1) {
    const id = number === 1 ? stem : `${stem}-${number}`;
    if (!others.includes(id)) return id;
  }
}

/** The kind of a target, told by its address. */
export function kindOf(address: string): Target["kind"] {
  if (/^https?:\/\//i.test(address)) return "webhook";
  return address.includes("://") ? "apprise" : "email";
}

/** Change a rule to what the fields of the form say; what the form has no field for stays as it is. */
export function changed(rule: Rule, fields: Readonly<Record<string, string>>, targets: readonly string[]): Rule {
  const kept = Object.entries(rule).filter(([name]) => !(name in fields));
  return { ...(Object.fromEntries(kept) as Partial<Rule>), ...ruleOf({ ...fields, kind: rule.kind }, targets) };
}

/** Make a rule of the fields of the form; empty ones are left out. */
export function ruleOf(fields: Readonly<Record<string, string>>, targets: readonly string[]): Rule {
  const wanted = FIELDS[fields.kind as Rule["kind"]] ?? [];
  const given = wanted
    .filter((name) => fields[name])
    .map((name) => [name, NUMBERS.has(name) ? Number(fields[name]) : fields[name]]);
  return { name: fields.name ?? "", kind: fields.kind as Rule["kind"], ...Object.fromEntries(given), targets };
}

const NUMBERS = new Set(["percent", "minutes", "false_alarms_a_month"]);
const FIELDS: Record<Rule["kind"], readonly string[]> = {
  budget: ["limit", "window", "user_id", "provider", "model"],
  threshold: ["figure", "window", "above", "below", "clear"],
  change: ["figure", "window", "against", "percent"],
  silence: ["event", "minutes"],
  unusual: ["figure", "false_alarms_a_month"],
};
