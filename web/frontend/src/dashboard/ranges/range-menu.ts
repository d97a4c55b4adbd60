/** The range of the page, and what it is compared with: `<dashboard-range .params=${params} .zone=${zone} .now=${now}>`. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import { BROWSER_ZONE, daysLabel, spanLabel } from "../../ui/format";
import { calendarIcon, downIcon, leftIcon, rightIcon } from "../../ui/icons";
import type { Params } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import "./date-input";
import type { DateInput } from "./date-input";
import {
  COMPARISONS,
  type Comparison,
  DEFAULT_RANGE,
  dayStart,
  isByDays,
  PRESETS,
  previousPeriod,
  type Range,
  readComparison,
  readDate,
  readRange,
  type Span,
  spanOf,
  step,
  writeDate,
  writeRange,
} from "./range";

const words = dashboardText.ranges;

/** Another range, or another comparison, was chosen: the parameters that it changes. */
export class RangeChosen extends Event {
  static readonly kind = "analytics-range";
  constructor(readonly params: Params) {
    super(RangeChosen.kind);
  }
}

export class RangeMenu extends LitElement {
  static override properties = {
    params: { attribute: false },
    zone: {},
    now: { attribute: false, hasChanged: (now: number, before: number) => !(Math.abs(now - before) < 60_000) },
    isOpen: { state: true },
    isInvalid: { state: true },
  };
  declare params: Params;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  /** The service's time, in ms since 1970. */
  declare now: number;
  declare isOpen: boolean;
  /** Whether the dates that were typed are in the wrong order. */
  declare isInvalid: boolean;

  constructor() {
    super();
    this.params = {};
    this.zone = null;
    this.now = Date.now();
    this.isOpen = false;
    this.isInvalid = false;
  }

