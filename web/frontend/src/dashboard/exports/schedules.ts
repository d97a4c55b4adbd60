/** The reports that are sent by e-mail again and again: their list, and a form that adds or changes one. */

import { css, html, LitElement, nothing } from "lit";
import { keyed } from "lit/directives/keyed.js";
import type { SavedView } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import { define } from "../../ui/define";
import { dateTime } from "../../ui/format";
import { currentLanguage } from "../../ui/languages/language";
import { LatestRequest, problemOf } from "../latest-request";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { EVERY, type Every, newSchedule, type Schedule, type ScheduleList, whatOf } from "./schedule";

const words = dashboardText.schedules;

interface Loaded {
  readonly list: ScheduleList;
  readonly views: readonly SavedView[];
}

export class Schedules extends LitElement {
  static override properties = {
    client: { attribute: false },
    form: { state: true },
    every: { state: true },
    failure: { state: true },
  };
  declare client: AnalyticsClient;
  /** What the form is about: the schedule that is changed; null: there is no form. */
  declare form: Schedule | "new" | null;
  declare every: Every;
  declare failure: string;

  readonly #loaded = new LatestRequest<Loaded>(() => this.requestUpdate());

  constructor() {
    super();
    this.form = null;
    this.every = "weekly";
    this.failure = "";
  }

