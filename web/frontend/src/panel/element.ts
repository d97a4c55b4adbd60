/** `<convoai-analytics-panel>`: the side panel that any page embeds. See docs/embedding.md. */

import { html, LitElement, nothing, type PropertyValues } from "lit";
import { classMap } from "lit/directives/class-map.js";
import { keyed } from "lit/directives/keyed.js";
import { identity } from "../client/auth/claims";
import { Throttle } from "../client/backoff";
import { AnalyticsClient, type TokenSource } from "../client/client";
import { ClockController } from "../ui/clock-controller";
import "../ui/elements/activity-list";
import "../ui/elements/ranking";
import "../ui/elements/status-pill";
import { emptyLists, isEmpty } from "../ui/empty-lists";
import { chooseFigures, drawn, type Figure, type FigureName, type Hour, lastHour } from "../ui/figures";
import { counted } from "../ui/format";
import { currentFreshness } from "../ui/freshness";
import { chartIcon, closeIcon, expandIcon, lockedIcon, refreshIcon, unreachableIcon } from "../ui/icons";
import { animate } from "../ui/motion";
import { buttons, theme } from "../ui/theme";
import { minuteOf } from "../ui/time";
import { Yesterday } from "../ui/yesterday";
import { isAdmin } from "./admin";
import "./figure-card";
import { focusedElement, isBehindModal, isUserActive } from "./focus";
import { HandOver } from "./hand-over";
import { followLanguage } from "./language";
import { layout } from "./layout";
import { type Notice, notice, noticeStyles } from "./notice";
import { rememberOpen, wasOpen } from "./open-state";
import { absoluteAddress, DEFAULT_SERVICE } from "./service-address";
import { panelText } from "./text";

/** How long a closed panel stays connected, in ms: if it is opened again within that time, it shows figures at once. */
const DISCONNECT_AFTER = 60_000;
/** How long a page may take to set a source of tokens before it is told that there is none, in ms. */
const SOURCE_WITHIN = 3000;

/** What the console says of a page without a token, for its developer. */
const WITHOUT_TOKEN =
  "<convoai-analytics-panel>: the page gives no token, so that no figures are shown. Set its property getToken to a " +
  "function that returns the token of an admin, or its property token. See docs/embedding.md.";

/** Whether a page without a token was told so, which is done once for all panels. */
let hasWarned = false;

export class AnalyticsPanel extends LitElement {
  static override properties = {
    url: {},
    open: { type: Boolean, reflect: true },
    theme: { reflect: true },
    ownButton: { type: Boolean, attribute: "own-button" },
    remember: {},
    figures: {},
    rolesClaim: { attribute: "roles-claim" },
    adminRole: { attribute: "admin-role" },
    token: { attribute: false },
    // Set again, even the same function may give another person's token.
    getToken: { attribute: false, hasChanged: (value: unknown, old: unknown) => value !== old || value !== null },
    admin: { state: true },
    isWithoutToken: { state: true },
  };
  /** The address of the service; null: the one from which this script was loaded. */
  declare url: string | null;
  declare open: boolean;
  /** `light` or `dark`; null: the system's theme. */
  declare theme: string | null;
  /** Whether the panel shows its own button, for admins only. */
  declare ownButton: boolean;
  /** `off`: whether the panel is open is not remembered for the next page. */
  declare remember: string | null;
  /** Names of up to six figures, with commas between them; null: the usual ones. */
  declare figures: string | null;
  /** The claim that holds the roles: the service's `ANALYTICS_JWT_ROLES_CLAIM`; null: `roles`. */
  declare rolesClaim: string | null;
  /** The role of admins: the service's `ANALYTICS_JWT_ADMIN_ROLE`; null: `admin`. */
  declare adminRole: string | null;
  /** A token, for pages that set a new one before the old one expires. */
  declare token: string | null;
  /** Returns a token, and is called whenever a new one is needed; it is used instead of `token`. */
  declare getToken: TokenSource | null;
  declare protected admin: boolean;
  /** Whether the page has not set a source of tokens, although it had time to. */
  declare protected isWithoutToken: boolean;

  #service = DEFAULT_SERVICE;
  #chosen: readonly Figure[] = chooseFigures(null).figures;
  #client: AnalyticsClient | null = null;
  #yesterday: Yesterday | null = null;
  #handOver: HandOver | null = null;
  #unsubscribe: (() => void) | undefined;
  #disconnectTimer: ReturnType<typeof setTimeout> | undefined;
  #opener: HTMLElement | null = null;
  #isSignedOut = false;
  /** Whether the panel was opened or closed since the page was loaded. */
  #wasToggled = false;
  #sourceTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the page has ever set a source of tokens. */
  #hadSource = false;
  #adminCheckNumber = 0;
  /** The page may change its language, or that of the panel, without a reload. */
  readonly #languageChange = new MutationObserver(() => this.requestUpdate());
  readonly #adminCheck = new Throttle(() => void this.#checkAdmin());
  /** The last hour of each figure, and what it was made of. */
  #hours: { minutes: unknown; minute: number; byFigure: ReadonlyMap<FigureName, Hour> } | null = null;