  get #range(): Range {
    return readRange(this.params, DEFAULT_RANGE);
  }

  get #zone(): string | undefined {
    return this.zone ?? undefined;
  }

  override render() {
    const range = this.#range;
    const span = spanOf(range, this.now, this.#zone);
    const label = this.#spanLabel(range, span);
    const name = typeof range === "string" ? words.presets[range] : words.custom;
    return html`<div class="bar" role="group" aria-label=${words.label}>
        ${this.#step(-1, words.earlier, leftIcon())}
        <button id="open" class="button" type="button" popovertarget="menu" aria-expanded=${this.isOpen}>
          ${calendarIcon()}<span class="visually-hidden">${words.label}: </span><span class="name">${name}</span>
          <span class="span soft">${label}</span>${downIcon()}
        </button>
        ${this.#step(1, words.later, rightIcon())}
      </div>
      <p class="printed">${name}: ${label}${this.#compared(range, span)}</p>
      <div id="menu" popover role="dialog" aria-label=${words.label} @beforetoggle=${this.#place} @toggle=${this.#toggle}>
        ${this.isOpen ? html`${this.#presets(range)} ${this.#custom(span)} ${this.#comparisons()}` : nothing}
      </div>`;
  }

  /** The button of a step, which is disabled where the range ends now. */
  #step(direction: -1 | 1, label: string, icon: unknown) {
    const to = step(this.#range, direction, this.now, this.#zone);
    const isPossible = JSON.stringify(to) !== JSON.stringify(this.#range);
    return html`<button class="icon-button" type="button" aria-label=${label} title=${label} ?disabled=${!isPossible} @click=${() => this.#choose(to)}>${icon}</button>`;
  }

  #presets(range: Range) {
    return html`<div class="presets" role="group" aria-label=${words.label}>
      ${PRESETS.map(
        (preset) =>
          html`<button type="button" aria-pressed=${preset === range} @click=${() => this.#pick(preset)}>${words.presets[preset]}</button>`,
      )}
    </div>`;
  }

  #custom({ from, to, zone }: Span) {
    const field = (id: string, label: string, time: number) =>
      html`<dashboard-date id=${id} .label=${label} .value=${writeDate(time, zone)} .max=${writeDate(this.now, zone)} ?invalid=${this.isInvalid}></dashboard-date>`;
    return html`<form class="days" @submit=${this.#apply}>
      ${field("from", words.from, from)} ${field("to", words.to, to - 1)}
      <button class="button" type="submit">${words.apply}</button>
      <p role="alert">${this.isInvalid ? words.wrong : nothing}</p>
    </form>`;
  }

  #comparisons() {
    const current = readComparison(this.params);
    return html`<fieldset>
      <legend>${words.compare}</legend>
      ${COMPARISONS.map(
        (one) => html`<label>
          <input type="radio" name="compare" .checked=${one === current} @change=${() => this.#compare(one)} />${words.comparisons[one]}
        </label>`,
      )}
    </fieldset>`;
  }

  #spanLabel(range: Range, span: Span): string {
    if (!isByDays(range, span)) return spanLabel(span.from, span.to, BROWSER_ZONE);
    return daysLabel(span.from, span.to - 1, span.zone);
  }

  #compared(range: Range, span: Span): string {
    const comparison = readComparison(this.params);
    if (comparison === "none") return "";
    const before = { ...span, ...previousPeriod(range, span, comparison) };
    return ` ${words.comparedWith(this.#spanLabel(range, before))}`;
  }

  #pick(preset: (typeof PRESETS)[number]): void {
    this.#menu?.hidePopover();
    this.#choose(preset);
  }

  #apply = (event: Event): void => {
    event.preventDefault();
    const from = readDate(this.#input("from"), this.#zone);
    const last = readDate(this.#input("to"), this.#zone);
    this.isInvalid = from === null || last === null || from > last;
    if (from === null || last === null || from > last) return;
    this.#menu?.hidePopover();
    this.#choose({ from, to: dayStart(last, 1, this.#zone) });
  };

  #input(id: string): string {
    return this.renderRoot.querySelector<DateInput>(`#${id}`)?.value ?? "";
  }

  #choose(range: Range): void {
    this.dispatchEvent(new RangeChosen(writeRange(range === DEFAULT_RANGE ? null : range)));
  }

  #compare(comparison: Comparison): void {
    this.dispatchEvent(new RangeChosen({ compare: comparison === "previous" ? "" : comparison }));
  }

  get #menu(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>("#menu");
  }

  /** Put the menu below its button, inside the window; when it closes, the button has the focus again. */
  #place = (event: ToggleEvent): void => {
    if (event.newState !== "open") {
      if (this.#menu?.contains(this.shadowRoot?.activeElement ?? null)) {
        this.renderRoot.querySelector<HTMLElement>("#open")?.focus();
      }
      return;
    }
    this.isInvalid = false;
    this.isOpen = true;
    // Rendered now, so that the popover opens with its content, and the current preset gets the focus.
    this.performUpdate();
    const { style } = event.target as HTMLElement;
    const { bottom, right } =
      this.renderRoot.querySelector(".bar")?.getBoundingClientRect() ?? this.getBoundingClientRect();
    style.top = `${bottom + 6}px`;
    style.right = `${Math.max(8, document.documentElement.clientWidth - right)}px`;
  };

  #toggle = (event: ToggleEvent): void => {
    this.isOpen = event.newState === "open";
    if (!this.isOpen) return;
    const presets = [...this.renderRoot.querySelectorAll<HTMLElement>(".presets button")];
    (presets.find(({ ariaPressed }) => ariaPressed === "true") ?? presets[0])?.focus();
  };

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      .bar {
        display: flex;
        align-items: center;
        gap: 2px;
      }
      #open .icon:last-child {
        width: 14px;
        height: 14px;
        color: var(--soft);
      }
      .name {
        white-space: nowrap;
      }
      .span {
        font-weight: 400;
        white-space: nowrap;
      }
      .printed {
        display: none;
        margin: 0;
      }
      #menu {
        position: fixed;
        inset: auto;
        width: min(320px, calc(100vw - 16px));
        max-height: calc(100dvh - 130px);
        margin: 0;
        padding: var(--space-3);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        box-shadow: var(--shadow);
        color: var(--ink);
        overflow: auto;
      }
      .presets {
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: 2px;
      }
      .presets button {
        min-height: 36px;
        padding: 0 var(--space-3);
        border: 0;
        border-radius: var(--radius-small);
        background: none;
        color: var(--ink);
        font: inherit;
        text-align: start;
        cursor: pointer;
      }
      .presets button:hover {
        background: var(--raised);
      }
      .presets button[aria-pressed="true"] {
        background: var(--accent-wash);
        color: var(--accent);
      }
      .days,
      fieldset {
        margin: var(--space-3) 0 0;
        padding: var(--space-3) 0 0;
        border: 0;
        border-top: 1px solid var(--line);
      }
      .days {
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: var(--space-2);
      }
      .days .button,
      .days p {
        grid-column: 1 / -1;
      }
      .days p {
        margin: 0;
        color: var(--bad);
        font-size: var(--text-small);
      }
      .days p:empty {
        display: none;
      }
      legend {
        float: left;
        width: 100%;
        margin-bottom: var(--space-1);
        padding: 0;
        color: var(--soft);
        font-size: var(--text-small);
      }
      fieldset label {
        clear: both;
        display: flex;
        align-items: center;
        gap: var(--space-2);
        min-height: 32px;
        cursor: pointer;
      }
      input[type="radio"] {
        width: 16px;
        height: 16px;
        accent-color: var(--accent);
      }
      [aria-invalid="true"] {
        border-color: var(--bad);
      }
      @media (width < 600px) {
        #open {
          flex: 1;
          min-width: 0;
          padding: 0 var(--space-2);
        }
        .span {
          overflow: hidden;
          text-overflow: ellipsis;
        }
      }
      @media print {
        .bar,
        #menu {
          display: none;
        }
        .printed {
          display: block;
        }
      }
    `,
  ];
}

define("dashboard-range", RangeMenu);
