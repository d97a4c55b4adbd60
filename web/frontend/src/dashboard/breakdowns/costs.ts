/** The view of costs: what was spent in the range, on what, and for each user, conversation and token. */

import { css, html, nothing } from "lit";
import type { Breakdown, Series } from "../../client/catalogue";
import { ClockController } from "../../ui/clock-controller";
import { define } from "../../ui/define";
import { count, dollars, rate } from "../../ui/format";
import { LatestRequest } from "../latest-request";
import { dateBounds } from "../lists/list-view";
import { LiveElement } from "../live-element";
import { Pace } from "../pace";
import { type Params, writeRoute } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { byLabel, each, ofRows, unpriced } from "./breakdown";
import "./breakdown-view";
import { TOKENS, type Totals, totalsOf } from "./totals";

const words = dashboardText.costs;
const LISTS = ["model", "user", "conversation"] as const;

interface Found {
  readonly users: Breakdown;
  readonly conversations: Breakdown;
  readonly totals: Totals;
}

export class CostsView extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, zone: {}, scheme: {} };
  declare params: Params;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  declare scheme: string;

  readonly #request = new LatestRequest<Found>(() => this.requestUpdate());
  readonly #pace = new Pace();
  #asked = "";
  #isOpen = true;

  constructor() {
    super();
    this.params = {};
    this.zone = null;
    this.scheme = "light";
    new ClockController(this, () => true);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#request.abort();
    this.#asked = "";
  }

  override willUpdate(): void {
    const { range, from, to } = this.params;
    const asked = JSON.stringify([range, from, to, this.zone]);
    if (asked !== this.#asked) {
      this.#asked = asked;
      this.#load(true);
    } else if (this.#request.isRetryDue) this.#load(false);
    else if (this.#isOpen && !this.#request.isLoading && !this.#request.problem) {
      if (this.#pace.isDue(this.client.figures.position)) this.#load(false);
    }
  }

  #load(discard: boolean): void {
    const bounds = dateBounds(this.params, this.now, this.zone);
    this.#isOpen = bounds.to === null;
    const read = async (signal: AbortSignal): Promise<Found> => {
      const by = (dimension: string) =>
        this.client.rest.get<Breakdown>("breakdown", { metric: "cost", by: dimension, limit: 1, ...bounds }, signal);
      const query = { metrics: TOKENS, interval: "day", ...bounds };
      const [users, conversations, series] = await Promise.all([
        by("user"),
        by("conversation"),
        this.client.rest.get<Series>("series", query, signal),
      ]);
      return { users, conversations, totals: totalsOf(series) };
    };
    const { position } = this.client.figures;
    void this.#request.load((signal) => this.#pace.load(position, () => read(signal)), discard);
  }

  override render() {
    return html`${this.#figures()}
      <p class="soft small">${dashboardText.daysOf(this.zone)} ${words.note}</p>
      ${this.#part("model", words.byDay, "chart")}
      ${LISTS.map(
        (by) => html`<section>
          <div class="head">
            <h2>${words.by(byLabel(by))}</h2>
            <a href=${writeRoute({ view: "explore", params: { metric: "cost", by } })}>${words.explore}</a>
          </div>
          ${this.#part(by, words.by(byLabel(by)), "table")}
        </section>`,
      )}`;
  }

  #part(by: string, caption: string, parts: "chart" | "table") {
    return html`<dashboard-breakdown
      .client=${this.client}
      .choice=${{ metric: "cost", by }}
      .params=${this.params}
      view="costs"
      .zone=${this.zone}
      .scheme=${this.scheme}
      .caption=${caption}
      .parts=${parts}
      .limit=${10}
    ></dashboard-breakdown>`;
  }

  #figures() {
    const { result, problem } = this.#request;
    if (problem && !result) return html`<div class="notice" role="alert"><p>${problem.detail}</p></div>`;
    const { users = null, conversations = null, totals = null } = result ?? {};
    const beside = unpriced(users?.unpriced_calls ?? null);
    const figure = (label: string, value: string | null, note = beside) =>
      html`<div class="figure">
        <dt>${label}</dt>
        <dd>${value ?? "–"}${note ? html`<small>${note}</small>` : nothing}</dd>
      </div>`;
    const cached = totals && rate(totals.cached_input_tokens, totals.input_tokens);
    return html`<dl class="figures card" aria-busy=${result === null}>
      ${figure(words.total, users && dollars(users.total))}
      ${figure(words.perUser, users && dollars(each(ofRows(users), users.rows)), users ? words.users(count(users.rows)) : "")}
      ${figure(
        words.perConversation,
        conversations && dollars(each(ofRows(conversations), conversations.rows)),
        conversations ? words.conversations(count(conversations.rows)) : "",
      )}
      ${figure(words.perTokens, totals && users && dollars(each(users.total, totals.priced / 1000)), words.pricedOnly)}
      ${figure(words.cached, cached, totals ? words.input(count(totals.input_tokens)) : "")}
      ${figure(words.unpriced, users && count(users.unpriced_calls), totals ? words.tokens(count(totals.unpriced_tokens)) : "")}
    </dl>`;
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-4);
        min-width: 0;
        container-type: inline-size;
      }
      p {
        margin: 0;
      }
      section {
        display: grid;
        gap: var(--space-2);
        min-width: 0;
      }
      .head {
        display: flex;
        flex-wrap: wrap;
        align-items: baseline;
        justify-content: space-between;
        gap: var(--space-1) var(--space-4);
      }
      .figures {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        gap: 1px;
        margin: 0;
        background: var(--line);
        overflow: hidden;
      }
      @container (width >= 720px) {
        .figures {
          grid-template-columns: repeat(3, minmax(0, 1fr));
        }
      }
      @container (width >= 1200px) {
        .figures {
          grid-template-columns: repeat(6, minmax(0, 1fr));
        }
      }
      .figure {
        min-width: 0;
        padding: 10px 12px;
        background: var(--surface);
      }
      dt {
        color: var(--soft);
        font-size: var(--text-small);
      }
      dd {
        margin: 0;
        font-size: var(--text-title);
        font-weight: var(--bold);
        letter-spacing: -0.015em;
        overflow-wrap: anywhere;
      }
      small {
        display: block;
        color: var(--soft);
        font-size: var(--text-small);
        font-weight: 400;
        letter-spacing: 0;
      }
    `,
  ];
}

define("dashboard-costs", CostsView);
