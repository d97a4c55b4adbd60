/** The dashboard, `<convoai-dashboard>`: signing in and out, the status of the figures, and the views. */

import { html, LitElement, nothing, type PropertyValues } from "lit";
import { cache } from "lit/directives/cache.js";
import { takeLinkKey } from "../../client/auth/sign-in-link";
import type { Series } from "../../client/catalogue";
import { ClockController } from "../../ui/clock-controller";
import { define } from "../../ui/define";
import "../../ui/elements/status-pill";
import { isEmpty } from "../../ui/empty-lists";
import { BROWSER_ZONE, count, counted, dateTime, timeOfDay } from "../../ui/format";
import { currentFreshness } from "../../ui/freshness";
import {
  apiCallIcon,
  bellIcon,
  calendarIcon,
  chartIcon,
  coinsIcon,
  darkThemeIcon,
  type Icon,
  lightThemeIcon,
  linesIcon,
  logoutIcon,
  messageIcon,
  peopleIcon,
  pulseIcon,
  refreshIcon,
  searchIcon,
  slicesIcon,
  systemThemeIcon,
  textIcon,
} from "../../ui/icons";
import "../first-day/first-day";
import "../ranges/range-menu";
import type { RangeChosen } from "../ranges/range-menu";
import { isPage, keepParams, Navigate, PAGES, parseRoute, type Route, VIEWS, writeAddress, writeRoute } from "../route";
import { baseStyles } from "../styles";
import { dashboardText as words } from "../text";
import "../breakdowns/costs";
import "../breakdowns/explore";
import "../alerts/alerts";
import "../views/activity";
import "../views/calls";
import "../views/conversations";
import "../views/days";
import "../views/endpoints";
import "../views/messages";
import "../views/overview";
import "../views/users";
import "../exports/export-menu";
import "../finder/chips";
import { Keys } from "../finder/keys";
import type { Palette } from "../finder/palette";
import type { SavedViews } from "../finder/saved-views";
import "../finder/shortcuts";
import type { Shortcuts } from "../finder/shortcuts";
import "../finder/palette";
import "../finder/saved-views";
import { Appearance, type Theme } from "./appearance";
import type { LinkAnswered } from "./link-bar";
import "./copy-link";
import "./link-bar";
import { acceptLink, client, followLink, lastRefusal, pendingLink, rejectLink, reload, signOut } from "./session";
import { layout } from "./shell-layout";
import "./signed-out";
import { loadLater } from "../load-later";

/** How long to wait before asking for the zone again after a failure, in ms. */
const ZONE_RETRY_MS = 10_000;

const THEME_ICONS: Record<Theme, Icon> = { system: systemThemeIcon, light: lightThemeIcon, dark: darkThemeIcon };
const VIEW_ICONS: Record<(typeof VIEWS)[number], Icon> = {
  overview: chartIcon,
  costs: coinsIcon,
  explore: slicesIcon,
  activity: pulseIcon,
  users: peopleIcon,
  conversations: messageIcon,
  messages: textIcon,
  api: apiCallIcon,
  calls: linesIcon,
  days: calendarIcon,
  alerts: bellIcon,
};

export class Dashboard extends LitElement {
  static override properties = { route: { state: true }, arePagesLoaded: { state: true } };
  declare route: Route;
  /** Whether the script of the pages about one thing is loaded. */
  declare arePagesLoaded: boolean;

  readonly #appearance = new Appearance(() => this.requestUpdate());
  readonly #keys = new Keys();
  #zone: string | null = null;
  #zoneRequestedAt = Number.NEGATIVE_INFINITY;

