/** The reports that are sent by e-mail again and again: their list, and a form that adds one. */

import { css, html, LitElement, nothing } from "lit";
import type { SavedView } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import { define } from "../../ui/define";
import { dateTime } from "../../ui/format";
import { currentLanguage } from "../../ui/languages/language";
import { LatestRequest, problemOf } from "../latest-request";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { EVERY, type Every, newSchedule, type Schedule, type ScheduleList } from "./schedule";

const words = dashboardText.schedules;

interface Loaded {
  readonly list: ScheduleList;
  readonly views: readonly SavedView[];
}

export class Schedules extends LitElement {
  static override properties = {
    client: { attribute: false },
    isAdding: { state: true },
    every: { state: true },
    failure: { state: true },
  };
  declare client: AnalyticsClient;
  declare isAdding: boolean;
  declare every: Every;
  declare failure: string;

  readonly #loaded = new LatestRequest<Loaded>(() => this.requestUpdate());

  constructor() {
    super();
    this.isAdding = false;
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
    const { name, every, recipients, next_at, problem } = schedule;
    return html`<li>
      <div>
        <bdi>${name}</bdi>
        <p class="soft small">${words.every[every]}, ${recipients.join(", ")}. ${words.next(dateTime(next_at))}</p>
        ${problem === null ? nothing : html`<p class="bad small">${words.problem(problem)}</p>`}
      </div>
      <button type="button" class="button" aria-label=${words.removeOf(name)} @click=${() => this.#remove(schedule)}>${words.remove}</button>
    </li>`;
  }

  #add(list: ScheduleList, views: readonly SavedView[]) {
    if (!list.can_send) return html`<p class="soft">${words.noServer}</p>`;
    if (!this.isAdding) return html`<button class="button" type="button" @click=${this.#begin}>${words.add}</button>`;
    return html`<form @submit=${this.#submit}>
      <label class="field">${words.name}<input name="name" maxlength="100" required autocomplete="off" /></label>
      <label class="field">${words.what}<select name="what">
        <option value="overview">${words.reports.overview}</option>
        <option value="costs">${words.reports.costs}</option>
        ${views.map((view) => html`<option value=${`view:${view.id}`}>${view.name}</option>`)}
      </select></label>
      <label class="field">${words.when}<select name="every" @change=${this.#chooseEvery}>
        ${EVERY.map((every) => html`<option value=${every} ?selected=${every === this.every}>${words.every[every]}</option>`)}
      </select></label>
      ${this.#day()}
      <label class="field">${words.at(list.timezone)}<input name="at" type="time" value="08:00" required /></label>
      <label class="field">${words.recipients}<input name="recipients" type="text" required autocomplete="off" /></label>
      <label class="field">${dashboardText.exports.paper}<select name="paper">
        <option value="a4">A4</option>
        <option value="us-letter">Letter</option>
      </select></label>
      <div class="acts">
        <button class="button primary" type="submit">${words.done}</button>
        <button class="button" type="button" @click=${this.#cancel}>${words.cancel}</button>
      </div>
    </form>`;
  }

  #day() {
    if (this.every === "daily") return nothing;
    if (this.every === "monthly")
      return html`<label class="field">${words.dayOfMonth}<input name="on" type="number" min="1" max="31" value="1" required /></label>`;
    return html`<label class="field">${words.weekday}<select name="on">
      ${words.weekdays.map((day, index) => html`<option value=${index + 1}>${day}</option>`)}
    </select></label>`;
  }

  #begin = async (): Promise<void> => {
    this.isAdding = true;
    this.failure = "";
    await this.updateComplete;
    this.renderRoot.querySelector("input")?.focus();
  };

  #cancel = (): void => {
    this.isAdding = false;
    this.failure = "";
  };

  #chooseEvery = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    this.every = EVERY.find((every) => every === value) ?? this.every;
  };

  #submit = (event: Event): void => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target as HTMLFormElement)) as Record<string, string>;
    void this.#change(async () => {
      await this.client.rest.change("POST", "report-schedules", newSchedule(fields, currentLanguage()));
      this.isAdding = false;
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
