/** A chart: its title and total, the values at the cursor, and the plot or a table with the same values. */

import { html, LitElement, nothing, type PropertyValues, svg, unsafeCSS } from "lit";
import type uPlot from "uplot";
import plotStyle from "uplot/dist/uPlot.min.css?inline";
import { FACTOR_FROM } from "../../ui/comparison";
import { define } from "../../ui/define";
import { count, magnitude, NO_VALUE, pointLabel, seconds, short } from "../../ui/format";
import { tableIcon } from "../../ui/icons";
import { skeleton } from "../../ui/theme";
import "../lists/table";
import type { Column } from "../lists/table";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { type ChartData, readout } from "./chart-data";
import { layout } from "./chart-layout";
import { canReuse, columns, HEIGHT, plot } from "./plot";

const words = dashboardText.charts;

/** The distance of the tooltip from the cursor, in px. */
const GAP = 12;

const DASHES = svg`<path d="M0 5h10" stroke="var(--soft)" stroke-width="2" stroke-dasharray="3 2" />`;

/** Requests another range for all charts, or a step from the current one. */
export class ZoomRequested extends Event {
  static readonly kind = "analytics-zoomed";
  constructor(readonly to: { from: number; to: number } | "in" | "out" | "earlier" | "later" | "reset") {
    super(ZoomRequested.kind, { bubbles: true, composed: true });
  }
}

const KEYS: Readonly<Record<string, ZoomRequested["to"]>> = {
  "+": "in",
  "=": "in",
  "-": "out",
  "Shift+ArrowLeft": "earlier",
  "Shift+ArrowRight": "later",
  Escape: "reset",
};

export class Chart extends LitElement {
  static override properties = {
    data: { attribute: false },
    range: {},
    scheme: {},
    cursor: { state: true },
    isTable: { state: true },
    isRead: { state: true },
  };
  /** Null while it is loading. */
  declare data: ChartData | null;
  /** The range as text. */
  declare range: string;
  declare scheme: string;
  /** The index of the point at the cursor. */
  declare cursor: number | null;
  /** Whether the chart is shown as a table. */
  declare isTable: boolean;
  /** Whether the pointer or the keyboard is on this chart: only then it has a tooltip, although all charts share the cursor. */
  declare isRead: boolean;