  constructor() {
    super();
    this.route = parseRoute(location.hash, location.search);
    this.arePagesLoaded = false;
    this.#tidyAddress();
    client.subscribe(() => this.requestUpdate());
    // Also for steps back to the same fragment with another range, of which there is no hashchange.
    addEventListener("popstate", this.#onAddressChange);
    this.addEventListener(Navigate.kind, (event) => this.#navigate(event as Navigate));
    addEventListener("keydown", this.#onKey);
    new ClockController(this, () => true);
  }

  override willUpdate(): void {
    const { theme } = this.#appearance;
    if (theme === "system") this.removeAttribute("theme");
    else if (this.getAttribute("theme") !== theme) this.setAttribute("theme", theme);
    if (!client.figures.summary || this.#zone !== null) return;
    if (Date.now() - this.#zoneRequestedAt >= ZONE_RETRY_MS) void this.#loadZone();
  }

  /** Load the zone of the service's days, once: a service does not change it. */
  async #loadZone(): Promise<void> {
    this.#zoneRequestedAt = Date.now();
    try {
      const today = { metrics: "messages", interval: "day", from: new Date(Date.now() - 1).toISOString() };
      this.#zone = (await client.rest.get<Series>("series", today)).timezone;
      this.requestUpdate();
    } catch {
      // Days are days of the browser's zone until the next try.
    }
  }

  override render() {
    const { status } = client;
    return status.kind === "signed-out"
      ? html`${this.#head(false)}${this.#link()}
          <main>
            <dashboard-signed-out .reason=${status.reason} .refusal=${lastRefusal()}></dashboard-signed-out>
          </main>`
      : html`${this.#head(true)}${this.#link()}
          <div class="frame">
            ${this.#navigation()}
            <main id="content" tabindex="-1">
              <div class="title">
                <h1 tabindex="-1">${words.views[this.route.view]}</h1>
                <dashboard-range
                  .params=${this.route.params}
                  .zone=${this.#zone}
                  .now=${Date.now() + client.clockOffset}
                  @analytics-range=${this.#chooseRange}
                ></dashboard-range>
                <dashboard-copy-link .route=${this.route} .zone=${this.#zone}></dashboard-copy-link>
              </div>
              <dashboard-chips .route=${this.route}></dashboard-chips>
              ${this.#freshness()} ${cache(this.#view())}
            </main>
            <footer>${words.zones(BROWSER_ZONE, this.#zone)}</footer>
          </div>
          <dashboard-palette .client=${client} .saved=${this.#savedViews?.views ?? []}></dashboard-palette>
          <dashboard-shortcuts></dashboard-shortcuts>`;
  }

  #head(signedIn: boolean) {
    const { theme, next } = this.#appearance;
    return html`<header>
        ${signedIn ? html`<a class="skip button" href="#" @click=${this.#skip}>${words.skip}</a>` : nothing}
        <a class="brand" href=${writeRoute({ view: "overview", params: {} })} aria-label=${words.product}>
          <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path d="M8 22v-5m5.3 5V10m5.4 12v-8M24 22V7" /></svg>
          <span>${words.product}</span>
        </a>
        <convoai-status .client=${client}></convoai-status>
        ${client.figures.at === null ? nothing : html`<span class="printed small">${words.lists.asOf(dateTime(client.figures.at))}</span>`}
        ${signedIn ? html`${this.#button(`${words.finder.open} (Ctrl K)`, searchIcon(), () => this.#search())}<dashboard-saved-views .client=${client} .route=${this.route}></dashboard-saved-views><dashboard-export .client=${client} .route=${this.route} .zone=${this.#zone}></dashboard-export>` : nothing}
        ${signedIn ? this.#button(words.refresh, refreshIcon(), () => client.refresh()) : nothing}
        ${this.#button(words.switchTo(words.themes[theme], words.themes[next]), THEME_ICONS[theme](), this.#toggleTheme)}
        ${signedIn ? this.#button(words.signOut, logoutIcon(), this.#signOut) : nothing}
      </header>`;
  }

  /** Asks before a link signs in another person than the current one, and says why a link could not sign in. */
  #link() {
    const [pending, refusal] = [pendingLink(), lastRefusal()];
    if (pending === null && (refusal === null || client.status.kind === "signed-out")) return nothing;
    return html`<dashboard-link-bar .pending=${pending} .refusal=${refusal} @analytics-link-answered=${this.#onLinkAnswer}></dashboard-link-bar>`;
  }

  #onLinkAnswer = async ({ accepted }: LinkAnswered): Promise<void> => {
    if (!accepted) rejectLink();
    else if (await acceptLink().catch(() => false)) reload();
    this.requestUpdate();
  };

  #button(label: string, icon: unknown, act: () => void) {
    return html`<button class="icon-button" type="button" aria-label=${label} title=${label} @click=${act}>${icon}</button>`;
  }

  #navigation() {
    const current = isPage(this.route.view) ? PAGES[this.route.view] : this.route.view;
    const link = (view: (typeof VIEWS)[number]) => {
      const isCurrent = view === current;
      return html`<li>
        <a href=${writeRoute({ view, params: {} })} aria-current=${isCurrent ? "page" : nothing}>${VIEW_ICONS[view]()}${words.views[view]}${view === "alerts" ? this.#badge() : nothing}</a>
      </li>`;
    };
    return html`<nav aria-label=${words.navigation}><ul>${VIEWS.map(link)}</ul></nav>`;
  }

  /** How many alerts fire that nobody has seen. */
  #badge() {
    const { firing, acknowledged } = client.figures.alerts;
    const open = firing - acknowledged;
    if (open === 0) return nothing;
    return html`<span class="badge"><span aria-hidden="true">${count(open)}</span><span class="visually-hidden">${counted(open, words.alerts.open)}</span></span>`;
  }

  /** A notice beside the figures if they are not live, in addition to the status in the header. */
  #freshness() {
    const { at, staleSince } = client.figures;
    if (at === null) return nothing;
    const { kind } = currentFreshness(client);
    if (client.status.kind === "polling" && kind === "polling") {
      return html`<div class="notice warning"><p>${words.notLive.polling(String(client.status.every))}</p></div>`;
    }
    if (kind !== "stale" && kind !== "reconnecting") return nothing;
    const say = words.notLive[this.route.view === "overview" ? kind : (`${kind}List` as const)];
    return html`<div class="notice">
      <p>${say(timeOfDay(staleSince ?? at))}</p>
      <button class="button" type="button" @click=${() => client.refresh()}>${words.notLive.tryNow}</button>
    </div>`;
  }

  /** The current view. Those before stay in memory, so that what they showed is there again although the service is not. */
  #view() {
    const { view, params } = this.route;
    const { scheme } = this.#appearance;
    if (isPage(view) && !this.arePagesLoaded) {
      void loadLater(() => import("../details/pages")).then(() => {
        this.arePagesLoaded = true;
      });
      return nothing;
    }
    switch (view) {
      case "overview": {
        const { kind } = currentFreshness(client);
        const stale = kind === "stale" || kind === "reconnecting";
        return html`<dashboard-first-day .client=${client}></dashboard-first-day><dashboard-overview ?hidden=${isEmpty(client.figures.summary)} .client=${client} .params=${params} .scheme=${this.#appearance.scheme} .zone=${this.#zone} .stale=${stale}></dashboard-overview>`;
      }
      case "costs":
        return html`<dashboard-costs .client=${client} .params=${params} .zone=${this.#zone} .scheme=${scheme}></dashboard-costs>`;
      case "explore":
        return html`<dashboard-explore .client=${client} .params=${params} .zone=${this.#zone} .scheme=${scheme}></dashboard-explore>`;
      case "activity":
        return html`<dashboard-activity .client=${client} .params=${params} .zone=${this.#zone}></dashboard-activity>`;
      case "users":
        return html`<dashboard-users .client=${client} .params=${params} .zone=${this.#zone}></dashboard-users>`;
      case "conversations":
        return html`<dashboard-conversations .client=${client} .params=${params} .zone=${this.#zone}></dashboard-conversations>`;
      case "api":
        return html`<dashboard-endpoints .client=${client} .params=${params} .zone=${this.#zone}></dashboard-endpoints>`;
      case "messages":
        return html`<dashboard-messages .client=${client} .params=${params} .zone=${this.#zone}></dashboard-messages>`;
      case "calls":
        return html`<dashboard-calls .client=${client} .params=${params} .zone=${this.#zone}></dashboard-calls>`;
      case "user":
        return html`<detail-user .client=${client} .params=${params} .zone=${this.#zone} .scheme=${scheme}></detail-user>`;
      case "conversation":
        return html`<detail-conversation .client=${client} .params=${params} .zone=${this.#zone} .scheme=${scheme}></detail-conversation>`;
      case "endpoint":
        return html`<detail-endpoint .client=${client} .params=${params} .zone=${this.#zone} .scheme=${scheme}></detail-endpoint>`;
      case "model":
        return html`<detail-model .client=${client} .params=${params} .zone=${this.#zone} .scheme=${scheme}></detail-model>`;
      case "alerts":
        return html`<dashboard-alerts .client=${client} .params=${params}></dashboard-alerts>`;
      case "days":
        return html`<dashboard-days .client=${client} .params=${params} .zone=${this.#zone}></dashboard-days>`;
    }
  }

  override updated(changed: PropertyValues<this>): void {
    const { kind, text: state } = currentFreshness(client);
    const title = words.title(kind === "live" ? `● ${words.lists.live}` : state);
    if (document.title !== title) document.title = title;
    if (!changed.has("route")) return;
    // On a phone the navigation is a row: scroll it to the current view, but not the page.
    const row = this.renderRoot.querySelector("nav");
    const link = row?.querySelector<HTMLElement>("[aria-current]");
    if (row && link) row.scrollLeft = link.offsetLeft - (row.clientWidth - link.offsetWidth) / 2;
  }

  #navigate({ route, replace }: Navigate): void {
    this.#show({ view: route.view, params: keepParams(this.route.params, route.params) });
    this.#writeAddress(replace);
  }

  #chooseRange = ({ params }: RangeChosen): void => {
    this.#navigate(new Navigate({ view: this.route.view, params: { ...this.route.params, ...params } }));
  };

