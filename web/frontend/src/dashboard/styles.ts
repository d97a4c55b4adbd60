/** The styles of all dashboard elements beside the theme: cards, fields, headings, notices. */

import { css } from "lit";
import { buttons, theme } from "../ui/theme";

const shared = css`
  h1,
  h2,
  h3 {
    margin: 0;
    letter-spacing: -0.01em;
  }
  h2 {
    font: var(--bold) var(--text-large) / 1.4 var(--font);
  }
  h3 {
    font: var(--bold) var(--text-body) / 1.4 var(--font);
  }
  a {
    color: var(--accent);
    text-decoration-color: color-mix(in srgb, currentColor 35%, transparent);
    text-underline-offset: 3px;
  }
  a:hover {
    text-decoration-color: currentColor;
  }
  .card {
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }
  .soft {
    color: var(--soft);
  }
  .small {
    font-size: var(--text-small);
  }
  .field {
    display: grid;
    gap: var(--space-1);
    min-width: 0;
    color: var(--soft);
    font-size: var(--text-small);
    font-weight: 400;
  }
  input,
  select {
    min-width: 0;
    max-width: 100%;
    height: 36px;
    margin: 0;
    padding: 0 10px;
    border: 1px solid light-dark(#868e9c, #667082);
    border-radius: var(--radius-small);
    background: var(--surface);
    color: var(--ink);
    font: 400 var(--text-body) / 1 var(--font);
    font-variant-numeric: tabular-nums;
  }
  select {
    appearance: none;
    padding-right: 30px;
    background:
      linear-gradient(45deg, transparent 50%, var(--soft) 50%) right 14px center / 5px 5px no-repeat,
      linear-gradient(135deg, var(--soft) 50%, transparent 50%) right 9px center / 5px 5px no-repeat,
      var(--surface);
    cursor: pointer;
  }
  input::placeholder {
    color: var(--soft);
    opacity: 1;
  }
  /* Several buttons of which one is pressed. */
  .segments {
    display: inline-flex;
    padding: 2px;
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
    font: 400 13px / 1 var(--font);
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
  .button:disabled,
  .icon-button:disabled {
    opacity: 0.5;
    cursor: default;
  }
  .button .icon {
    width: 18px;
    height: 18px;
  }
  .notice {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-2) var(--space-4);
    padding: var(--space-3) var(--space-4);
    border: 1px solid color-mix(in srgb, var(--bad) 35%, var(--line));
    border-radius: var(--radius);
    background: color-mix(in srgb, var(--bad) 7%, var(--surface));
    color: var(--ink);
  }
  .notice.warning {
    border-color: color-mix(in srgb, var(--warn) 35%, var(--line));
    background: color-mix(in srgb, var(--warn) 8%, var(--surface));
  }
  .notice p {
    margin: 0;
  }
  @media print {
    .card {
      break-inside: avoid;
    }
  }
  /* Forced colours remove all backgrounds, by which the selected one of several is told apart otherwise. */
  @media (forced-colors: active) {
    [aria-pressed="true"],
    nav a[aria-current] {
      forced-color-adjust: none;
      background: Highlight !important;
      color: HighlightText !important;
    }
  }
`;

export const baseStyles = [theme, buttons, shared];
