/** Scheduled reports: their shape, and what a form asks for. Pure. */

export const EVERY = ["daily", "weekly", "monthly"] as const;
export type Every = (typeof EVERY)[number];

export interface Schedule {
  readonly id: string;
  readonly name: string;
  readonly report: string | null;
  readonly view: string | null;
  readonly every: Every;
  readonly on: number | null;
  readonly at: string;
  readonly paper: string;
  readonly language: string;
  readonly recipients: readonly string[];
  /** Webhooks, which are named by REST. */
  readonly targets: readonly string[];
  readonly next_at: string;
  readonly sent_at: string | null;
  readonly problem: string | null;
}

/** The answer of the service. */
export interface ScheduleList {
  readonly items: readonly Schedule[];
  readonly timezone: string;
  readonly can_send: boolean;
}

/** What a form has, as text: its fields by name. */
export type Fields = Readonly<Record<string, string>>;

/** What is sent to schedule a report: a saved view is chosen as `view:` and its id. */
export function newSchedule(
  fields: Fields,
  language: string,
  targets: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  const what = fields.what ?? "overview";
  const every = EVERY.find((known) => known === fields.every) ?? "weekly";
  return {
    name: (fields.name ?? "").trim(),
    ...(what.startsWith("view:") ? { view: what.slice("view:".length) } : { report: what }),
    every,
    ...(every === "daily" ? {} : { on: Number(fields.on ?? 1) }),
    at: fields.at || "08:00",
    recipients: addresses(fields.recipients ?? ""),
    ...(targets.length === 0 ? {} : { targets }),
    paper: fields.paper ?? "a4",
    language: language === "de" ? "de" : "en",
  };
}

/** What a schedule sends, as the form's choice names it. */
export function whatOf({ report, view }: Schedule): string {
  return view === null ? (report ?? "") : `view:${view}`;
}

/** The addresses of a text, separated by commas, semicolons or spaces. */
export function addresses(text: string): readonly string[] {
  return text.split(/[\s,;]+/).filter(Boolean);
}
