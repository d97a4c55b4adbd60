/** One chart: its title and total, the values under the cursor, the plot, and the same as a table. */

import { html, LitElement, nothing, type PropertyValues, svg, unsafeCSS } from "lit";
import type uPlot from "uplot";
import plotStyle from "uplot/dist/uPlot.min.css?inline";
import { count, magnitude, NOTHING, seconds, short } from "../../ui/format";
import { MANIFOLD } from "../../ui/comparison";
import { define } from "../../ui/define";
import { dashboardText } from "../../ui/text";
import { bones } from "../../ui/theme";
import type { ChartData } from "./chart-data";
import { layout } from "./chart-layout";
import { pointTime } from "../../ui/times";
import { glyph } from "../../ui/icons2";
import { columns, fits, HEIGHT, plot } from "./plot";
import { sheet } from "../styles";
import "../lists/table";
import type { Column } from "../lists/table";

const words = dashboardText.charts;

const GHOST = svg`<path d="M0 5h10" stroke="var(--soft)" stroke-width="2" stroke-dasharray="3 2" />`;

/** What a chart asks of all: to show another stretch, or to go a step. */
export class Zoomed extends Event {
  static readonly kind = "analytics-zoomed";
  constructor(readonly to: { from: number; to: number } | "in" | "out" | "earlier" | "later" | "reset") {
    super(Zoomed.kind, { bubbles: true, composed: true });
  }
}