  #writeAddress(replace: boolean): void {
    const address = location.pathname + writeAddress(this.route);
    if (replace) history.replaceState(history.state, "", address);
    else history.pushState(null, "", address);
  }

  /** Move the range of a link from its fragment to the query, where it stays. */
  #tidyAddress(): void {
    const [query] = writeAddress(this.route).split("#", 1);
    if (query !== location.search) this.#writeAddress(true);
  }

  #onAddressChange = async (): Promise<void> => {
    const key = takeLinkKey();
    this.#show(parseRoute(location.hash, location.search));
    this.#tidyAddress();
    if (key === null) return;
    // A link that signs in was opened in this tab; it may be another tenant's.
    if (await followLink(key).catch(() => false)) reload();
    this.requestUpdate();
  };

  get #savedViews(): SavedViews | null {
    return this.renderRoot.querySelector("dashboard-saved-views");
  }

  /** Open the search; it finds saved views as soon as they are loaded. */
  #search(): void {
    void this.#savedViews?.load().then(() => this.requestUpdate());
    this.renderRoot.querySelector<Palette>("dashboard-palette")?.open();
  }

  #onKey = (event: KeyboardEvent): void => {
    if (client.status.kind === "signed-out") return;
    const target = event.composedPath()[0];
    const isTyping = target instanceof HTMLElement && target.matches("input, select, textarea, dialog *");
    const act = event.isComposing ? null : this.#keys.read(event, isTyping, Date.now());
    if (act === null) return;
    event.preventDefault();
    if (act === "search") this.#search();
    else if (act === "help") this.renderRoot.querySelector<Shortcuts>("dashboard-shortcuts")?.open();
    else if (act === "save") this.#savedViews?.open();
    else if (act === "refresh") client.refresh();
    else this.#navigate(new Navigate({ view: act.go, params: {} }));
  };

  #show(route: Route): void {
    const isOtherView = route.view !== this.route.view || route.params.id !== this.route.params.id;
    if (writeRoute(route) !== writeRoute(this.route)) this.route = route;
    if (!isOtherView) return;
    scrollTo(0, 0);
    void this.updateComplete.then(() => this.renderRoot.querySelector("h1")?.focus({ preventScroll: true }));
  }

  #skip = (event: Event): void => {
    event.preventDefault();
    this.renderRoot.querySelector<HTMLElement>("#content")?.focus();
  };

  #toggleTheme = (): void => {
    this.#appearance.toggle();
    this.requestUpdate();
  };

  #signOut = async (): Promise<void> => {
    try {
      await signOut();
      reload();
    } catch {
      // Without an answer the session goes on: the status says that the service is out of reach.
      client.refresh();
    }
  };

  static override styles = [...baseStyles, layout];
}

define("convoai-dashboard", Dashboard);
