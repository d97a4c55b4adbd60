/** The full dashboard, `<convoai-dashboard>`: who may look, how fresh it is, and the views. */

import { html, LitElement, nothing, type PropertyValues } from "lit";
import { timeOfDay } from "../../ui/format";
import { icon } from "../../ui/icons";
import { define } from "../../ui/define";
import { Seconds } from "../../ui/clock-controller";
import "../../ui/elements/status-pill";
import "../views/activity";
import { Appearance } from "./appearance";
import "../views/conversations";
import "../views/days";
import "../views/endpoints";
import { OWN_ZONE } from "../../ui/times";
import { fresh } from "../freshness";
import { themeIcon, viewIcon } from "../../ui/icons2";
import type { LinkAnswered } from "./link-bar";
import "./link-bar";
import "../views/overview";
import type { SeriesAnswer } from "../charts/points";
import { Navigate, parseRoute, type Route, VIEWS, type View, writeRoute } from "../route";
import { sheet } from "../styles";
import { layout } from "./shell-layout";
import "./signed-out";
import "../views/users";
import { arrive, offer, stay, useLink } from "../../client/auth/sign-in-link";
import { dashboardText as words } from "../../ui/text";
import { forgetToken } from "../../client/auth/token";
import { client } from "./session";

/** How long to wait after the zone could not be asked, ms. */
const ZONE_RETRY = 10_000;

export class Dashboard extends LitElement {
  static override properties = { route: { state: true } };
  declare route: Route;

  readonly #appearance = new Appearance(() => this.requestUpdate());
  #zone: string | null = null;
  #zoneAskedAt = Number.NEGATIVE_INFINITY;