  constructor() {
    super();
    this.url = null;
    this.open = false;
    this.theme = null;
    this.ownButton = false;
    this.remember = null;
    this.figures = null;
    this.rolesClaim = null;
    this.adminRole = null;
    this.token = null;
    this.getToken = null;
    this.admin = false;
    this.isWithoutToken = false;
    new ClockController(this, () => this.open);
  }

  show(): void {
    this.open = true;
  }

  hide(): void {
    this.open = false;
  }

  toggle(): void {
    this.open = !this.open;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("keydown", this.#onKey);
    for (const element of [this, document.documentElement])
      this.#languageChange.observe(element, { attributeFilter: ["lang"] });
    if (!this.#hadSource) this.#sourceTimer = setTimeout(() => this.#missSource(), SOURCE_WITHIN);
    if (!this.hasUpdated) return;
    if (this.open) this.#connect();
    this.#requestAdminCheck();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("keydown", this.#onKey);
    this.#languageChange.disconnect();
    this.#adminCheck.cancel();
    clearTimeout(this.#sourceTimer);
    this.#endHandOver();
    this.#disconnect();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (this.#hasSource) {
      this.#hadSource = true;
      this.isWithoutToken = false;
      clearTimeout(this.#sourceTimer);
    }
    if (changed.has("url")) this.#changeService();
    if (changed.has("figures")) this.#chooseFigures();
    if (changed.has("open") && this.open && isUserActive()) this.#opener = focusedElement();
    if (this.open && (changed.has("open") || changed.has("url"))) this.#connect();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("token") || changed.has("getToken")) this.#onTokenChange(changed);
    if (changed.has("token") || changed.has("getToken") || changed.has("ownButton")) this.#requestAdminCheck();
    else if (changed.has("rolesClaim") || changed.has("adminRole")) this.#requestAdminCheck();
    if (changed.has("open") && (this.open || changed.get("open"))) this.#onToggle();
    this.#compareWithYesterday();
  }

  #chooseFigures(): void {
    const { figures, unknown } = chooseFigures(this.figures);
    this.#chosen = figures;
    this.#hours = null;
    if (unknown.length)
      console.error(`<convoai-analytics-panel>: the attribute figures names what is no figure: ${unknown.join(", ")}`);
  }

  /** Use the service at another address: no figures of the one before may stay on screen. */
  #changeService(): void {
    this.#disconnect();
    this.#endHandOver();
    this.#client = null;
    const address = absoluteAddress(this.url ?? DEFAULT_SERVICE, location.href);
    if (address === null) console.error("<convoai-analytics-panel>: the attribute url is not an http(s) address");
    this.#service = address ?? DEFAULT_SERVICE;
  }

  /** Take over a new token or source. A token of the same person is used when it is needed; nothing on screen changes. */
  #onTokenChange(changed: PropertyValues<this>): void {
    // Undefined: this property was not set again.
    const [token, getToken] = [changed.get("token"), changed.get("getToken")];
    const isFirst = getToken === null && !this.token;
    const isOther = this.#isSignedOut || personOf(this.token) !== personOf(token);
    const isOtherPerson = !this.getToken && token !== undefined && isOther;
    if (isFirst || isOtherPerson || !this.#hasSource) this.#client?.signIn();
    // Only a call shows whose token a function gives, and pages that set one at every render must not cause a call each time.
    else if (getToken !== undefined) this.#client?.sourceChanged();
  }

  #compareWithYesterday(): void {
    if (!this.#client || !this.open) return;
    if (this.#client.figures.at === null) this.#yesterday?.clear();
    else void this.#yesterday?.update(Date.now() + this.#client.clockOffset);
  }

  /** Handle an opening or a closing, after it is rendered. */
  #onToggle(): void {
    this.#wasToggled = true;
    if (this.remember !== "off") rememberOpen(this.open);
    if (this.open) {
      if (isUserActive()) this.renderRoot.querySelector("h2")?.focus({ preventScroll: true });
    } else {
      this.#disconnectTimer = setTimeout(() => this.#disconnect(), DISCONNECT_AFTER);
      this.#returnFocus();
    }
    this.#emit(this.open ? "analytics-open" : "analytics-close");
  }

  /** Return the focus if it is in the panel or nowhere; if a person moved it elsewhere, it stays there. */
  #returnFocus(): void {
    const active = document.activeElement;
    if (active !== this && active !== document.body) return;
    const button = this.renderRoot.querySelector<HTMLElement>(".launcher");
    (this.#opener?.isConnected ? this.#opener : button)?.focus({ preventScroll: true });
    this.#opener = null;
  }

  #connect(): void {
    clearTimeout(this.#disconnectTimer);
    if (this.#unsubscribe) return;
    if (!this.#client) {
      this.#client = new AnalyticsClient({ url: this.#service, token: () => this.#source() });
      this.#yesterday = new Yesterday(this.#client.rest, () => this.requestUpdate());
    }
    this.#unsubscribe = this.#client.subscribe(() => this.#onClientChange());
    this.#client.start();
  }

  #disconnect(): void {
    clearTimeout(this.#disconnectTimer);
    if (!this.#unsubscribe) return;
    this.#unsubscribe();
    this.#unsubscribe = undefined;
    this.#client?.stop();
  }

  /** Called at most once per animation frame; a closed panel renders nothing. */
  #onClientChange(): void {
    const status = this.#client?.status;
    const isSignedOut = status?.kind === "signed-out";
    // Without a source no event is needed: the page may not have set the source yet.
    if (isSignedOut && !this.#isSignedOut && this.#hasSource)
      this.#emit("analytics-signed-out", { reason: status.reason });
    this.#isSignedOut = isSignedOut;
    if (this.open) this.requestUpdate();
  }

  /** Tell the developer of the page, once, what is missing. A page that has set a source before may set it to null. */
  #missSource(): void {
    this.isWithoutToken = true;
    if (hasWarned || !(this.ownButton || this.open)) return;
    hasWarned = true;
    console.warn(WITHOUT_TOKEN);
  }

  get #hasSource(): boolean {
    return this.getToken !== null || this.token !== null;
  }

  async #source(): Promise<string | null> {
    return (this.getToken ? await this.getToken() : this.token) ?? null;
  }

