/** The view of alerts: what fires, the rules, who is told, and the history with what was sent. */

import { css, html, nothing, type PropertyValues } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { define } from "../../ui/define";
import { dateTime } from "../../ui/format";
import { LatestRequest, problemOf } from "../latest-request";
import { LiveElement } from "../live-element";
import type { Params } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { type Delivery, firedBy, firing, type KeptRule, type RuleState, type Target, type Transition } from "./alert";
import { type RuleFormLeft, whyText } from "./rule-form";

const words = dashboardText.alerts;

interface Loaded {
  readonly rules: readonly KeptRule[];
  readonly targets: readonly Target[];
  readonly history: readonly Transition[];
}

/** Deliveries move no position: while some wait, they are read again after so many ms. */
const WAITING_MS = 3000;
const HOUR_MS = 3_600_000;

export class Alerts extends LiveElement {
  static override properties = {
    ...LiveElement.properties,
    params: { attribute: false },
    form: { state: true },
    failure: { state: true },
    secret: { state: true },
  };
  declare params: Params;
  /** What the form is about: the rule that is changed, as it was when it was opened; null: there is no form. */
  declare form: KeptRule | "new" | null;
  declare failure: string;
  /** The secret of a webhook that was just made; "" for none. */
  declare secret: string;

  #position: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #loaded = new LatestRequest<Loaded>(() => this.requestUpdate());

  constructor() {
    super();
    this.params = {};
    this.form = null;
    this.failure = "";
    this.secret = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    this.#loaded.abort();
    this.#position = null;
  }

