/**
 * An input for a date, written as 2026-11-30 in every language: `<input type="date">` writes dates in the language of the
 * browser, which may be another one than that of the page. The calendar of the browser is a button away.
 */

import { css, html, LitElement } from "lit";
import { define } from "../../ui/define";
import { calendarIcon } from "../../ui/icons";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { dateOf } from "./range";

const words = dashboardText.ranges;

export class DateInput extends LitElement {
  static override properties = { label: {}, value: {}, max: {}, invalid: { type: Boolean } };
  declare label: string;
  /** What was typed; see {@link DateInput.date}. */
  declare value: string;
  /** The last date that the calendar offers. */
  declare max: string;
  declare invalid: boolean;

  constructor() {
    super();
    this.label = "";
    this.value = "";
    this.max = "";
    this.invalid = false;
  }

  override render() {
    return html`<label class="field">
        ${this.label}
        <input
          class="text"
          inputmode="numeric"
          autocomplete="off"
          spellcheck="false"
          placeholder=${words.datePattern}
          .value=${this.value}
          aria-invalid=${this.invalid}
          @input=${this.#type}
          @keydown=${this.#key}
        />
      </label>
      <button class="icon-button" type="button" aria-label=${words.calendar} title=${words.calendar} @click=${this.#open}>
        ${calendarIcon()}
      </button>
      <input class="calendar" type="date" tabindex="-1" aria-hidden="true" .value=${dateOf(this.value)} max=${this.max} @change=${this.#pick} />`;
  }

  #type = (event: Event): void => {
    this.value = (event.target as HTMLInputElement).value;
  };

  /**
   * The form is outside of this element, so that Enter does not reach it by itself. The key does nothing else: what the form
   * moves the focus to would be pressed by it.
   */
  #key = (event: KeyboardEvent): void => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    this.closest("form")?.requestSubmit();
  };

  #open = (): void => this.renderRoot.querySelector<HTMLInputElement>(".calendar")?.showPicker();

  #pick = (event: Event): void => {
    const { value } = event.target as HTMLInputElement;
    if (value !== "") this.value = value;
  };

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        position: relative;
        min-width: 0;
      }
      .text {
        width: 100%;
        padding-right: 38px;
      }
      .icon-button {
        position: absolute;
        right: 1px;
        bottom: 1px;
        width: 34px;
        min-height: 34px;
      }
      .calendar {
        position: absolute;
        right: 0;
        bottom: 0;
        width: 36px;
        padding: 0;
        border: 0;
        opacity: 0;
        pointer-events: none;
      }
    `,
  ];
}

define("dashboard-date", DateInput);
