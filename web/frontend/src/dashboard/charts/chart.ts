/** A chart: its title and total, the values at the cursor, the plot or a table with the same values, and both as files. */

import { html, LitElement, nothing, type PropertyValues, svg, unsafeCSS } from "lit";
import type uPlot from "uplot";
import plotStyle from "uplot/dist/uPlot.min.css?inline";
import type { Interval } from "../../client/catalogue";
import { define } from "../../ui/define";
import { pointLabel } from "../../ui/format";
import { downloadIcon, minusIcon, pictureIcon, plusIcon, tableIcon } from "../../ui/icons";
import { skeleton } from "../../ui/theme";
import type { Annotation } from "../annotations/annotation";
import { markReadout, readoutStyles, spokenMarks } from "../annotations/mark-readout";
import { annotationsAt, type Mark, placeMarks } from "../annotations/marks";
import { download } from "../download";
import { csvName } from "../lists/csv-name";
import "../lists/table";
import type { Column } from "../lists/table";
import type { ZoomStep } from "../ranges/range";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { changeOf } from "./change";
import { type ChartData, endOf, endOfPoints, PARTS, readout } from "./chart-data";
import { chartCsv, drawPicture } from "./chart-file";
import { layout } from "./chart-layout";
import { canReuse, colours, columns, plot } from "./plot";
import { FigureChosen, writeValue } from "./strip";

const words = dashboardText.charts;

/** The distance of the tooltip from the cursor, in px. */
const GAP = 12;

const DASHES = svg`<path d="M0 5h10" stroke="var(--soft)" stroke-width="2" stroke-dasharray="3 2" />`;

/** Requests another length of the points; null: the automatic one. */
export class IntervalChosen extends Event {
  static readonly kind = "analytics-interval";
  constructor(readonly interval: Interval | null) {
    super(IntervalChosen.kind);
  }
}

/** Requests another range for all charts, or a step from the current one. */
export class ZoomRequested extends Event {
  static readonly kind = "analytics-zoomed";
  constructor(readonly to: ZoomStep) {
    super(ZoomRequested.kind, { bubbles: true, composed: true });
  }
}

/** Requests the events of a point: of the chart of this name, between two times. */
export class PointOpened extends Event {
  static readonly kind = "analytics-point";
  constructor(
    readonly name: string,
    readonly from: number,
    readonly to: number,
  ) {
    super(PointOpened.kind, { bubbles: true, composed: true });
  }
}