  #plot: uPlot | undefined;
  #drawn: ChartData | undefined;
  #spoken = "";
  /** Where the cursor is in the plot, in px. */
  #at = { left: 0, top: 0 };
  readonly #size = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width > 0 && this.#plot && this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT });
  });

  constructor() {
    super();
    this.data = null;
    this.range = "";
    this.scheme = "light";
    this.cursor = null;
    this.isTable = false;
    this.isRead = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#clear();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate("scheme");
  }

  override render() {
    const { data } = this;
    if (!data)
      return html`<div class="head"><span class="skeleton title"></span></div><div class="skeleton plot"></div>`;
    const empty = data.total === null || data.total === 0;
    return html`<div class="head">
        <h3>${data.title}</h3>
        <span class="total">${this.#format(data.total)}${data.totalUnit ? html`<small> ${words.perDay}</small>` : nothing}</span>
        ${this.#change(data)}
        <button
          class="icon-button"
          type="button"
          aria-label="${data.title}: ${this.isTable ? words.asChart : words.asTable}"
          title=${this.isTable ? words.asChart : words.asTable}
          aria-pressed=${this.isTable}
          @click=${this.#toggle}
        >
          ${tableIcon()}
        </button>
      </div>
      ${this.#legend(data)}
      <p class="visually-hidden" id="summary">${this.#summary(data)}</p>
      ${
        this.isTable
          ? html`<dashboard-table .columns=${this.#columns(data)} .rows=${Array.from({ length: data.count }, (_, index) => data.count - 1 - index)} .caption=${data.title}></dashboard-table>`
          : html`<div
              class="plot"
              tabindex="0"
              role="group"
              aria-label="${data.title}. ${words.keys}"
              aria-describedby="summary"
              @keydown=${this.#key}
              @mouseenter=${() => this.#setRead(true)}
              @mouseleave=${() => this.#setRead(false)}
              @blur=${() => this.#setRead(false)}
            >
              ${this.#tooltip(data)}
              ${empty ? html`<p class="nothing soft">${words.empty}</p>` : nothing}
            </div>`
      }
      <p class="visually-hidden" role="status">${this.#spoken}</p>`;
  }

  #change({ compared, unit }: ChartData) {
    const [now, before] = compared ?? [null, null];
    if (now === null || before === null || before === 0) return html`<span class="change"></span>`;
    const size = now >= before * FACTOR_FROM ? `${short(now / before)}×` : magnitude((now - before) / before);
    const tone = unit === "count" || now === before ? "" : now < before ? "better" : "worse";
    const spoken = now === before ? words.same : now > before ? words.up(size) : words.down(size);
    return html`<span class="change ${tone}" title=${spoken}>
      <span aria-hidden="true">${now === before ? "" : now > before ? "▲" : "▼"} ${size}</span><span class="visually-hidden">${spoken}</span>
    </span>`;
  }

  #legend(data: ChartData) {
    const item = (colour: string, label: string) => html`<span class="item">${mark(colour)}<bdi>${label}</bdi></span>`;
    return html`<div class="legend small soft ${data.stacked ? "tall" : ""}">
      ${data.lines.map(({ label, colour }) => item(colour, label))}
      ${data.previous ? item("--faded", words.before) : nothing}
      <span class="note" title=${data.note}>${data.note}</span>
    </div>`;
  }

  /** The point at the cursor: its time, and the full name and value of each line and of the period before. */
  #tooltip(data: ChartData) {
    const at = this.cursor;
    if (!this.isRead || at === null || at >= data.start.length) return nothing;
    return html`<div class="tooltip" aria-hidden="true">
      <p>${this.#pointLabel(data, at)}</p>
      <dl>
        ${readout(data, at).map(
          ({ label, colour, value }) =>
            html`<dt>${mark(colour)}<bdi>${label}</bdi></dt><dd>${this.#format(value)}</dd>`,
        )}
      </dl>
    </div>`;
  }

  #pointLabel({ start, interval, zone }: ChartData, index: number): string {
    return pointLabel(start[index] ?? 0, interval, zone);
  }

  #summary(data: ChartData): string {
    const main = data.lines[0]?.values ?? [];
    let min: number | null = null;
    let max: number | null = null;
    let maxIndex = 0;
    main.forEach((value, index) => {
      if (value === null) return;
      if (min === null || value < min) min = value;
      if (max === null || value > max) [max, maxIndex] = [value, index];
    });
    if (max === null || max === 0) return words.summaryEmpty(data.title, this.range);
    const at = pointLabel(data.start[maxIndex] ?? 0, data.interval, data.zone);
    return words.summary(data.title, this.range, this.#format(data.total), this.#format(min), this.#format(max), at);
  }

  #columns(data: ChartData): readonly Column<number>[] {
    return [
      {
        label: words.time,
        rowHeader: true,
        cell: (index) => pointLabel(data.start[index] ?? 0, data.interval, data.zone),
      },
      ...data.lines.map(
        ({ label, values }): Column<number> => ({
          label,
          number: true,
          cell: (index) => this.#format(values[index] ?? null),
        }),
      ),
      ...(data.previous
        ? [
            {
              label: words.before,
              number: true as const,
              cell: (index: number) => this.#format(data.previous?.[index] ?? null),
            },
          ]
        : []),
    ];
  }

  #format(value: number | null): string {
    if (value === null) return NO_VALUE;
    return this.data?.unit === "seconds" ? seconds(value) : count(value);
  }

  override updated(changed: PropertyValues<this>): void {
    const target = this.renderRoot.querySelector<HTMLElement>(".plot:not(.skeleton)");
    if (!target || !this.data) {
      this.#clear();
      return;
    }
    if (
      !this.#plot ||
      !this.#drawn ||
      changed.has("scheme") ||
      !canReuse(this.#drawn, this.data) ||
      !target.contains(this.#plot.root)
    ) {
      this.#clear();
      this.#plot = plot(target, this.data, {
        cursor: (index, left, top) => this.#moveCursor(index, left, top),
        select: (from, to) => this.dispatchEvent(new ZoomRequested({ from, to })),
        reset: () => this.dispatchEvent(new ZoomRequested("reset")),
      });
      this.#size.observe(target);
    } else if (this.data !== this.#drawn) {
      this.#plot.setData(columns(this.data));
    }
    this.#drawn = this.data;
    this.#placeTooltip();
  }

  /** Put the tooltip beside the cursor where it has room, and inside the plot otherwise. */
  #placeTooltip(): void {
    const tooltip = this.renderRoot.querySelector<HTMLElement>(".tooltip");
    const box = tooltip?.parentElement;
    if (!tooltip || !box) return;
    const right = this.#at.left + GAP;
    const left = this.#at.left - GAP - tooltip.offsetWidth;
    const most = Math.max(0, box.clientWidth - tooltip.offsetWidth);
    tooltip.style.left = `${right <= most ? right : Math.max(0, left)}px`;
    tooltip.style.top = `${Math.min(this.#at.top + GAP, Math.max(0, HEIGHT - tooltip.offsetHeight))}px`;
  }

  #clear(): void {
    this.#size.disconnect();
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  #toggle = (): void => {
    this.isTable = !this.isTable;
  };

  #setRead(isRead: boolean): void {
    this.isRead = isRead;
  }

  #moveCursor(index: number | null, left: number, top: number): void {
    this.#at = { left, top };
    this.#placeTooltip();
    if (this.cursor === index) return;
    this.cursor = index;
    this.#spoken = "";
  }

  #key = (event: KeyboardEvent): void => {
    const zoom =
      event.ctrlKey || event.metaKey || event.altKey
        ? undefined
        : KEYS[(event.shiftKey && event.key.startsWith("Arrow") ? "Shift+" : "") + event.key];
    if (zoom) this.dispatchEvent(new ZoomRequested(zoom));
    else if (event.key === "ArrowLeft") this.#step(-1);
    else if (event.key === "ArrowRight") this.#step(1);
    else return;
    event.preventDefault();
  };

  /** Move the cursor of all charts by a point, and tell screen readers its values. */
  #step(by: number): void {
    const { data } = this;
    if (!data || !this.#plot) return;
    const last = data.count - 1;
    const index = this.cursor === null ? last : Math.min(last, Math.max(0, this.cursor + by));
    this.#plot.setCursor({ left: this.#plot.valToPos((data.start[index] ?? 0) / 1000, "x"), top: 10 });
    this.cursor = index;
    this.isRead = true;
    const values = readout(data, index).map(({ label, value }) => `${label} ${this.#format(value)}`);
    this.#spoken = `${this.#pointLabel(data, index)}: ${values.join(", ")}`;
  }

  static override styles = [...baseStyles, skeleton, unsafeCSS(plotStyle), layout];
}

/** The mark of a line; a sum, which has no line, has an empty one. */
function mark(colour: string) {
  if (colour === "") return html`<svg class="mark" width="10" height="10" aria-hidden="true"></svg>`;
  return html`<svg class="mark" width="10" height="10" aria-hidden="true">${colour === "--faded" ? DASHES : svg`<rect width="10" height="10" rx="3" fill="var(${colour})" />`}</svg>`;
}

define("dashboard-chart", Chart);
