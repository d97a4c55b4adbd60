/** The form of a rule: a new budget of one user takes a name, an amount and an address; a kept rule opens with its values. */

import { css, html, LitElement, nothing, type PropertyValues } from "lit";
import type { AnalyticsClient } from "../../client/client";
import { define } from "../../ui/define";
import { counted, dateTime } from "../../ui/format";
import { LatestRequest, problemOf } from "../latest-request";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import {
  CALENDAR,
  changed,
  EVENTS,
  FIGURES,
  idFor,
  type KeptRule,
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
    kept: { attribute: false },
    targets: { attribute: false },
    ids: { attribute: false },
    userId: { attribute: false },
    kind: { state: true },
    failure: { state: true },
  };
  declare client: AnalyticsClient;
  /** The rule that is changed; null: a new one is made. */
  declare kept: KeptRule | null;
  declare targets: readonly Target[];
  /** The ids that rules have already. */
  declare ids: readonly string[];
  /** The user that the page is limited to; "" for none. */
  declare userId: string;
  declare kind: Rule["kind"];
  declare failure: string;

  /** Secrets of the targets that this form has added, by id. */
  readonly #secrets = new Map<string, string>();
  readonly #past = new LatestRequest<Past>(() => this.requestUpdate());

  constructor() {
    super();
    this.kept = null;
    this.targets = [];
    this.ids = [];
    this.userId = "";
    this.kind = "budget";
    this.failure = "";
  }

  override willUpdate(properties: PropertyValues<this>): void {
    if (properties.has("kept") && this.kept !== null) this.kind = this.kept.rule.kind;
  }

  override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>("input")?.focus();
  }

  override render() {
    const { kept } = this;
    return html`<form class="card" aria-labelledby="title" @submit=${this.#submit} @change=${this.#readPast} @keydown=${this.#onKey}>
      <h2 id="title">${kept ? words.changeRule : words.newRule}</h2>
      ${kept ? nothing : html`${this.#kinds()}<p class="soft small">${words.about[this.kind]}</p>`}
      <div class="fields">
        ${kept ? this.#input("name", words.name, { required: true, value: kept.rule.name, most: 100 }) : nothing}${this.#fields()}
      </div>
      ${this.#targets()} ${this.#check("grouped", "", words.grouped, kept?.rule.grouped === true)}
      ${kept ? this.#check("enabled", "", words.enabled, kept.rule.enabled !== false) : nothing}
      ${this.kind === "unusual" ? this.#pastNote() : nothing}
      ${this.failure ? html`<p class="bad" role="alert">${this.failure}</p>` : nothing}
      <div class="acts">
        <button class="button primary" type="submit">${kept ? words.save : words.create}</button>
        <button class="button" type="button" @click=${() => this.#leave(null)}>${words.cancel}</button>
      </div>
    </form>`;
  }

  #kinds() {
    return html`<div class="segments" role="group" aria-label=${words.kind}>
      ${KINDS.map((kind) => html`<button type="button" aria-pressed=${kind === this.kind} @click=${() => this.#choose(kind)}>${words.kinds[kind]}</button>`)}
    </div>`;
  }

  #fields() {
    const rule = this.kept?.rule;
    switch (this.kind) {
      case "budget":
        return html`${this.#input("limit", words.limit, { required: true, value: rule?.limit ?? "1", mode: "decimal" })}
          ${this.#select("window", words.window, CALENDAR, words.windows, rule?.window ?? "month")}
          ${rule?.model ? nothing : this.#input("user_id", words.user, { value: rule ? (rule.user_id ?? "") : this.userId, hint: words.everybody })}`;
      case "threshold":
        return html`${this.#select("figure", words.figure, FIGURES, words.figures, rule?.figure)}
          ${
            rule?.below === undefined
              ? this.#input("above", words.above, { required: true, value: rule?.above ?? "", mode: "decimal" })
              : this.#input("below", words.below, { required: true, value: rule.below, mode: "decimal" })
          }
          ${rule?.clear === undefined ? nothing : this.#input("clear", words.clear, { value: rule.clear, mode: "decimal" })}
          ${this.#select("window", words.window, WINDOWS, words.windows, rule?.window ?? "15m")}`;
      case "change":
        return html`${this.#select("figure", words.figure, FIGURES.filter(addsUp), words.figures, rule?.figure ?? "messages")}
          ${this.#input("percent", rule?.direction === "down" ? words.lessPercent : words.percent, { required: true, value: String(rule?.percent ?? 50), mode: "numeric" })}
          ${this.#select("window", words.window, WINDOWS.slice(0, 5), words.windows, rule?.window ?? "today")}
          ${this.#select("against", words.against, ["yesterday", "last_week"], words.days, rule?.against)}`;
      case "silence":
        return html`${this.#select("event", words.event, EVENTS, words.events, rule?.event)}
          ${this.#input("minutes", words.minutes, { required: true, value: String(rule?.minutes ?? 10), mode: "numeric" })}`;
      case "unusual":
        return html`${this.#select("figure", words.figure, FIGURES.filter(addsUp), words.figures, rule?.figure ?? "api_errors")}
          ${this.#input("false_alarms_a_month", words.falseAlarms, { required: true, value: String(rule?.false_alarms_a_month ?? 5), mode: "numeric" })}`;
    }
  }

  #targets() {
    const told = this.kept?.rule.targets;
    const known = this.targets.filter(({ id, ended_at }) => ended_at === null || told?.includes(id));
    const gone = told?.filter((id) => !known.some((target) => target.id === id)) ?? [];
    if (known.length + gone.length === 0) return this.#input("address", words.tell, { hint: words.addressHint });
    return html`<fieldset>
        <legend class="soft small">${words.tell}</legend>
        ${known.map(({ id, address }, index) => this.#check("target", id, `${id} (${address})`, told ? told.includes(id) : index === 0))}
        ${gone.map((id) => this.#check("target", id, id, true))}
      </fieldset>
      <div class="fields">${this.#input("address", words.newAddress, { hint: words.addressHint })}</div>`;
  }

  #check(name: string, value: string, label: string, isOn: boolean) {
    return html`<label class="check"><input type="checkbox" name=${name} value=${value} ?checked=${isOn} /><span>${label}</span></label>`;
  }

  #input(name: string, label: string, { required = false, value = "", mode = "text", hint = "", most = 500 } = {}) {
    return html`<label class="field">${label}<input name=${name} ?required=${required} .value=${value} inputmode=${mode} placeholder=${hint} maxlength=${most} autocomplete="off" /></label>`;
  }

  /** A choice; what a rule has beside the known ones, by REST or the command, is one more, by its own name. */
  #select(
    name: string,
    label: string,
    known: readonly string[],
    texts: Readonly<Record<string, string>>,
    selected: string | undefined = known[0],
  ) {
    const options = selected === undefined || known.includes(selected) ? known : [...known, selected];
    return html`<label class="field">${label}<select name=${name}>
      ${options.map((option) => html`<option value=${option} ?selected=${option === selected}>${texts[option] ?? option}</option>`)}
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

  #onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape") this.#leave(null);
  };

  #submit = (event: Event): void => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const texts = [...data].map(([name, value]) => [name, String(value).trim()] as const);
    const { target, enabled, grouped, ...fields } = Object.fromEntries(texts);
    const marks = { grouped: grouped !== undefined, enabled: this.kept === null || enabled !== undefined };
    void this.#save(fields, data.getAll("target").map(String), marks);
  };

  /** Set the target, if it is a new one, and then the rule. */
  async #save(
    fields: Record<string, string>,
    targets: readonly string[],
    marks: { grouped: boolean; enabled: boolean },
  ): Promise<void> {
    const { rest } = this.client;
    const { address = "", ...given } = fields;
    try {
      const added = address ? await this.#addTarget(address) : null;
      const told = added ? [...targets, added.id] : targets;
      const rule = this.kept
        ? changed(this.kept.rule, { ...given, name: this.#nameOf(this.kept.rule, given) }, told)
        : ruleOf({ ...given, kind: this.kind, name: this.#name(given) }, told);
      await rest.change("PUT", `alerts/rules/${this.kept?.id ?? idFor(rule.name, this.ids)}`, { ...rule, ...marks });
      this.#leave(added?.secret ?? null);
    } catch (error) {
      this.failure = words.failed(problemOf(error).detail);
    }
  }

  async #addTarget(address: string): Promise<{ id: string; secret: string | null }> {
    const id = idFor(
      address.replace(/^\w+:\/\//, "").split(/[/?]/)[0] ?? "",
      this.targets.map((target) => target.id),
    );
    const body = { kind: kindOf(address), address };
    const set = await this.client.rest.change<{ secret: string | null }>("PUT", `alerts/targets/${id}`, body);
    // Told once: if the rule is refused then, it is shown all the same when it is set.
    if (set?.secret) this.#secrets.set(id, set.secret);
    return { id, secret: this.#secrets.get(id) ?? null };
  }

  /** The name of a rule that is changed: one that the form made follows the fields, unless another is typed. */
  #nameOf(rule: Rule, fields: Readonly<Record<string, string>>): string {
    const { name = "" } = fields;
    const before = Object.fromEntries(Object.entries(rule).map(([field, value]) => [field, String(value)]));
    return name === rule.name && name === this.#name(before) ? this.#name({ ...before, ...fields }) : name;
  }

  #name(fields: Readonly<Record<string, string>>): string {
    const figures: Readonly<Record<string, string>> = words.figures;
    const { figure: id = "" } = fields;
    const figure = figures[id] ?? id;
    switch (this.kind) {
      case "budget":
        return fields.user_id ? words.nameBudgetOf(fields.user_id) : words.nameBudget(fields.limit ?? "");
      case "silence":
        return words.nameSilence(words.events[fields.event as (typeof EVENTS)[number]]);
      case "unusual":
        return words.nameUnusual(figure);
      case "change":
        return words.nameChange(figure);
      case "threshold":
        return words.nameThreshold(figure, fields.above ?? "");
    }
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
      fieldset {
        display: grid;
        gap: var(--space-1);
        min-width: 0;
        margin: 0;
        padding: 0;
        border: 0;
      }
      legend {
        padding: 0;
      }
      .check {
        display: flex;
        align-items: center;
        gap: var(--space-2);
        min-height: 28px;
        overflow-wrap: anywhere;
      }
      .check input {
        flex: none;
        width: 18px;
        height: 18px;
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