  constructor() {
    super();
    this.route = parseRoute(location.hash);
    client.subscribe(() => this.requestUpdate());
    addEventListener("hashchange", this.#arrived);
    this.addEventListener(Navigate.kind, (event) => this.#go(event as Navigate));
    new Seconds(this, () => true);
  }

  override willUpdate(): void {
    const { wish } = this.#appearance;
    if (wish === "system") this.removeAttribute("theme");
    else if (this.getAttribute("theme") !== wish) this.setAttribute("theme", wish);
    if (!client.figures.summary || this.#zone !== null) return;
    if (Date.now() - this.#zoneAskedAt >= ZONE_RETRY) void this.#askZone();
  }

  /** Until it is told: a service keeps the zone that it began with. */
  async #askZone(): Promise<void> {
    this.#zoneAskedAt = Date.now();
    try {
      const today = { metrics: "messages", interval: "day", from: new Date(Date.now() - 1).toISOString() };
      this.#zone = (await client.rest.get<SeriesAnswer>("series", today)).timezone;
      this.requestUpdate();
    } catch {
      // Days are those of the admin's zone for some seconds more.
    }
  }

  override render() {
    const { status } = client;
    return status.kind === "signed-out"
      ? html`${this.#head(false)}${this.#link()}
          <main>
            <dashboard-signed-out .reason=${status.reason} @analytics-signed-in=${() => client.signIn()}></dashboard-signed-out>
          </main>`
      : html`${this.#head(true)}${this.#link()}
          <div class="frame">
            ${this.#navigation()}
            <main id="content" tabindex="-1">
              <h1 tabindex="-1">${words.views[this.route.view]}</h1>
              ${this.#freshness()} ${this.#view()}
            </main>
            <footer>${words.zones(OWN_ZONE, this.#zone)}</footer>
          </div>`;
  }

  #head(signedIn: boolean) {
    const { wish, next } = this.#appearance;
    return html`<header>
        ${signedIn ? html`<a class="skip button" href="#" @click=${this.#skip}>${words.skip}</a>` : nothing}
        <a class="brand" href=${writeRoute({ view: "overview", params: {} })} aria-label=${words.product}>
          <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path d="M8 22v-5m5.3 5V10m5.4 12v-8M24 22V7" /></svg>
          <span>${words.product}</span>
        </a>
        <convoai-status .client=${client}></convoai-status>
        ${signedIn ? this.#button(words.refresh, icon("refresh"), () => client.refresh()) : nothing}
        ${this.#button(words.switchTo(words.themes[wish], words.themes[next]), themeIcon(wish), this.#toggle)}
        ${signedIn ? this.#button(words.signOut, icon("logout"), this.#signOut) : nothing}
      </header>`;
  }

  /** Asks before a link puts somebody else in the place of who is signed in. */
  #link() {
    const asked = offer();
    if (asked === null) return nothing;
    return html`<dashboard-link-bar .offer=${asked} @analytics-link-answered=${this.#answered}></dashboard-link-bar>`;
  }

  #answered = ({ used }: LinkAnswered): void => {
    if (used) {
      useLink();
      this.#reload();
    } else {
      stay();
      this.requestUpdate();
    }
  };

  #button(label: string, drawing: unknown, act: () => void) {
    return html`<button class="icon-button" type="button" aria-label=${label} title=${label} @click=${act}>${drawing}</button>`;
  }

  #navigation() {
    const link = (view: View) => {
      const here = view === this.route.view;
      return html`<li>
        <a href=${writeRoute({ view, params: {} })} aria-current=${here ? "page" : nothing}>${viewIcon(view)}${words.views[view]}</a>
      </li>`;
    };
    return html`<nav aria-label=${words.navigation}><ul>${VIEWS.map(link)}</ul></nav>`;
  }

  /** Figures that are not those of now say so where they are read, not only in the head. */
  #freshness() {
    const { at, staleSince } = client.figures;
    if (at === null) return nothing;
    const { kind } = fresh(client);
    if (client.status.kind === "polling" && kind === "polling") {
      return html`<div class="notice calm"><p>${words.notLive.polling(String(client.status.every))}</p></div>`;
    }
    if (kind !== "stale" && kind !== "reconnecting") return nothing;
    return html`<div class="notice"><p>${words.notLive[kind](timeOfDay(staleSince ?? at))}</p></div>`;
  }

  #view() {
    const { view, params } = this.route;
    switch (view) {
      case "overview": {
        const { kind } = fresh(client);
        const stale = kind === "stale" || kind === "reconnecting";
        return html`<dashboard-overview .client=${client} .params=${params} .scheme=${this.#appearance.scheme} .zone=${this.#zone} .stale=${stale}></dashboard-overview>`;
      }
      case "activity":
        return html`<dashboard-activity .client=${client} .params=${params}></dashboard-activity>`;
      case "users":
        return html`<dashboard-users .client=${client} .params=${params}></dashboard-users>`;
      case "conversations":
        return html`<dashboard-conversations .client=${client} .params=${params}></dashboard-conversations>`;
      case "api":
        return html`<dashboard-endpoints .client=${client} .params=${params} .zone=${this.#zone}></dashboard-endpoints>`;
      case "days":
        return html`<dashboard-days .client=${client} .params=${params} .zone=${this.#zone}></dashboard-days>`;
    }
  }

  override updated(changed: PropertyValues<this>): void {
    const { kind, words: state } = fresh(client);
    const title = words.title(kind === "live" ? `● ${words.lists.live}` : state);
    if (document.title !== title) document.title = title;
    if (!changed.has("route")) return;
    // On a phone the views are a row that scrolls. Sideways only: the page stays where it is.
    const row = this.renderRoot.querySelector("nav");
    const here = row?.querySelector<HTMLElement>("[aria-current]");
    if (row && here) row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
  }

  #go({ route, replace }: Navigate): void {
    const address = writeRoute(route);
    if (replace) history.replaceState(history.state, "", address);
    else history.pushState(null, "", address);
    this.#show(parseRoute(address));
  }

  #arrived = (): void => {
    // A link with a new token, opened in this tab: it may be another tenant's.
    const arrival = arrive();
    if (arrival === "signed-in") this.#reload();
    else this.#show(parseRoute(location.hash));
    if (arrival === "asks") this.requestUpdate();
  };

  #show(route: Route): void {
    const other = route.view !== this.route.view;
    if (writeRoute(route) !== writeRoute(this.route)) this.route = route;
    if (!other) return;
    scrollTo(0, 0);
    void this.updateComplete.then(() => this.renderRoot.querySelector("h1")?.focus({ preventScroll: true }));
  }

  #skip = (event: Event): void => {
    event.preventDefault();
    this.renderRoot.querySelector<HTMLElement>("#content")?.focus();
  };

  #toggle = (): void => {
    this.#appearance.toggle();
    this.requestUpdate();
  };

  #signOut = (): void => {
    forgetToken();
    this.#reload();
  };

  /** Loaded anew, the page holds nothing of what the token before has shown. */
  #reload(): void {
    client.stop();
    location.reload();
  }

  static override styles = [...sheet, layout];
}

define("convoai-dashboard", Dashboard);