const KEYS: Readonly<Record<string, Zoomed["to"]>> = {
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
    pointed: { state: true },
    tabled: { state: true },
  };
  /** Null: still to come. */
  declare data: ChartData | null;
  /** The range in words. */
  declare range: string;
  declare scheme: string;
  /** The point under the cursor. */
  declare pointed: number | null;
  declare tabled: boolean;

  #plot: uPlot | undefined;
  #drawn: ChartData | undefined;
  #said = "";
  readonly #size = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width > 0 && this.#plot && this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT });
  });

  constructor() {
    super();
    this.data = null;
    this.range = "";
    this.scheme = "light";
    this.pointed = null;
    this.tabled = false;
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
    if (!data) return html`<div class="head"><span class="bone title"></span></div><div class="bone plot"></div>`;
    const empty = data.total === null || data.total === 0;
    return html`<div class="head">
        <h3>${data.title}</h3>
        <span class="total">${this.#write(data.total)}${data.totalUnit ? html`<small> ${words.perDay}</small>` : nothing}</span>
        ${this.#change(data)}
        <button
          class="icon-button"
          type="button"
          aria-label="${data.title}: ${this.tabled ? words.asChart : words.asTable}"
          title=${this.tabled ? words.asChart : words.asTable}
          aria-pressed=${this.tabled}
          @click=${this.#toggle}
        >
          ${glyph("table")}
        </button>
      </div>
      ${this.#legend(data)}
      <p class="unseen" id="summary">${this.#summary(data)}</p>
      ${
        this.tabled
          ? html`<dashboard-table .columns=${this.#columns(data)} .rows=${Array.from({ length: data.count }, (_, index) => data.count - 1 - index)} .caption=${data.title}></dashboard-table>`
          : html`<div
              class="plot"
              tabindex="0"
              role="group"
              aria-label="${data.title}. ${words.keys}"
              aria-describedby="summary"
              @keydown=${this.#key}
              @blur=${() => this.#point(null)}
            >
              ${empty ? html`<p class="nothing soft">${words.empty}</p>` : nothing}
            </div>`
      }
      <p class="unseen" role="status">${this.#said}</p>`;
  }

  #change({ compared, unit }: ChartData) {
    const [now, before] = compared ?? [null, null];
    if (now === null || before === null || before === 0) return html`<span class="change"></span>`;
    const size = now >= before * MANIFOLD ? `${short(now / before)}×` : magnitude((now - before) / before);
    const tone = unit === "count" || now === before ? "" : now < before ? "better" : "worse";
    const said = now === before ? words.same : now > before ? words.up(size) : words.down(size);
    return html`<span class="change ${tone}" title=${said}>
      <span aria-hidden="true">${now === before ? "" : now > before ? "▲" : "▼"} ${size}</span><span class="unseen">${said}</span>
    </span>`;
  }

  /** The values at the point under the cursor; without one, only what the colours mean. */
  #legend(data: ChartData) {
    const at = this.pointed === null || this.pointed >= data.start.length ? null : this.pointed;
    const item = (colour: string, label: string, value: number | null | undefined) =>
      html`<span class="item">
        <svg class="mark" width="10" height="10" aria-hidden="true">${colour === "--ghost" ? GHOST : svg`<rect width="10" height="10" rx="3" fill="var(${colour})" />`}</svg>
        <bdi>${label}</bdi>${at === null ? nothing : html` <b>${this.#write(value ?? null)}</b>`}
      </span>`;
    return html`<div class="legend small soft ${data.stacked ? "tall" : ""}">
      ${data.lines.map(({ label, colour, values }) => item(colour, label, values[at ?? 0]))}
      ${data.ghost ? item("--ghost", words.before, data.ghost[at ?? 0]) : nothing}
      ${at === null ? html`<span class="note" title=${data.note}>${data.note}</span>` : html`<span class="when">${pointTime(data.start[at] ?? 0, data.interval, data.zone)}</span>`}
    </div>`;
  }

  #summary(data: ChartData): string {
    const main = data.lines[0]?.values ?? [];
    let least: number | null = null;
    let most: number | null = null;
    let when = 0;
    main.forEach((value, index) => {
      if (value === null) return;
      if (least === null || value < least) least = value;
      if (most === null || value > most) [most, when] = [value, index];
    });
    if (most === null || most === 0) return words.summaryEmpty(data.title, this.range);
    const at = pointTime(data.start[when] ?? 0, data.interval, data.zone);
    return words.summary(data.title, this.range, this.#write(data.total), this.#write(least), this.#write(most), at);
  }

  #columns(data: ChartData): readonly Column<number>[] {
    return [
      { label: words.time, heads: true, cell: (index) => pointTime(data.start[index] ?? 0, data.interval, data.zone) },
      ...data.lines.map(
        ({ label, values }): Column<number> => ({
          label,
          number: true,
          cell: (index) => this.#write(values[index] ?? null),
        }),
      ),
      ...(data.ghost
        ? [
            {
              label: words.before,
              number: true as const,
              cell: (index: number) => this.#write(data.ghost?.[index] ?? null),
            },
          ]
        : []),
    ];
  }

  #write(value: number | null): string {
    if (value === null) return NOTHING;
    return this.data?.unit === "seconds" ? seconds(value) : count(value);
  }

  override updated(changed: PropertyValues<this>): void {
    const target = this.renderRoot.querySelector<HTMLElement>(".plot:not(.bone)");
    if (!target || !this.data) {
      this.#clear();
      return;
    }
    if (
      !this.#plot ||
      !this.#drawn ||
      changed.has("scheme") ||
      !fits(this.#drawn, this.data) ||
      !target.contains(this.#plot.root)
    ) {
      this.#clear();
      this.#plot = plot(target, this.data, {
        pointed: (index) => this.#point(index),
        dragged: (from, to) => this.dispatchEvent(new Zoomed({ from, to })),
        reset: () => this.dispatchEvent(new Zoomed("reset")),
      });
      this.#size.observe(target);
    } else if (this.data !== this.#drawn) {
      this.#plot.setData(columns(this.data));
    }
    this.#drawn = this.data;
  }

  #clear(): void {
    this.#size.disconnect();
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  #toggle = (): void => {
    this.tabled = !this.tabled;
  };

  #point(index: number | null): void {
    if (this.pointed === index) return;
    this.pointed = index;
    this.#said = "";
  }

  #key = (event: KeyboardEvent): void => {
    const zoom =
      event.ctrlKey || event.metaKey || event.altKey
        ? undefined
        : KEYS[(event.shiftKey && event.key.startsWith("Arrow") ? "Shift+" : "") + event.key];
    if (zoom) this.dispatchEvent(new Zoomed(zoom));
    else if (event.key === "ArrowLeft") this.#step(-1);
    else if (event.key === "ArrowRight") this.#step(1);
    else return;
    event.preventDefault();
  };

  /** Move the cursor of all charts by a point, and say what is there. */
  #step(by: number): void {
    const { data } = this;
    if (!data || !this.#plot) return;
    const last = data.count - 1;
    const index = this.pointed === null ? last : Math.min(last, Math.max(0, this.pointed + by));
    this.#plot.setCursor({ left: this.#plot.valToPos((data.start[index] ?? 0) / 1000, "x"), top: 10 });
    this.pointed = index;
    const values = data.lines.map(({ label, values: all }) => `${label} ${this.#write(all[index] ?? null)}`);
    this.#said = `${pointTime(data.start[index] ?? 0, data.interval, data.zone)}: ${values.join(", ")}`;
  }

  static override styles = [...sheet, bones, unsafeCSS(plotStyle), layout];
}

define("dashboard-chart", Chart);
