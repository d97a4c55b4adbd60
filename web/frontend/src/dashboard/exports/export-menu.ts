/** A menu that saves what is on screen as PDF, and that has the reports that are sent by e-mail. */

import { css, html, LitElement, nothing } from "lit";
import type { AnalyticsClient } from "../../client/client";
import { define } from "../../ui/define";
import { downloadIcon } from "../../ui/icons";
import { currentLanguage } from "../../ui/languages/language";
import { download } from "../download";
import { problemOf } from "../latest-request";
import type { Route } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { costsOf, type ReportQuery, reportOf } from "./report-query";
import "./schedules";
import type { Schedules } from "./schedules";

const words = dashboardText.exports;

export class ExportMenu extends LitElement {
  static override properties = {
    client: { attribute: false },
    route: { attribute: false },
    zone: {},
    isOpen: { state: true },
    isRunning: { state: true },
    failure: { state: true },
  };
  declare client: AnalyticsClient;
  declare route: Route;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  declare isOpen: boolean;
  declare isRunning: boolean;
  declare failure: string;

  constructor() {
    super();
    this.zone = null;
    this.isOpen = false;
    this.isRunning = false;
    this.failure = "";
  }

  override render() {
    return html`<button class="icon-button" type="button" popovertarget="menu" aria-label=${words.title} title=${words.title} aria-expanded=${this.isOpen}>${downloadIcon()}</button>
      <div id="menu" popover role="dialog" aria-label=${words.title} @toggle=${this.#toggle}>
        <h2 tabindex="-1">${words.title}</h2>
        <label class="field">${words.paper}<select name="paper">
          <option value="a4">A4</option>
          <option value="us-letter">Letter</option>
        </select></label>
        <div class="acts">
          ${reportOf(this.route, this.#now, this.zone) ? this.#button(words.view, reportOf) : nothing}
          ${this.#button(words.costs, costsOf)}
        </div>
        ${this.failure ? html`<p class="bad" role="alert">${words.failed(this.failure)}</p>` : nothing}
        <dashboard-schedules .client=${this.client}></dashboard-schedules>
      </div>`;
  }

  #button(label: string, queryOf: typeof reportOf) {
    return html`<button class="button" type="button" ?disabled=${this.isRunning} aria-busy=${this.isRunning} @click=${() => this.#save(queryOf(this.route, this.#now, this.zone))}>${label}</button>`;
  }

  get #now(): number {
    return Date.now() + this.client.clockOffset;
  }

  #toggle = (event: ToggleEvent): void => {
    this.isOpen = event.newState === "open";
    this.failure = "";
    if (!this.isOpen) return;
    this.renderRoot.querySelector("h2")?.focus();
    void this.renderRoot.querySelector<Schedules>("dashboard-schedules")?.load();
  };

  async #save(query: ReportQuery | null): Promise<void> {
    if (query === null) return;
    this.isRunning = true;
    this.failure = "";
    const paper = this.renderRoot.querySelector("select")?.value ?? "a4";
    try {
      const params = { ...query, paper, language: currentLanguage() === "de" ? "de" : "en" };
      const response = await this.client.rest.fetch("report.pdf", params, { Accept: "application/pdf" });
      download(await response.blob(), `${query.of}.pdf`);
    } catch (error) {
      this.failure = problemOf(error).detail;
    }
    this.isRunning = false;
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: contents;
      }
      #menu {
        position: fixed;
        inset: 60px 12px auto auto;
        width: min(420px, 100vw - 24px);
        max-height: calc(100dvh - 80px);
        margin: 0;
        padding: var(--space-4);
        overflow: auto;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        box-shadow: var(--shadow);
      }
      h2 {
        margin-bottom: var(--space-2);
      }
      h2:focus {
        outline: none;
      }
      .acts {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-2);
        margin: var(--space-3) 0;
      }
      .bad {
        color: var(--bad);
      }
      @media print {
        :host {
          display: none;
        }
      }
    `,
  ];
}

define("dashboard-export", ExportMenu);
