import { css } from "lit";

/**
 * The theme: colours, spacing, type. Every element includes it.
 *
 * Colours are named by their role. `light-dark()` follows `color-scheme`, which the attribute `theme` can set. Scheme and
 * accent are inherited through custom properties (`--analytics-*`), from the page or from an outer element. Text has a
 * contrast of at least 4.5 with its surface (WCAG 2.2, 1.4.3) in both schemes.
 */
export const theme = css`
  :host {
    color-scheme: var(--analytics-scheme, light dark);
    --page: light-dark(#f6f7f9, #0d1016);
    --surface: light-dark(#ffffff, #151a22);
    --raised: light-dark(#f1f3f6, #1d232d);
    --line: light-dark(#e3e6eb, #2a313c);
    --ink: light-dark(#151922, #e9ecf1);
    --soft: light-dark(#5a6272, #9ba5b4);
    --accent: var(--analytics-accent, light-dark(#3350cf, #8fa6ff));
    --on-accent: light-dark(#ffffff, #0d1016);
    --accent-wash: color-mix(in srgb, var(--accent) 11%, var(--surface));
    --good: light-dark(#0b7548, #4fc48c);
    --warn: light-dark(#8a5800, #f0ba55);
    --bad: light-dark(#b3261e, #ff9187);
    --series-1: var(--accent);
    --series-2: light-dark(#0c8577, #45c8b6);
    --series-3: light-dark(#b4540a, #f2a35e);
    --series-4: light-dark(#8a3ab9, #d09af2);
    --series-5: light-dark(#a8326b, #f08bb6);
    --series-6: light-dark(#5a6272, #9ba5b4);
    --series-7: light-dark(#8d7440, #bfa876);
    --percentile-50: color-mix(in srgb, var(--accent) 45%, var(--surface));
    --percentile-99: var(--series-3);
    --faded: light-dark(#b9c0cc, #4a5362);
    --shadow: 0 1px 2px light-dark(#1015220f, #0006), 0 8px 24px light-dark(#10152214, #0008);

    --space-1: 4px;
    --space-2: 8px;
    --space-3: 12px;
    --space-4: 16px;
    --space-5: 24px;
    --space-6: 32px;
    --radius: 10px;
    --radius-small: 6px;

    --font: var(--analytics-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
    --text-small: 12px;
    --text-body: 14px;
    --text-large: 16px;
    --text-title: 20px;
    --text-figure: 26px;
    --bold: 600;

    color: var(--ink);
    font: 400 var(--text-body) / 1.45 var(--font);
    font-variant-numeric: tabular-nums;
    -webkit-font-smoothing: antialiased;
  }
  :host([theme="light"]) {
    --analytics-scheme: light;
  }
  :host([theme="dark"]) {
    --analytics-scheme: dark;
  }
  @media print {
    :host {
      --analytics-scheme: light !important;
    }
  }
  :host([hidden]) {
    display: none;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation-duration: 0.01ms !important;
      animation-iteration-count: 1 !important;
      transition-duration: 0.01ms !important;
    }
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`;

/** Text of one line, with an ellipsis if it does not fit. */
export const oneLine = css`
  .one-line {
    min-width: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
`;

/** A list of activities or users: each row has a mark on the left, two lines, and a value at the end of the first. */
export const listRows = css`
  :host {
    display: block;
  }
  a {
    color: inherit;
    text-decoration-color: color-mix(in srgb, currentColor 35%, transparent);
    text-underline-offset: 3px;
  }
  :is(ul, ol) {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  p {
    margin: 0;
    color: var(--soft);
  }
  li {
    display: grid;
    grid-template: auto auto / 32px minmax(0, 1fr) auto;
    column-gap: var(--space-3);
    align-items: baseline;
    padding: 7px 0;
    line-height: 18px;
  }
`;

/** Placeholders while something is loading, in its size. */
export const skeleton = css`
  .skeleton {
    border-radius: var(--radius-small);
    background: var(--raised);
    animation: skeleton 1.6s ease-in-out infinite;
  }
  @keyframes skeleton {
    50% {
      opacity: 0.55;
    }
  }
`;

/** Buttons, and links that look like buttons. */
export const buttons = css`
  .button,
  .icon-button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: var(--space-2);
    min-height: 36px;
    margin: 0;
    padding: 0 var(--space-3);
    border: 1px solid var(--line);
    border-radius: var(--radius-small);
    background: var(--surface);
    color: var(--ink);
    font: 500 var(--text-body) / 1 var(--font);
    text-decoration: none;
    cursor: pointer;
    transition: background-color 120ms;
  }
  .icon-button {
    outline-offset: -2px;
    width: 36px;
    padding: 0;
    border-color: transparent;
    background: transparent;
    color: var(--soft);
  }
  .button:hover,
  .icon-button:hover {
    background: var(--raised);
    color: var(--ink);
  }
  .button.primary {
    border-color: transparent;
    background: var(--accent);
    color: var(--on-accent);
  }
  .button.primary:hover {
    background: color-mix(in srgb, var(--accent) 88%, var(--ink));
  }
  @media print {
    .button,
    .icon-button {
      display: none !important;
    }
  }
`;
