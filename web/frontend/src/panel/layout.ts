import { css } from "lit";

/**
 * The layout of the panel. It resets all properties (`all: initial`), so that styles that a page sets for all elements do
 * not apply. A closed panel is not displayed, so that neither the keyboard nor screen readers reach it.
 */
export const layout = css`
  :host {
    display: contents;
  }
  .panel,
  .launcher {
    all: initial;
    box-sizing: border-box;
    position: fixed;
    z-index: var(--analytics-z-index, 2147483000);
    right: 0;
    bottom: 0;
    color-scheme: var(--analytics-scheme, light dark);
    color: var(--ink);
    font: 400 var(--text-body) / 1.45 var(--font);
    font-variant-numeric: tabular-nums;
  }

  .panel {
    top: 0;
    display: none;
    flex-direction: column;
    width: min(var(--analytics-width, 408px), 100vw);
    border-left: 1px solid var(--line);
    background: var(--page);
    box-shadow: var(--shadow);
    transform: translateX(100%);
    transition:
      transform 180ms cubic-bezier(0.2, 0.7, 0.3, 1),
      display 180ms allow-discrete;
  }
  .panel.open {
    display: flex;
    transform: none;
  }
  @starting-style {
    .panel.open {
      transform: translateX(100%);
    }
  }

  .head {
    display: grid;
    grid-template-columns: minmax(0, 1fr) repeat(3, auto);
    align-items: center;
    row-gap: var(--space-1);
    padding: var(--space-3) var(--space-3) var(--space-3) var(--space-4);
    border-bottom: 1px solid var(--line);
    background: var(--surface);
  }
  h2 {
    margin: 0;
    justify-self: start;
    border-radius: var(--radius-small);
    font: 650 18px / 1.3 var(--font);
    letter-spacing: -0.01em;
  }
  .state {
    display: flex;
    grid-column: 1 / -1;
    gap: var(--space-2);
    align-items: center;
  }
  .alerts {
    padding: 0 8px;
    border-radius: 10px;
    background: var(--bad);
    color: var(--surface);
    font-size: var(--text-small);
    font-weight: var(--bold);
    line-height: 20px;
  }
  .alerts[hidden] {
    display: none;
  }

  .body {
    flex: 1;
    overflow: hidden auto;
    overscroll-behavior: contain;
    padding: var(--space-4);
    scrollbar-width: thin;
  }
  .body:focus-visible {
    outline-offset: -2px;
  }
  section + section {
    margin-top: var(--space-5);
  }
  h3 {
    margin: 0 0 var(--space-2);
    font: 620 var(--text-body) / 1.4 var(--font);
  }
  .grid {
    display: grid;
    grid-template-columns: repeat(2, minmax(0, 1fr));
    gap: var(--space-3);
    margin: 0;
    padding: 0;
    list-style: none;
  }
  convoai-activities,
  convoai-ranking {
    padding: var(--space-1) var(--space-3);
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }

  .launcher {
    right: var(--space-4);
    bottom: var(--space-4);
    display: inline-flex;
    align-items: center;
    gap: var(--space-2);
    min-height: 44px;
    padding: 0 var(--space-4);
    border: 1px solid var(--line);
    border-radius: 22px;
    background: var(--surface);
    box-shadow: var(--shadow);
    font-weight: 550;
    cursor: pointer;
  }
  .launcher:hover {
    background: var(--raised);
  }
  .launcher[hidden] {
    display: none;
  }
  .launcher:focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }

  @media (width < 480px) {
    .panel {
      width: 100vw;
      border-left: 0;
    }
    .body {
      padding: var(--space-3);
    }
    .grid {
      gap: var(--space-2);
    }
  }
`;
