import { css } from "lit";

/** The layout of the page: a sticky header, and the navigation beside or above the view. */
export const layout = css`
  :host {
    display: block;
    min-height: 100dvh;
    background: var(--page);
  }
  .skip {
    position: absolute;
    left: var(--space-4);
    top: -60px;
    z-index: 3;
  }
  .skip:focus {
    top: var(--space-2);
  }
  header {
    position: sticky;
    top: 0;
    z-index: 2;
    display: flex;
    align-items: center;
    gap: var(--space-2);
    min-height: 56px;
    padding: var(--space-2) max(var(--space-5), (100vw - 2560px) / 2 + var(--space-5));
    border-bottom: 1px solid var(--line);
    background: var(--surface);
  }
  .brand {
    display: flex;
    align-items: center;
    gap: 10px;
    margin-right: auto;
    color: var(--ink);
    font-size: 15px;
    font-weight: var(--bold);
    letter-spacing: -0.01em;
    text-decoration: none;
    white-space: nowrap;
  }
  .brand svg {
    flex: none;
    width: 26px;
    height: 26px;
  }
  .brand rect {
    fill: var(--accent);
  }
  .brand path {
    fill: none;
    stroke: var(--on-accent);
    stroke-width: 3;
    stroke-linecap: round;
  }
  .frame {
    display: grid;
    grid-template-columns: 208px minmax(0, 1fr);
    max-width: 2560px;
    margin: 0 auto;
  }
  nav {
    position: sticky;
    top: 56px;
    align-self: start;
    padding: var(--space-5) var(--space-2) var(--space-5) var(--space-4);
  }
  nav ul {
    display: grid;
    gap: 2px;
    margin: 0;
    padding: 0;
    list-style: none;
  }
  nav a {
    display: flex;
    align-items: center;
    gap: 10px;
    min-height: 38px;
    padding: 0 var(--space-3);
    border-radius: var(--radius-small);
    color: var(--soft);
    font-weight: 400;
    text-decoration: none;
    white-space: nowrap;
  }
  nav a:hover {
    background: var(--raised);
    color: var(--ink);
  }
  nav a[aria-current] {
    background: var(--accent-wash);
    color: var(--accent);
  }
  nav svg {
    flex: none;
    width: 18px;
    height: 18px;
  }
  .badge {
    min-width: 20px;
    margin-left: auto;
    padding: 0 6px;
    border-radius: 10px;
    background: var(--bad);
    color: var(--surface);
    font-size: var(--text-small);
    font-weight: var(--bold);
    line-height: 20px;
    text-align: center;
  }
  main {
    display: grid;
    align-content: start;
    gap: var(--space-4);
    min-width: 0;
    min-height: calc(100dvh - 110px);
    padding: var(--space-5);
  }
  h1 {
    font: var(--bold) 22px / 1.3 var(--font);
    letter-spacing: -0.015em;
  }
  .title h1 {
    flex: 1;
  }
  h1:focus {
    outline: none;
  }
  .title {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-2);
    min-width: 0;
  }
  footer {
    grid-column: -2;
    padding: 0 var(--space-5) var(--space-5);
    color: var(--soft);
    font-size: var(--text-small);
  }

  .printed {
    display: none;
  }

  @media (width < 960px) {
    .frame {
      grid-template-columns: minmax(0, 1fr);
    }
    nav {
      top: 56px;
      z-index: 2;
      padding: 6px var(--space-3);
      border-bottom: 1px solid var(--line);
      background: var(--surface);
      overflow-x: auto;
      scrollbar-width: none;
    }
    nav ul {
      grid-auto-flow: column;
      justify-content: start;
    }
    nav a {
      min-height: 36px;
      padding: 0 10px;
    }
    main {
      padding: var(--space-4);
    }
    footer {
      padding: 0 var(--space-4) var(--space-4);
    }
  }
  @media (width < 600px) {
    header {
      gap: 0;
      padding: var(--space-2) var(--space-2) var(--space-2) var(--space-3);
    }
    .brand span {
      display: none;
    }
    nav svg {
      display: none;
    }
    main {
      gap: var(--space-3);
      padding: var(--space-3);
    }
    /* The navigation above it says the same. */
    .title h1 {
      position: absolute;
      clip-path: inset(50%);
    }
    dashboard-range {
      flex: 1;
    }
  }
  @media print {
    .skip,
    nav,
    convoai-status {
      display: none;
    }
    .printed {
      display: block;
    }
    header {
      position: static;
      padding-inline: 0;
    }
    .brand span {
      display: inline;
    }
    .frame {
      display: block;
    }
    main {
      min-height: 0;
      padding: var(--space-4) 0;
    }
    footer {
      padding: 0;
    }
  }
`;
