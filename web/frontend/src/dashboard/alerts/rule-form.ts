/** The form of a new rule: a budget of one user takes a name, an amount and an address. */

import { css, html, LitElement, nothing, type PropertyValues } from "lit";
import type { AnalyticsClient } from "../../client/client";
import { define } from "../../ui/define";
import { counted, dateTime } from "../../ui/format";
import { LatestRequest, problemOf } from "../latest-request";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import {
  CALENDAR,
  EVENTS,
  FIGURES,
  idFor,
  KINDS,
  kindOf,
  type Past,
  type Rule,
  ruleOf,
  type Target,
  type Usual,
  WINDOWS,
} from "./alert";

const words = dashboardText.alerts;
/** How many alarms of the past are listed, the newest first. */
const SHOWN = 5;

/** A rule was set, or the form was left. */
export class RuleFormLeft extends Event {
  static readonly kind = "analytics-rule-form-left";
  constructor(readonly secret: string | null) {
    super(RuleFormLeft.kind, { bubbles: true, composed: true });
  }
}

export class RuleForm extends LitElement {
  static override properties = {
    client: { attribute: false },
    targets: { attribute: false },
    ids: { attribute: false },
    userId: { attribute: false },
    kind: { state: true },
    failure: { state: true },
  };
  declare client: AnalyticsClient;
  declare targets: readonly Target[];
  /** The ids that rules have already. */
  declare ids: readonly string[];
  /** The user that the page is limited to; "" for none. */
  declare userId: string;
  declare kind: Rule["kind"];
  declare failure: string;

  readonly #past = new LatestRequest<Past>(() => this.requestUpdate());

  constructor() {
    super();
    this.targets = [];
    this.ids = [];
    this.userId = "";
    this.kind = "budget";
    this.failure = "";
  }