/** How far the pointer may move while a button is pressed for it to be a click and not a selection, in px. */
const CLICK = 4;

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
    annotations: { attribute: false },
    range: {},
    intervals: { attribute: false },
    isZoomed: { type: Boolean },
    scheme: {},
    cursor: { state: true },
    isTable: { state: true },
    isRead: { state: true },
  };
  /** Null while it is loading. */
  declare data: ChartData | null;
  /** What is marked on it. */
  declare annotations: readonly Annotation[];
  /** The range as text. */
  declare range: string;
  /** The lengths that its points can have. */
  declare intervals: readonly Interval[];
  /** Whether the range was zoomed to. */
  declare isZoomed: boolean;
  declare scheme: string;
  /** The index of the point at the cursor. */
  declare cursor: number | null;
  /** Whether the chart is shown as a table. */
  declare isTable: boolean;
  /** Whether the pointer or the keyboard is on the chart: only then it has a tooltip. */
  declare isRead: boolean;

  #plot: uPlot | undefined;
  #drawn: ChartData | undefined;
  #marks: readonly Mark[] = [];
  #spoken = "";
  #pressedAt = 0;
  /** Where the cursor is in the plot, in px. */
  #at = { left: 0, top: 0 };
  readonly #size = new ResizeObserver(([entry]) => {
    const [width, height] = [Math.floor(entry?.contentRect.width ?? 0), Math.floor(entry?.contentRect.height ?? 0)];
    if (width > 0 && this.#plot && (this.#plot.width !== width || this.#plot.height !== height))
      this.#plot.setSize({ width, height });
  });

  constructor() {
    super();
    this.data = null;
    this.annotations = [];
    this.range = "";
    this.intervals = [];
    this.isZoomed = false;
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

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("data") || changed.has("annotations"))
      this.#marks = this.data ? placeMarks(this.annotations, this.data.start, endOfPoints(this.data)) : [];
  }

  override render() {
    const { data } = this;
    if (!data)
      return html`<div class="head"><span class="skeleton title"></span></div><div class="skeleton plot"></div>`;
    const empty = !data.main.some(Boolean);
    return html`<div class="head">
        <h2>${data.title}</h2>
        <span class="total">${this.#format(data.total)}</span>
        ${data.qualifier ? html`<span class="small soft">${data.qualifier}</span>` : nothing}
        ${this.#change(data)} ${this.#tools(data)}
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
              @pointerdown=${this.#press}
              @click=${this.#click}
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

  #change({ compared, moreIs }: ChartData) {
    const [now, before] = compared ?? [null, null];
    const change = changeOf(now, before, moreIs);
    if (!change) return nothing;
    return html`<span class="change ${change.tone}" title=${change.spoken}>
      <span aria-hidden="true">${change.text}</span><span class="visually-hidden">${change.spoken}</span>
    </span>`;
  }

  #tools(data: ChartData) {
    const button = (label: string, icon: unknown, act: () => void, pressed: boolean | null = null) =>
      html`<button class="icon-button" type="button" aria-label=${label} title=${label} aria-pressed=${pressed ?? nothing} @click=${act}>${icon}</button>`;
    const zoom = (to: "in" | "out") => () => this.dispatchEvent(new ZoomRequested(to));
    return html`<div class="tools">
      ${this.#parts(data)} ${this.#intervals(data)}
      <div class="buttons" role="group" aria-label=${data.title}>
        ${this.isZoomed ? html`<button class="button" type="button" @click=${() => this.dispatchEvent(new ZoomRequested("reset"))}>${words.reset}</button>` : nothing}
        ${button(words.zoomOut, minusIcon(), zoom("out"))} ${button(words.zoomIn, plusIcon(), zoom("in"))}
        ${button(this.isTable ? words.asChart : words.asTable, tableIcon(), this.#toggle, this.isTable)}
        ${this.isTable ? nothing : button(words.picture, pictureIcon(), () => void this.#savePicture(data))}
        ${button(words.csv, downloadIcon(), () => this.#saveCsv(data))}
      </div>
    </div>`;
  }

  /** The ways to show one key figure. */
  #parts(data: ChartData) {
    const parts = PARTS.find((names) => names.some((name) => name === data.name)) ?? [];
    // Minutes have no percentiles, and so no other ways to show response times.
    if (data.name === "response_time" && data.interval === "minute") return nothing;
    return segments(
      words.parts.label,
      parts.map((name) => [words.parts[name], name === data.name, () => this.dispatchEvent(new FigureChosen(name))]),
    );
  }

  #intervals(data: ChartData) {
    return segments(
      words.points,
      this.intervals.map((interval) => [
        words.intervals[interval],
        interval === data.interval,
        () => this.dispatchEvent(new IntervalChosen(interval)),
      ]),
    );
  }

  #legend(data: ChartData) {
    const item = (colour: string, label: string) => html`<span class="item">${mark(colour)}<bdi>${label}</bdi></span>`;
    return html`<div class="legend small soft ${data.stacked ? "tall" : ""}">
      ${data.lines.map(({ label, colour }) => item(colour, label))}
      ${data.previous ? item("--faded", words.before) : nothing}
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
        ${this.#changeAt(data, at)}
      </dl>
      ${markReadout(annotationsAt(this.#marks, at))}
      <div class="small soft">${words.opens}</div>
    </div>`;
  }

  /** The change of a point that has ended on the one of the period before. */
  #changeAt(data: ChartData, at: number) {
    const change = at < data.ended ? changeOf(data.main[at] ?? null, data.previous?.[at] ?? null, data.moreIs) : null;
    if (!change) return nothing;
    return html`<dt class="change">${mark("")}${words.change}</dt><dd class="change ${change.tone}">${change.text}</dd>`;
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
    return this.data ? writeValue(this.data, value) : "";
  }

  #saveCsv(data: ChartData): void {
    const csv = chartCsv(data, { time: words.time, before: words.before });
    download(new Blob([csv], { type: "text/csv" }), this.#fileName(data));
  }

  async #savePicture(data: ChartData): Promise<void> {
    const canvas = this.#plot?.root.querySelector("canvas");
    if (!canvas) return;
    const style = getComputedStyle(this);
    const colour = colours(this);
    const blob = await drawPicture(canvas, {
      title: data.title,
      lines: [this.range, this.#format(data.total)],
      legend: data.lines.map((line) => ({ label: line.label, colour: colour(`var(${line.colour})`) })),
      font: style.fontFamily,
      ink: colour("var(--ink)"),
      soft: colour("var(--soft)"),
      surface: colour("var(--surface)"),
    });
    if (blob) download(blob, this.#fileName(data).replace(/csv$/, "png"));
  }

  #fileName(data: ChartData): string {
    const day = (time: number) => new Date(time).toISOString();
    return csvName(data.name, { from: day(data.start[0] ?? 0), to: day(data.start.at(-1) ?? 0) }, Date.now());
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
      this.#plot = plot(target, this.data, () => this.#marks, {
        cursor: (index, left, top) => this.#moveCursor(index, left, top),
        select: (from, to) => this.dispatchEvent(new ZoomRequested({ from, to })),
        reset: () => this.dispatchEvent(new ZoomRequested("reset")),
        touch: () => this.#setRead(true),
      });
      this.#size.observe(target);
    } else if (this.data !== this.#drawn) {
      this.#plot.setData(columns(this.data));
    } else if (changed.has("annotations")) {
      this.#plot.redraw(false);
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
    tooltip.style.top = `${Math.min(this.#at.top + GAP, Math.max(0, box.clientHeight - tooltip.offsetHeight))}px`;
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
    else if (event.key === "Enter" && this.cursor !== null) this.#open(this.cursor);
    else return;
    event.preventDefault();
  };

  #press = (event: PointerEvent): void => {
    this.#pressedAt = event.clientX;
  };

  /** Open the point at a mouse; a finger that touches it reads it. */
  #click = (event: PointerEvent): void => {
    const isClick = event.detail === 1 && Math.abs(event.clientX - this.#pressedAt) < CLICK;
    if (isClick && event.pointerType === "mouse" && this.cursor !== null) this.#open(this.cursor);
  };

  #open(index: number): void {
    const { data } = this;
    const from = data?.start[index];
    if (!data || from === undefined) return;
    const to = data.start[index + 1] ?? endOf(from, data.interval, data.zone);
    this.dispatchEvent(new PointOpened(data.name, from, to));
  }

  /** Move the cursor by a point, and tell screen readers its values. */
  #step(by: number): void {
    const { data } = this;
    if (!data || !this.#plot) return;
    const last = data.count - 1;
    const index = this.cursor === null ? last : Math.min(last, Math.max(0, this.cursor + by));
    this.#plot.setCursor({ left: this.#plot.valToPos((data.start[index] ?? 0) / 1000, "x"), top: 10 });
    this.cursor = index;
    this.isRead = true;
    const values = readout(data, index).map(({ label, value }) => `${label} ${this.#format(value)}`);
    const change =
      index < data.ended ? changeOf(data.main[index] ?? null, data.previous?.[index] ?? null, data.moreIs) : null;
    const parts = [...values, ...(change ? [change.spoken] : []), ...spokenMarks(annotationsAt(this.#marks, index))];
    this.#spoken = `${this.#pointLabel(data, index)}: ${parts.join(", ")}`;
  }

  static override styles = [...baseStyles, skeleton, unsafeCSS(plotStyle), layout, readoutStyles];
}

/** Buttons of which one is pressed; none if there is no choice. */
function segments(label: string, choices: readonly (readonly [label: string, pressed: boolean, choose: () => void])[]) {
  if (choices.length < 2) return nothing;
  return html`<div class="segments" role="group" aria-label=${label}>
    ${choices.map(([name, pressed, choose]) => html`<button type="button" aria-pressed=${pressed} @click=${choose}>${name}</button>`)}
  </div>`;
}

/** The mark of a line; a sum, which has no line, has an empty one. */
function mark(colour: string) {
  if (colour === "") return html`<svg class="mark" width="10" height="10" aria-hidden="true"></svg>`;
  return html`<svg class="mark" width="10" height="10" aria-hidden="true">${colour === "--faded" ? DASHES : svg`<rect width="10" height="10" rx="3" fill="var(${colour})" />`}</svg>`;
}

define("dashboard-chart", Chart);