  override willUpdate(changed: PropertyValues<this>): void {
    super.willUpdate(changed);
    const { alerts } = this.client.figures;
    const position = JSON.stringify(alerts);
    // What fires is pushed; the rest is read with it.
    if (position === this.#position) return;
    this.#position = position;
    void this.#load();
  }

  async #load(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#loaded.load(async (signal) => {
      const { rest } = this.client;
      const [rules, targets, history] = await Promise.all([
        rest.get<{ items: readonly KeptRule[] }>("alerts", {}, signal),
        rest.get<{ items: readonly Target[] }>("alerts/targets", {}, signal),
        rest.get<{ items: readonly Transition[] }>("alerts/history", {}, signal),
      ]);
      return { rules: rules.items, targets: targets.items, history: history.items };
    });
    const waits = this.#loaded.result?.history.some(({ deliveries }) => deliveries.some(isWaiting)) ?? false;
    if (waits && this.isConnected) this.#timer = setTimeout(() => void this.#load(), WAITING_MS);
  }

  override render() {
    const { result, problem } = this.#loaded;
    if (problem && result === null) return html`<p class="bad" role="alert">${words.failed(problem.detail)}</p>`;
    if (result === null) return html`<p class="soft">${dashboardText.lists.loading}</p>`;
    return html`${this.failure ? html`<p class="bad" role="alert">${this.failure}</p>` : nothing} ${this.#secretNote()}
      ${this.#firing(result)} ${this.#form(result)} ${this.#rules(result.rules)} ${this.#targets(result.targets)}
      ${this.#history(result.history)}`;
  }

  #secretNote() {
    if (!this.secret) return nothing;
    return html`<div class="notice warning" role="status">
      <p>${words.secret} <code>${this.secret}</code></p>
      <button class="button" type="button" @click=${() => this.#forgetSecret()}>${words.close}</button>
    </div>`;
  }

  #forgetSecret(): void {
    this.secret = "";
  }

  #firing({ rules, history }: Loaded) {
    const found = rules.filter((kept) => firing(kept).length > 0);
    if (found.length === 0)
      return html`<section class="card calm"><p>${rules.length ? words.calm : words.none}</p></section>`;
    return html`<section aria-label=${words.firing}>
      <ul class="fires" role="list">
        ${found.map((kept) => this.#alert(kept, history))}
      </ul>
    </section>`;
  }

  #alert(kept: KeptRule, history: readonly Transition[]) {
    const [state] = firing(kept);
    if (!state) return nothing;
    const seen = firing(kept).every(({ acknowledged_by }) => acknowledged_by !== null);
    const why = whyOf(firedBy(history, kept, state));
    return html`<li class="card alert ${seen ? "seen" : ""}">
      <div>
        <strong><bdi>${kept.rule.name}</bdi>${levelOf(state)}</strong>
        <span class="soft small">${words.since(dateTime(state.since))}${why ? ` · ${why}` : state.value === null ? nothing : ` · ${words.value(state.value)}`}${seen ? ` · ${words.seenBy(state.acknowledged_by ?? "")}` : nothing}${kept.silenced_until === null ? nothing : ` · ${words.silencedUntil(dateTime(kept.silenced_until))}`}</span>
      </div>
      <div class="acts">
        ${seen ? nothing : this.#button(words.acknowledge, () => this.#change("POST", `alerts/rules/${kept.id}/acknowledgements`))}
        ${kept.silenced_until === null ? this.#button(words.silence, () => this.#silence(kept.id)) : nothing}
      </div>
    </li>`;
  }

  #form({ rules, targets }: Loaded) {
    const { form } = this;
    if (form === null) {
      return html`<div><button class="button primary" id="new" type="button" @click=${() => this.#open("new")}>${words.newRule}</button></div>`;
    }
    const kept = form === "new" ? null : form;
    return keyed(
      kept?.id,
      html`<dashboard-rule-form
      .client=${this.client}
      .kept=${kept}
      .targets=${targets}
      .ids=${rules.map(({ id }) => id)}
      .userId=${this.params.user_id ?? ""}
      @analytics-rule-form-left=${this.#onFormLeft}
    ></dashboard-rule-form>`,
    );
  }

  #rules(rules: readonly KeptRule[]) {
    if (rules.length === 0) return nothing;
    return html`<section class="card">
      <h2>${words.rules}</h2>
      <ul role="list">
        ${rules.map((kept) => this.#rule(kept))}
      </ul>
    </section>`;
  }

  #rule(kept: KeptRule) {
    const { id, rule, states } = kept;
    return html`<li>
      <span class="name"><bdi>${rule.name}</bdi> <span class="soft small">${words.kinds[rule.kind]}${rule.window ? ` · ${windowText(rule.window)}` : nothing}${rule.limit ? ` · $${rule.limit}` : nothing}</span></span>
      ${rule.enabled === false ? html`<span class="soft small">${words.off}</span>` : statusOf(states)}
      <button class="link" type="button" data-rule=${id} aria-label=${words.changeOf(rule.name)} @click=${() => this.#open(kept)}>${words.change}</button>
      ${this.#button(words.remove, () => this.#change("DELETE", `alerts/rules/${id}`), words.removeOf(rule.name))}
    </li>`;
  }

  #targets(targets: readonly Target[]) {
    if (targets.length === 0) return nothing;
    return html`<section class="card">
      <h2>${words.targets}</h2>
      <ul role="list">
        ${targets.map(
          ({ id, address, ended_at }) => html`<li>
            <span class="name"><bdi>${id}</bdi> <span class="soft small">${address}${ended_at === null ? nothing : ` · ${words.ended}`}</span></span>
            ${this.#button(words.try, () => this.#try(id), words.tryOf(id))}
            ${this.#button(words.remove, () => this.#change("DELETE", `alerts/targets/${id}`), words.removeOf(id))}
          </li>`,
        )}
      </ul>
    </section>`;
  }

  #history(history: readonly Transition[]) {
    if (history.length === 0) return nothing;
    return html`<section class="card">
      <h2>${words.history}</h2>
      <ul role="list">
        ${history.map(
          (item) => html`<li class="past">
            <span class="when soft small">${dateTime(item.at)}</span>
            <span class="mark ${item.status}">${words.statuses[item.status]}</span>
            <span class="name"><bdi>${item.message.data.name ?? item.rule}</bdi>${levelOf(item)} <span class="soft small">${whyOf(item)}</span></span>
            <span class="sent">${item.held === null ? item.deliveries.map((sent) => this.#sent(sent)) : html`<span class="soft small">${words.held[item.held as "silenced" | "inhibited"]}</span>`}</span>
          </li>`,
        )}
      </ul>
    </section>`;
  }

  #sent(sent: Delivery) {
    const again =
      sent.status === "waiting" && sent.attempts === 0
        ? nothing
        : this.#button(words.again, () => this.#again(sent.id), words.againTo(sent.target));
    return html`<span class="delivery">
      <span class="small ${sent.status === "delivered" || isWaiting(sent) ? "soft" : "bad"}" title=${sent.error ?? ""}><bdi>${sent.target}</bdi>: ${words.deliveries[sent.status]}${sent.error ? ` (${sent.error})` : nothing}</span>${again}
    </span>`;
  }

  #button(text: string, act: () => void, label = text) {
    return html`<button class="link" type="button" aria-label=${label} @click=${act}>${text}</button>`;
  }

  #open(form: KeptRule | "new"): void {
    this.form = form;
    this.failure = "";
  }

  #onFormLeft = (event: RuleFormLeft): void => {
    const { form } = this;
    this.form = null;
    this.secret = event.secret ?? "";
    void this.#load();
    if (form !== null) void this.#focus(form);
  };

  /** Focus what the form was opened by, which may be another element now. */
  async #focus(form: KeptRule | "new"): Promise<void> {
    await this.updateComplete;
    const opener = form === "new" ? "#new" : `[data-rule="${form.id}"]`;
    this.renderRoot.querySelector<HTMLElement>(opener)?.focus();
  }

  async #change(method: "POST" | "DELETE", path: string, body?: unknown): Promise<void> {
    this.failure = "";
    try {
      await this.client.rest.change(method, path, body);
    } catch (error) {
      this.failure = words.failed(problemOf(error).detail);
    }
    await this.#load();
  }

  #silence(rule: string): void {
    const until = new Date(this.now + HOUR_MS).toISOString();
    void this.#change("POST", "alerts/silences", { until, matcher: { rule } });
  }

  async #try(id: string): Promise<void> {
    this.failure = "";
    try {
      const tried = await this.client.rest.change<{ error: string | null }>("POST", `alerts/targets/${id}/trials`);
      this.failure = tried?.error ? words.failed(tried.error) : "";
      this.secret = "";
    } catch (error) {
      this.failure = words.failed(problemOf(error).detail);
    }
  }

  #again(id: string): void {
    void this.client.rest
      .fetch(`alerts/deliveries/${id}/attempts`, {}, {}, undefined, { method: "POST" })
      .catch((error: unknown) => {
        this.failure = words.failed(problemOf(error).detail);
      })
      .then(() => this.#load());
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-4);
      }
      .card {
        padding: var(--space-4);
      }
      .calm p {
        margin: 0;
      }
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      h2 {
        margin-bottom: var(--space-2);
      }
      section li {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: var(--space-1) var(--space-3);
        min-height: 40px;
        border-bottom: 1px solid var(--line);
      }
      section li:last-child {
        border-bottom: 0;
      }
      .fires {
        display: grid;
        gap: var(--space-2);
      }
      .fires .alert {
        display: flex;
        justify-content: space-between;
        border: 1px solid color-mix(in srgb, var(--bad) 45%, var(--line));
        background: color-mix(in srgb, var(--bad) 7%, var(--surface));
      }
      .fires .seen {
        border-color: var(--line);
        background: var(--surface);
      }
      .alert > div:first-child {
        display: grid;
      }
      .name {
        flex: 1 1 200px;
        min-width: 0;
        overflow-wrap: anywhere;
      }
      .when {
        flex: 0 0 180px;
      }
      .mark {
        flex: 0 0 90px;
        font-weight: var(--bold);
        font-size: var(--text-small);
      }
      .firing,
      .bad {
        color: var(--bad);
      }
      .resolved,
      .ok {
        color: var(--good);
      }
      .pending {
        color: var(--warn);
      }
      .delivery {
        display: flex;
        flex-wrap: wrap;
        gap: 0 var(--space-2);
        align-items: center;
      }
      .link {
        min-height: 28px;
        padding: 0 6px;
        border: 0;
        border-radius: var(--radius-small);
        background: none;
        color: var(--accent);
        font: inherit;
        font-size: var(--text-small);
        cursor: pointer;
      }
      .link:hover {
        background: var(--raised);
      }
      code {
        overflow-wrap: anywhere;
      }
      @media print {
        .link,
        .button {
          display: none;
        }
      }
    `,
  ];
}

function isWaiting({ status, attempts }: Delivery): boolean {
  return status === "waiting" && attempts === 0;
}

function levelOf({ level }: { readonly level: number | null }): string {
  return level === null ? "" : ` (${level} %)`;
}

/** Why an hour was unusual; "" of every other rule. */
function whyOf(item: Transition | undefined): string {
  const usual = item?.message.data.usual;
  return item && usual ? whyText(item.value ?? "", usual) : "";
}

function windowText(window: string): string {
  return Object.hasOwn(words.windows, window) ? words.windows[window as keyof typeof words.windows] : window;
}

/** How a rule stands: at its highest level that fires, or else the worst of all. */
function statusOf(states: readonly RuleState[]) {
  const found = (["firing", "pending"] as const).find((status) => states.some((state) => state.status === status));
  const status = found ?? "ok";
  return html`<span class="small ${status}">${words.statuses[status]}</span>`;
}

define("dashboard-alerts", Alerts);
