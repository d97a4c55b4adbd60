/** `<convoai-analytics-panel>`: the side panel that any page embeds. docs/embedding.md tells how. */

import { html, LitElement, nothing, type PropertyValues } from "lit";
import { classMap } from "lit/directives/class-map.js";
import { Seldom } from "../client/backoff";
import { AnalyticsClient, type TokenSource } from "../client/client";
import { icon } from "../ui/icons";
import { text } from "../ui/text";
import { buttons, theme } from "../ui/theme";
import { identity } from "../client/auth/token";
import { isAdmin } from "./admin";
import { FIGURES, type FigureName, type Hour, lastHour, minuteOf } from "../ui/figures";
import { byPerson, focused, isBehindModal } from "./focus";
import { freshness } from "../ui/freshness";
import { layout } from "./layout";
import { rememberOpen, wasOpen } from "./open-state";
import { move } from "../ui/motion";
import { type Notice, notice, noticeStyles } from "./notice";
import { Seconds } from "../ui/clock-controller";
import { addressOf, SERVICE } from "./service-address";
import { Yesterday } from "../ui/yesterday";
import "../ui/elements/activity-list";
import "./figure-card";
import "../ui/elements/ranking";
import "../ui/elements/status-pill";

/** How long a closed panel stays connected, ms: opened again within it, it shows figures at once. */
const LINGER = 60_000;

export class AnalyticsPanel extends LitElement {
  static override properties = {
    url: {},
    open: { type: Boolean, reflect: true },
    theme: { reflect: true },
    ownButton: { type: Boolean, attribute: "own-button" },
    remember: {},
    token: { attribute: false },
    // Set once more, even the same function may give another person's token.
    getToken: { attribute: false, hasChanged: (value: unknown, old: unknown) => value !== old || value !== null },
    admin: { state: true },
  };
  /** Where the service is; else where this script came from. */
  declare url: string | null;
  declare open: boolean;
  /** `light` or `dark`; else as the system has it. */
  declare theme: string | null;
  /** Whether the panel brings its own button; it is shown to admins. */
  declare ownButton: boolean;
  /** `off`: whether it is open is not kept from one page to the next. */
  declare remember: string | null;
  /** A token, for pages that set a new one before the old one ends. */
  declare token: string | null;
  /** Gives a token, asked again whenever a new one is needed; goes before `token`. */
  declare getToken: TokenSource | null;
  declare protected admin: boolean;

  #service = SERVICE;
  #client: AnalyticsClient | null = null;
  #yesterday: Yesterday | null = null;
  #release: (() => void) | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #opener: HTMLElement | null = null;
  #signedOut = false;
  #restored = false;
  #asked = 0;
  readonly #considered = new Seldom(() => void this.#consider());
  #hour: { minutes: unknown; minute: number; of: ReadonlyMap<FigureName, Hour> } | null = null;

  constructor() {
    super();
    this.url = null;
    this.open = false;
    this.theme = null;
    this.ownButton = false;
    this.remember = null;
    this.token = null;
    this.getToken = null;
    this.admin = false;
    new Seconds(this, () => this.open);
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
    if (!this.hasUpdated) return;
    if (this.open) this.#connect();
    this.#considerSoon();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("keydown", this.#onKey);
    this.#considered.stop();
    this.#disconnect();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("url")) this.#move();
    if (changed.has("open") && this.open && byPerson()) this.#opener = focused();
    if (this.open && (changed.has("open") || changed.has("url"))) this.#connect();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("token") || changed.has("getToken")) this.#takeToken(changed);
    if (changed.has("token") || changed.has("getToken") || changed.has("ownButton")) this.#considerSoon();
    if (changed.has("open") && (this.open || changed.get("open"))) this.#opened();
    this.#compareWithYesterday();
  }