  /** Check the token, but do not call a function at every render if it is set at every render. */
  #requestAdminCheck(): void {
    if (!this.ownButton && !this.#shouldReopen) return;
    if (this.getToken) this.#adminCheck.request();
    else void this.#checkAdmin();
  }

  get #shouldReopen(): boolean {
    return !this.#wasToggled && this.remember !== "off" && wasOpen();
  }

  /** Show the button, and reopen a panel that was open, if the token is an admin's. */
  async #checkAdmin(): Promise<void> {
    this.#adminCheckNumber += 1;
    const number = this.#adminCheckNumber;
    const token = await this.#source().catch(() => null);
    if (number !== this.#adminCheckNumber || !this.isConnected) return;
    this.admin = isAdmin(token, this.adminRole, this.rolesClaim);
    if (this.admin && this.#shouldReopen) this.open = true;
  }

  #emit(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  // On the window, so that the page's own handlers of the key run first.
  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !this.open || event.defaultPrevented || event.isComposing || isBehindModal()) return;
    event.preventDefault();
    this.hide();
  };

  protected override render() {
    const language = followLanguage(this);
    return keyed(language, this.#panel(language));
  }

  #panel(language: string) {
    return html`${this.#launcher(language)}
      <div
        class=${classMap({ panel: true, open: this.open })}
        part="panel"
        lang=${language}
        role="dialog"
        aria-labelledby="title"
        ?inert=${!this.open}
      >
        ${this.#client ? [this.#head(this.#client), this.#body(this.#client)] : nothing}
      </div>`;
  }

  #launcher(language: string) {
    if (!this.ownButton || !(this.admin || this.isWithoutToken)) return nothing;
    return html`<button
      class="launcher"
      part="button"
      lang=${language}
      type="button"
      aria-haspopup="dialog"
      aria-expanded=${this.open}
      ?hidden=${this.open}
      @click=${this.show}
    >
      ${chartIcon()} ${this.isWithoutToken ? panelText.withoutToken.open : panelText.open}
    </button>`;
  }

  #head(client: AnalyticsClient) {
    const { refresh, dashboard, close } = panelText;
    return html`<div class="head">
      <h2 id="title" tabindex="-1">${panelText.title}</h2>
      <button class="icon-button" type="button" title=${refresh} aria-label=${refresh} @click=${this.#refresh}>
        ${refreshIcon()}
      </button>
      <a
        class="icon-button"
        href="${this.#service}/analytics"
        target="_blank"
        rel="noopener"
        title=${dashboard}
        aria-label=${dashboard}
        @click=${this.#openDashboard}
        @auxclick=${this.#openDashboard}
        >${expandIcon()}</a
      >
      <button class="icon-button" type="button" title=${close} aria-label=${close} @click=${this.hide}>
        ${closeIcon()}
      </button>
      <div class="state">
        <convoai-status .client=${this.open ? client : null}></convoai-status>${this.#alerts(client)}
      </div>
    </div>`;
  }

  /** How many alerts fire that nobody has seen. */
  #alerts({ figures }: AnalyticsClient) {
    const open = figures.alerts.firing - figures.alerts.acknowledged;
    return html`<span class="alerts" role="status" ?hidden=${open === 0}>${open === 0 ? nothing : counted(open, panelText.alerts)}</span>`;
  }

  /** Open the dashboard signed in as this reader; with the other buttons, and from the menu, the link opens it as it is. */
  #openDashboard(event: MouseEvent): void {
    if (event.button > 1 || !this.#hasSource) return;
    event.preventDefault();
    this.#handOver ??= new HandOver(this.#service, () => this.#source());
    void this.#handOver.open();
  }

  #endHandOver(): void {
    this.#handOver?.stop();
    this.#handOver = null;
  }

  #refresh(event: Event): void {
    this.#client?.refresh();
    const icon = (event.currentTarget as HTMLElement).querySelector("svg");
    animate(icon, [{ rotate: "0deg" }, { rotate: "360deg" }], 500);
  }

  #body(client: AnalyticsClient) {
    const message = this.#message(client);
    return html`<div class="body" tabindex="0" role="group" aria-label=${panelText.title}>
      ${message ? notice(message) : this.#figures(client)}
    </div>`;
  }

  /** The message in place of figures; null if figures can be shown. */
  #message({ status, figures }: AnalyticsClient): Notice | null {
    const { signedOut, unreachable, refused, withoutToken } = panelText;
    if (this.isWithoutToken && status.kind === "signed-out") return { icon: lockedIcon, ...withoutToken };
    if (status.kind === "signed-out") {
      const run = () => this.#client?.signIn();
      return { icon: lockedIcon, ...signedOut[status.reason], action: { label: signedOut.again, run } };
    }
    if (figures.summary !== null || (status.kind !== "reconnecting" && status.kind !== "stale")) return null;
    const run = () => this.#client?.refresh();
    const { host } = new URL(this.#service);
    if (status.kind === "reconnecting" && status.isOriginRefused) {
      return {
        icon: lockedIcon,
        title: refused.title,
        body: refused.body(host),
        example: refused.example(location.origin),
        action: { label: refused.again, run },
      };
    }
    return {
      icon: unreachableIcon,
      title: unreachable.title,
      body: unreachable.body(host),
      action: { label: unreachable.again, run },
    };
  }

  #figures(client: AnalyticsClient) {
    const { summary, activities, topUsers } = client.figures;
    const now = Date.now() + client.clockOffset;
    const loading = summary === null;
    const empty = emptyLists(summary);
    const stale = currentFreshness(client).tone === "bad";
    const hours = this.#lastHours(client, now);

    const cards = this.#chosen.map(
      (figure) => html`<li>
        <convoai-figure
          .figure=${figure}
          .value=${drawn(summary?.[figure.name] ?? null)}
          .yesterday=${this.#yesterday?.of(figure.name, now) ?? null}
          .hour=${hours.get(figure.name) ?? []}
          ?loading=${loading}
          ?stale=${stale}
        ></convoai-figure>
      </li>`,
    );
    return html`<section aria-label=${panelText.figures}>
        <ul class="grid" role="list">
          ${cards}
        </ul>
      </section>
      ${
        isEmpty(summary)
          ? notice(this.#firstSteps())
          : html`<section aria-labelledby="activities">
                <h3 id="activities">${panelText.activities}</h3>
                <convoai-activities .items=${activities} .empty=${empty.activities} .now=${now} ?loading=${loading}></convoai-activities>
              </section>
              <section aria-labelledby="users">
                <h3 id="users">${panelText.topUsers}</h3>
                <convoai-ranking .users=${topUsers} .empty=${empty.topUsers} ?loading=${loading}></convoai-ranking>
              </section>`
      }`;
  }

  #firstSteps(): Notice {
    const { title, body, example } = panelText.empty;
    return { icon: chartIcon, title, body, example: example(this.#service) };
  }

  /** The last hour of each figure, computed only when a minute changed or the next one began. */
  #lastHours({ figures: { minutes } }: AnalyticsClient, now: number): ReadonlyMap<FigureName, Hour> {
    const minute = minuteOf(now);
    if (this.#hours?.minutes !== minutes || this.#hours.minute !== minute) {
      const byFigure = new Map(this.#chosen.map((figure) => [figure.name, lastHour(figure, minutes, now)]));
      this.#hours = { minutes, minute, byFigure };
    }
    return this.#hours.byFigure;
  }

  static override styles = [theme, buttons, noticeStyles, layout];
}

function personOf(token: string | null | undefined): string | null {
  return token ? identity(token) : null;
}
