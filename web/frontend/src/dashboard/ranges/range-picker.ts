/** An input for a range: presets, or two times in the browser's zone. `<dashboard-range .range=${range}>` fires an event. */

import { css, html, LitElement, nothing, type PropertyValues } from "lit";
import { define } from "../../ui/define";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { dayStart, PRESETS, type Preset, type Range, readInput, spanOf, writeDate, writeInput } from "./range";

const words = dashboardText.ranges;
const SHORTER_THAN_A_DAY: readonly Preset[] = ["1h", "24h"];

/** Another range was chosen; null: without bounds. */
export class RangeChosen extends Event {
  static readonly kind = "analytics-range";
  constructor(readonly range: Range | null) {
    super(RangeChosen.kind);
  }
}

/**
 * `list`: the presets are a list instead of buttons. `optional`: one or both bounds may be left out. `days`: whole days
 * only, including the last one. The days of a preset are days of `zone`.
 */
export class RangePicker extends LitElement {
  static override properties = {
    range: { attribute: false },
    list: { type: Boolean },
    optional: { type: Boolean },
    days: { type: Boolean },
    zone: {},
    custom: { type: Boolean, reflect: true },
    invalid: { state: true },
  };
  declare range: Range | null;
  declare list: boolean;
  declare optional: boolean;
  declare days: boolean;
  declare zone: string | null;
  declare custom: boolean;
  declare invalid: boolean;

  constructor() {
    super();
    this.range = null;
    this.list = false;
    this.optional = false;
    this.days = false;
    this.zone = null;
    this.custom = false;
    this.invalid = false;
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("range")) return;
    this.custom = typeof this.range === "object" && this.range !== null;
    this.invalid = false;
  }

  override render() {
    return html`${this.list ? this.#list() : this.#buttons()} ${this.custom ? this.#bounds() : nothing}`;
  }

  #buttons() {
    const button = (pressed: boolean, label: string, choose: () => void) =>
      html`<button type="button" aria-pressed=${pressed} @click=${choose}>${label}</button>`;
    return html`<div class="segments" role="group" aria-label=${words.label}>
      ${PRESETS.map((preset) =>
        button(!this.custom && this.range === preset, words.presets[preset], () => this.#choose(preset)),
      )}
      ${button(this.custom, words.custom, this.#openCustom)}
    </div>`;
  }

  #list() {
    const chosen = this.custom ? "custom" : typeof this.range === "string" ? this.range : "";
    const presets = PRESETS.filter((preset) => !this.days || !SHORTER_THAN_A_DAY.includes(preset));
    const options = [
      ...(this.optional ? [["", words.any]] : []),
      ...presets.map((preset) => [preset, words.presets[preset]]),
      ["custom", words.custom],
    ];
    return html`<label class="field">
      ${words.label}
      <select @change=${this.#pick}>
        ${options.map(([value, label]) => html`<option value=${value} ?selected=${value === chosen}>${label}</option>`)}
      </select>
    </label>`;
  }

  #bounds() {
    const { from, to, zone } = this.#shown();
    return html`<div class="bounds">
      ${this.#bound("from", words.from, from, zone)} ${this.#bound("to", words.to, to, zone)}
      <p role="alert">${this.invalid ? words.wrong : nothing}</p>
    </div>`;
  }

  #bound(id: "from" | "to", label: string, time: number | null, zone?: string) {
    const value = this.days ? writeDate(time !== null && id === "to" ? time - 1 : time, zone) : writeInput(time);
    return html`<label class="field">
      ${label}
      <input
        id=${id}
        type=${this.days ? "date" : "datetime-local"}
        .value=${value}
        aria-invalid=${this.invalid}
        @change=${this.#changeBounds}
      />
    </label>`;
  }

  /** The bounds that are shown: those that were chosen, at first those of the preset. */
  #shown(): { from: number | null; to: number | null; zone?: string | undefined } {
    if (this.range === null) return { from: null, to: null };
    if (typeof this.range === "object") return this.range;
    return spanOf(this.range, Date.now(), this.zone ?? undefined);
  }

  #openCustom = (): void => {
    this.custom = true;
  };

  #pick = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    if (value === "custom") this.#openCustom();
    else this.#choose(value === "" ? null : (value as Preset));
  };

  #changeBounds = (): void => {
    const from = this.#read("from");
    const last = this.#read("to");
    const to = this.days && last !== null ? dayStart(last, 1) : last;
    this.invalid = from !== null && to !== null && from >= to;
    if (this.invalid) return;
    if (from === null && to === null) {
      if (this.optional) this.#choose(null);
    } else if (this.optional || from !== null) this.#choose({ from, to });
  };

  #read(id: string): number | null {
    return readInput(this.renderRoot.querySelector<HTMLInputElement>(`#${id}`)?.value ?? "");
  }

  #choose(range: Range | null): void {
    this.custom = typeof range === "object" && range !== null;
    this.dispatchEvent(new RangeChosen(range));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: end;
        gap: var(--space-3);
        min-width: 0;
      }
      .segments {
        display: flex;
        flex-wrap: wrap;
        gap: 2px;
        padding: 3px;
        border: 1px solid var(--line);
        border-radius: var(--radius-small);
        background: var(--raised);
      }
      .segments button {
        min-height: 28px;
        padding: 0 10px;
        border: 0;
        border-radius: 4px;
        background: none;
        color: var(--soft);
        font: 500 13px / 1 var(--font);
        white-space: nowrap;
        cursor: pointer;
      }
      .segments button:hover {
        color: var(--ink);
      }
      .segments button[aria-pressed="true"] {
        background: var(--surface);
        color: var(--ink);
        box-shadow: 0 1px 2px #0003;
      }
      .bounds {
        display: flex;
        flex-wrap: wrap;
        align-items: end;
        gap: var(--space-3);
        min-width: 0;
      }
      .bounds p {
        margin: 0;
        color: var(--bad);
        font-size: var(--text-small);
      }
      .bounds p:empty {
        display: none;
      }
      @media (width < 480px) {
        .field {
          flex: 1 1 130px;
        }
        .bounds,
        .bounds .field {
          flex-basis: 100%;
        }
      }
      @media print {
        .segments {
          display: none;
        }
      }
      [aria-invalid="true"] {
        border-color: var(--bad);
      }
    `,
  ];
}

define("dashboard-range", RangePicker);