  /** The service is elsewhere: nothing of the one before may stay on screen. */
  #move(): void {
    this.#disconnect();
    this.#client = null;
    const address = addressOf(this.url ?? SERVICE, location.href);
    if (address === null) console.error("<convoai-analytics-panel>: the attribute url is not an http(s) address");
    this.#service = address ?? SERVICE;
  }

  /** A new token of the same person is taken when it is needed; only another person's changes what is shown. */
  #takeToken(changed: PropertyValues<this>): void {
    // Undefined: what is in use was not set anew.
    const [token, getToken] = [changed.get("token"), changed.get("getToken")];
    const isFirst = getToken === null && !this.token;
    const isNew = this.#signedOut || whose(this.token) !== whose(token);
    const isSomeoneElse = !this.getToken && token !== undefined && isNew;
    if (isFirst || isSomeoneElse || !this.#hasSource) this.#client?.signIn();
    // Only a call tells whose token a function gives; pages that set one at every render must not cause one each.
    else if (getToken !== undefined) this.#client?.sourceChanged();
  }

  #compareWithYesterday(): void {
    if (!this.#client || !this.open) return;
    if (this.#client.figures.at === null) this.#yesterday?.forget();
    else void this.#yesterday?.keep(Date.now() + this.#client.clockOffset);
  }

  /** What an opening or a closing brings about, once it is on screen. */
  #opened(): void {
    this.#restored = true;
    if (this.remember !== "off") rememberOpen(this.open);
    if (this.open) {
      if (byPerson()) this.renderRoot.querySelector("h2")?.focus({ preventScroll: true });
    } else {
      this.#lingering = setTimeout(() => this.#disconnect(), LINGER);
      this.#handBackFocus();
    }
    this.#tell(this.open ? "analytics-open" : "analytics-close");
  }

  /** Only if the focus is in the panel, or was lost with it: who went on elsewhere is left there. */
  #handBackFocus(): void {
    const active = document.activeElement;
    if (active !== this && active !== document.body) return;
    const button = this.renderRoot.querySelector<HTMLElement>(".launcher");
    (this.#opener?.isConnected ? this.#opener : button)?.focus({ preventScroll: true });
    this.#opener = null;
  }

  #connect(): void {
    clearTimeout(this.#lingering);
    if (this.#release) return;
    if (!this.#client) {
      this.#client = new AnalyticsClient({ url: this.#service, token: () => this.#source() });
      this.#yesterday = new Yesterday(this.#client.rest, () => this.requestUpdate());
    }
    this.#release = this.#client.subscribe(() => this.#heard());
    this.#client.start();
  }

  #disconnect(): void {
    clearTimeout(this.#lingering);
    if (!this.#release) return;
    this.#release();
    this.#release = undefined;
    this.#client?.stop();
  }

  /** Called at most once a frame; a closed panel renders nothing. */
  #heard(): void {
    const status = this.#client?.status;
    const signedOut = status?.kind === "signed-out";
    // Without a source the page knows; it may only not have come to setting one yet.
    if (signedOut && !this.#signedOut && this.#hasSource) this.#tell("analytics-signed-out", { reason: status.reason });
    this.#signedOut = signedOut;
    if (this.open) this.requestUpdate();
  }

  get #hasSource(): boolean {
    return this.getToken !== null || this.token !== null;
  }

  async #source(): Promise<string | null> {
    return (this.getToken ? await this.getToken() : this.token) ?? null;
  }

  /** A function that is set at every render is not called at every render. */
  #considerSoon(): void {
    if (!this.ownButton && !this.#isToReopen) return;
    if (this.getToken) this.#considered.want();
    else void this.#consider();
  }

  get #isToReopen(): boolean {
    return !this.#restored && this.remember !== "off" && wasOpen();
  }

  /** Offer the button, and open again what was open, if the token is an admin's. */
  async #consider(): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    const token = await this.#source().catch(() => null);
    if (asked !== this.#asked || !this.isConnected) return;
    this.admin = isAdmin(token);
    if (this.admin && this.#isToReopen) this.open = true;
  }

  #tell(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  // On the window: after all that the page itself does with the key.
  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !this.open || event.defaultPrevented || event.isComposing || isBehindModal()) return;
    event.preventDefault();
    this.hide();
  };

  protected override render() {
    return html`${this.#launcher()}
      <div
        class=${classMap({ panel: true, open: this.open })}
        part="panel"
        role="dialog"
        aria-labelledby="title"
        ?inert=${!this.open}
      >
        ${this.#client ? [this.#head(this.#client), this.#body(this.#client)] : nothing}
      </div>`;
  }

  #launcher() {
    if (!this.ownButton || !this.admin) return nothing;
    return html`<button
      class="launcher"
      part="button"
      type="button"
      aria-haspopup="dialog"
      aria-expanded=${this.open}
      ?hidden=${this.open}
      @click=${this.show}
    >
      ${icon("chart")} ${text.panel.open}
    </button>`;
  }

  #head(client: AnalyticsClient) {
    const { refresh, dashboard, close } = text.panel;
    return html`<div class="head">
      <h2 id="title" tabindex="-1">${text.panel.title}</h2>
      <button class="icon-button" type="button" title=${refresh} aria-label=${refresh} @click=${this.#refresh}>
        ${icon("refresh")}
      </button>
      <a
        class="icon-button"
        href="${this.#service}/analytics"
        target="_blank"
        rel="noopener"
        title=${dashboard}
        aria-label=${dashboard}
        >${icon("expand")}</a
      >
      <button class="icon-button" type="button" title=${close} aria-label=${close} @click=${this.hide}>
        ${icon("close")}
      </button>
      <convoai-status .client=${this.open ? client : null}></convoai-status>
    </div>`;
  }

  #refresh(event: Event): void {
    this.#client?.refresh();
    const drawing = (event.currentTarget as HTMLElement).querySelector("svg");
    move(drawing, [{ rotate: "0deg" }, { rotate: "360deg" }], 500);
  }

  #body(client: AnalyticsClient) {
    const instead = this.#instead(client);
    return html`<div class="body" tabindex="0" role="group" aria-label=${text.panel.title}>
      ${instead ? notice(instead) : this.#figures(client)}
    </div>`;
  }

  /** What is said in place of figures, if there can be none. */
  #instead({ status, figures }: AnalyticsClient): Notice | null {
    const { signedOut, unreachable } = text.panel;
    if (status.kind === "signed-out") {
      const run = () => this.#client?.signIn();
      return { icon: "locked", ...signedOut[status.reason], action: { label: signedOut.again, run } };
    }
    if (figures.summary !== null || (status.kind !== "reconnecting" && status.kind !== "stale")) return null;
    const run = () => this.#client?.refresh();
    const { host } = new URL(this.#service);
    return {
      icon: "unplugged",
      title: unreachable.title,
      body: unreachable.body(host),
      action: { label: unreachable.again, run },
    };
  }

  #figures(client: AnalyticsClient) {
    const { summary, activities, topUsers } = client.figures;
    const now = Date.now() + client.clockOffset;
    const loading = summary === null;
    const stale = freshness(client.status, client.figures, Date.now(), client.clockOffset).tone === "bad";
    const hours = this.#hours(client, now);

    const cards = FIGURES.map(
      (figure) => html`<li>
        <convoai-figure
          .figure=${figure}
          .value=${summary?.[figure.name] ?? null}
          .yesterday=${this.#yesterday?.of(figure.name, now) ?? null}
          .hour=${hours.get(figure.name) ?? []}
          ?loading=${loading}
          ?stale=${stale}
        ></convoai-figure>
      </li>`,
    );
    const isEmpty = summary !== null && summary.total_users === 0 && summary.total_messages === 0;
    return html`<section aria-label=${text.panel.figures}>
        <ul class="grid" role="list">
          ${cards}
        </ul>
      </section>
      ${
        isEmpty && summary.total_api_calls === 0
          ? notice(this.#welcome())
          : html`<section aria-labelledby="activities">
                <h3 id="activities">${text.panel.activities}</h3>
                <convoai-activities .items=${activities} .now=${now} ?loading=${loading}></convoai-activities>
              </section>
              <section aria-labelledby="users">
                <h3 id="users">${text.panel.topUsers}</h3>
                <convoai-ranking .users=${topUsers} ?loading=${loading}></convoai-ranking>
              </section>`
      }`;
  }

  #welcome(): Notice {
    const { title, body, example } = text.panel.empty;
    return { icon: "chart", title, body, example: example(this.#service) };
  }

  /** Drawn anew only when a minute changed or the next one began. */
  #hours({ figures: { minutes } }: AnalyticsClient, now: number): ReadonlyMap<FigureName, Hour> {
    const minute = minuteOf(now);
    if (this.#hour?.minutes !== minutes || this.#hour.minute !== minute) {
      const of = new Map(FIGURES.map((figure) => [figure.name, lastHour(figure, minutes, now)]));
      this.#hour = { minutes, minute, of };
    }
    return this.#hour.of;
  }

  static override styles = [theme, buttons, noticeStyles, layout];
}

function whose(token: string | null | undefined): string | null {
  return token ? identity(token) : null;
}