  override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>("[name=limit]")?.focus();
  }

  override render() {
    return html`<form class="card" @submit=${this.#submit} @change=${this.#readPast}>
      <h2>${words.newRule}</h2>
      <div class="segments" role="group" aria-label=${words.kind}>
        ${KINDS.map((kind) => html`<button type="button" aria-pressed=${kind === this.kind} @click=${() => this.#choose(kind)}>${words.kinds[kind]}</button>`)}
      </div>
      <p class="soft small">${words.about[this.kind]}</p>
      <div class="fields">${this.#fields()}${this.#target()}</div>
      ${this.kind === "unusual" ? this.#pastNote() : nothing}
      ${this.failure ? html`<p class="bad" role="alert">${this.failure}</p>` : nothing}
      <div class="acts">
        <button class="button primary" type="submit">${words.create}</button>
        <button class="button" type="button" @click=${() => this.#leave(null)}>${words.cancel}</button>
      </div>
    </form>`;
  }

  #fields() {
    switch (this.kind) {
      case "budget":
        return html`${this.#input("limit", words.limit, { required: true, value: "1", mode: "decimal" })}
          ${this.#select("window", words.window, CALENDAR, words.windows, "month")}
          ${this.#input("user_id", words.user, { value: this.userId, hint: words.everybody })}`;
      case "threshold":
        return html`${this.#select("figure", words.figure, FIGURES, words.figures)}
          ${this.#input("above", words.above, { required: true, mode: "decimal" })}
          ${this.#select("window", words.window, WINDOWS, words.windows, "15m")}`;
      case "change":
        return html`${this.#select("figure", words.figure, FIGURES.filter(addsUp), words.figures, "messages")}
          ${this.#input("percent", words.percent, { required: true, value: "50", mode: "numeric" })}
          ${this.#select("window", words.window, WINDOWS.slice(0, 5), words.windows, "today")}
          ${this.#select("against", words.against, ["yesterday", "last_week"], words.days)}`;
      case "silence":
        return html`${this.#select("event", words.event, EVENTS, words.events)}
          ${this.#input("minutes", words.minutes, { required: true, value: "10", mode: "numeric" })}`;
      case "unusual":
        return html`${this.#select("figure", words.figure, FIGURES.filter(addsUp), words.figures, "api_errors")}
          ${this.#input("false_alarms_a_month", words.falseAlarms, { required: true, value: "5", mode: "numeric" })}`;
    }
  }

  #target() {
    const known = this.targets.filter(({ ended_at }) => ended_at === null);
    return html`${
      known.length === 0
        ? nothing
        : html`<label class="field">${words.tell}<select name="target">
            ${known.map(({ id, address }) => html`<option value=${id}>${id} (${address})</option>`)}
            <option value="">${words.someoneElse}</option>
          </select></label>`
    }${this.#input("address", known.length === 0 ? words.tell : words.newAddress, { hint: words.addressHint })}`;
  }

  #input(name: string, label: string, { required = false, value = "", mode = "text", hint = "" } = {}) {
    return html`<label class="field">${label}<input name=${name} ?required=${required} .value=${value} inputmode=${mode} placeholder=${hint} maxlength="500" autocomplete="off" /></label>`;
  }

  #select<Name extends string>(
    name: string,
    label: string,
    options: readonly Name[],
    texts: Readonly<Record<Name, string>>,
    selected: Name | undefined = options[0],
  ) {
    return html`<label class="field">${label}<select name=${name}>
      ${options.map((option) => html`<option value=${option} ?selected=${option === selected}>${texts[option]}</option>`)}
    </select></label>`;
  }

  #pastNote() {
    const { result, problem } = this.#past;
    if (problem) return html`<p class="bad" role="alert">${words.failed(problem.detail)}</p>`;
    if (result === null) return html`<p class="soft small" role="status">${dashboardText.lists.loading}</p>`;
    if (result.since === null) return html`<p class="soft small" role="status">${words.pastTooShort}</p>`;
    return html`<div class="past soft small" role="status">
      <p>${counted(result.items.length, words.past)}</p>
      <ul>
        ${result.items
          .slice(-SHOWN)
          .reverse()
          .map(({ at, value, usual }) => html`<li>${dateTime(at)}: ${whyText(value, usual)}</li>`)}
      </ul>
    </div>`;
  }

  /** Ask what such a rule would have fired, whenever one of its fields is another one. */
  #readPast = (): void => {
    if (this.kind !== "unusual") return;
    const field = (name: string) =>
      this.renderRoot.querySelector<HTMLInputElement>(`[name=${name}]`)?.value.trim() ?? "";
    const asked = { figure: field("figure"), false_alarms_a_month: field("false_alarms_a_month") };
    void this.#past.load((signal) => this.client.rest.get<Past>("alerts/past", asked, signal), true);
  };

  override updated(changed: PropertyValues<this>): void {
    if (changed.has("kind")) this.#readPast();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#past.abort();
  }

  #choose(kind: Rule["kind"]): void {
    this.kind = kind;
    this.failure = "";
  }

  #submit = (event: Event): void => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
    void this.#create({ ...fields, kind: this.kind });
  };

  /** Set the target, if it is a new one, and then the rule. */
  async #create(fields: Record<string, string>): Promise<void> {
    const { rest } = this.client;
    try {
      let [target, secret] = [fields.target ?? "", null as string | null];
      if (fields.address) {
        target = idFor(
          fields.address.replace(/^\w+:\/\//, "").split(/[/?]/)[0] ?? "",
          this.targets.map(({ id }) => id),
        );
        const body = { kind: kindOf(fields.address), address: fields.address };
        secret =
          (await rest.change<{ secret: string | null }>("PUT", `alerts/targets/${target}`, body))?.secret ?? null;
      }
      const rule = ruleOf({ ...fields, name: this.#name(fields) }, target ? [target] : []);
      await rest.change("PUT", `alerts/rules/${idFor(rule.name, this.ids)}`, rule);
      this.#leave(secret);
    } catch (error) {
      this.failure = words.failed(problemOf(error).detail);
    }
  }

  #name(fields: Readonly<Record<string, string>>): string {
    if (this.kind === "budget")
      return fields.user_id ? words.nameBudgetOf(fields.user_id) : words.nameBudget(fields.limit ?? "");
    if (this.kind === "silence") return words.nameSilence(words.events[fields.event as (typeof EVENTS)[number]]);
    const figure = words.figures[fields.figure as (typeof FIGURES)[number]];
    if (this.kind === "unusual") return words.nameUnusual(figure);
    return this.kind === "change" ? words.nameChange(figure) : words.nameThreshold(figure, fields.above ?? "");
  }

  #leave(secret: string | null): void {
    this.dispatchEvent(new RuleFormLeft(secret));
  }

  static override styles = [
    ...baseStyles,
    css`
      form {
        display: grid;
        gap: var(--space-3);
        padding: var(--space-4);
      }
      p {
        margin: 0;
      }
      .past ul {
        margin: var(--space-1) 0 0;
        padding-inline-start: var(--space-4);
      }
      .segments {
        justify-self: start;
        flex-wrap: wrap;
      }
      .fields {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(200px, 100%), 1fr));
        gap: var(--space-3);
      }
      .field input,
      .field select {
        width: 100%;
      }
      .bad {
        color: var(--bad);
      }
      .acts {
        display: flex;
        gap: var(--space-2);
      }
    `,
  ];
}

/** Why an hour was unusual. */
export function whyText(value: string, { least, greatest, hours }: Usual): string {
  return words.why(value, String(hours), least, greatest);
}

/** Whether a figure adds up, so that it can be compared with another day. */
function addsUp(figure: (typeof FIGURES)[number]): boolean {
  return !figure.endsWith("_rate") && !figure.startsWith("avg_");
}

define("dashboard-rule-form", RuleForm);