  /** Load the list and the saved views: another admin may have changed them. */
  load(): Promise<void> {
    return this.#loaded.load(async (signal) => {
      const { rest } = this.client;
      const list = await rest.get<ScheduleList>("report-schedules", {}, signal);
      const { items } = await rest.get<{ items: readonly SavedView[] }>("views", {}, signal);
      return { list, views: items };
    });
  }

  override render() {
    return html`<h3>${words.title}</h3>
      ${this.#list()} ${this.failure ? html`<p class="bad" role="alert">${words.failed(this.failure)}</p>` : nothing}`;
  }

  #list() {
    const { result, problem } = this.#loaded;
    if (problem) return html`<p class="bad" role="alert">${words.failed(problem.detail)}</p>`;
    if (result === null) return html`<p class="soft">${dashboardText.lists.loading}</p>`;
    const { list, views } = result;
    return html`${list.items.length === 0 ? html`<p class="soft">${words.none}</p>` : nothing}
      <ul role="list">
        ${list.items.map((schedule) => this.#item(schedule))}
      </ul>
      ${this.#add(list, views)}`;
  }

  #item(schedule: Schedule) {
    const { name, every, recipients, targets, next_at, problem } = schedule;
    return html`<li>
      <div>
        <bdi>${name}</bdi>
        <p class="soft small">${words.every[every]}, ${[...recipients, ...targets].join(", ")}. ${words.next(dateTime(next_at))}</p>
        ${problem === null ? nothing : html`<p class="bad small">${words.problem(problem)}</p>`}
      </div>
      <button type="button" class="button" data-schedule=${schedule.id} aria-label=${words.changeOf(name)} @click=${() => this.#open(schedule)}>${words.change}</button>
      <button type="button" class="button" aria-label=${words.removeOf(name)} @click=${() => this.#remove(schedule)}>${words.remove}</button>
    </li>`;
  }

  #add(list: ScheduleList, views: readonly SavedView[]) {
    if (!list.can_send) return html`<p class="soft">${words.noServer}</p>`;
    const { form } = this;
    if (form === null)
      return html`<button class="button" id="add" type="button" @click=${() => this.#open("new")}>${words.add}</button>`;
    const kept = form === "new" ? null : form;
    return keyed(kept?.id, this.#form(kept, list, views));
  }

  #form(kept: Schedule | null, list: ScheduleList, views: readonly SavedView[]) {
    return html`<form @submit=${this.#submit}>
      <label class="field">${words.name}<input name="name" value=${kept?.name ?? ""} maxlength="100" required autocomplete="off" /></label>
      ${this.#what(kept, views)}
      <label class="field">${words.when}<select name="every" @change=${this.#chooseEvery}>
        ${EVERY.map((every) => html`<option value=${every} ?selected=${every === this.every}>${words.every[every]}</option>`)}
      </select></label>
      ${this.#day(kept)}
      <label class="field">${words.at(list.timezone)}<input name="at" type="time" value=${kept?.at ?? "08:00"} required /></label>
      <label class="field">${words.recipients}<input name="recipients" type="text" value=${kept?.recipients.join(", ") ?? ""} ?required=${!kept?.targets.length} autocomplete="off" /></label>
      <label class="field">${dashboardText.exports.paper}<select name="paper">
        <option value="a4">A4</option>
        <option value="us-letter" ?selected=${kept?.paper === "us-letter"}>Letter</option>
      </select></label>
      <div class="acts">
        <button class="button primary" type="submit">${words.done}</button>
        <button class="button" type="button" @click=${this.#cancel}>${words.cancel}</button>
      </div>
    </form>`;
  }

  #what(kept: Schedule | null, views: readonly SavedView[]) {
    const { overview, costs } = words.reports;
    const known = new Map([
      ["overview", overview],
      ["costs", costs],
      ...views.map(({ id, name }) => [`view:${id}`, name] as const),
    ]);
    const chosen = kept === null ? "overview" : whatOf(kept);
    // A report that only REST offers, or a view that was deleted.
    if (!known.has(chosen)) known.set(chosen, chosen);
    return html`<label class="field">${words.what}<select name="what">
      ${[...known].map(([value, text]) => html`<option value=${value} ?selected=${value === chosen}>${text}</option>`)}
    </select></label>`;
  }

  #day(kept: Schedule | null) {
    const on = kept?.every === this.every ? (kept.on ?? 1) : 1;
    if (this.every === "daily") return nothing;
    if (this.every === "monthly")
      return html`<label class="field">${words.dayOfMonth}<input name="on" type="number" min="1" max="31" value=${on} required /></label>`;
    return html`<label class="field">${words.weekday}<select name="on">
      ${words.weekdays.map((day, index) => html`<option value=${index + 1} ?selected=${index + 1 === on}>${day}</option>`)}
    </select></label>`;
  }

  async #open(form: Schedule | "new"): Promise<void> {
    this.form = form;
    this.every = form === "new" ? "weekly" : form.every;
    this.failure = "";
    await this.updateComplete;
    this.renderRoot.querySelector("input")?.focus();
  }

  /** Close the form, and focus what it was opened by, which may be another element now. */
  #cancel = async (): Promise<void> => {
    const { form } = this;
    this.form = null;
    this.failure = "";
    await this.updateComplete;
    const opener = form === "new" || form === null ? "#add" : `[data-schedule="${form.id}"]`;
    this.renderRoot.querySelector<HTMLElement>(opener)?.focus();
  };

  #chooseEvery = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    this.every = EVERY.find((every) => every === value) ?? this.every;
  };

  #submit = (event: Event): void => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target as HTMLFormElement)) as Record<string, string>;
    void this.#change(async () => {
      const { form } = this;
      const { rest } = this.client;
      if (form === "new" || form === null)
        await rest.change("POST", "report-schedules", newSchedule(fields, currentLanguage()));
      else await rest.change("PUT", `report-schedules/${form.id}`, newSchedule(fields, form.language, form.targets));
      await this.#cancel();
    });
  };

  #remove(schedule: Schedule): void {
    void this.#change(async () => {
      await this.client.rest.change("DELETE", `report-schedules/${schedule.id}`);
    });
  }

  async #change(work: () => Promise<void>): Promise<void> {
    this.failure = "";
    try {
      await work();
    } catch (error) {
      this.failure = problemOf(error).detail;
    }
    await this.load();
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        padding-top: var(--space-3);
        border-top: 1px solid var(--line);
      }
      h3 {
        margin: 0 0 var(--space-2);
        font: var(--bold) var(--text-body) / 1.4 var(--font);
      }
      p {
        margin: 0 0 var(--space-2);
      }
      .bad {
        color: var(--bad);
      }
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: flex;
        align-items: start;
        gap: var(--space-2);
        padding: var(--space-2) 0;
        border-bottom: 1px solid var(--line);
        overflow-wrap: anywhere;
      }
      li div {
        flex: 1;
        min-width: 0;
      }
      form {
        display: grid;
        gap: var(--space-2);
        margin-top: var(--space-3);
      }
      .acts {
        display: flex;
        gap: var(--space-2);
      }
      li + li:last-child {
        border-bottom: 0;
      }
      ul + .button {
        margin-top: var(--space-3);
      }
    `,
  ];
}

define("dashboard-schedules", Schedules);
