import { css } from "lit";

/** The layout of a chart: nothing moves when the values, the cursor or the range change. */
export const layout = css`
  :host {
    display: block;
    min-width: 0;
    padding: var(--space-3) var(--space-4) var(--space-3);
    /* On the first screen with the key figures above it. */
    --plot-height: clamp(220px, 100dvh - 440px, 460px);
    --table-height: var(--plot-height);
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-1) var(--space-3);
    min-height: 32px;
  }
  h2 {
    min-width: 0;
  }
  .total {
    font-size: var(--text-large);
    font-weight: var(--bold);
    white-space: nowrap;
  }
  .tools {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: flex-end;
    gap: var(--space-1) var(--space-2);
    flex: 1;
  }
  .buttons {
    display: flex;
    align-items: center;
    gap: 2px;
  }
  .total small {
    color: var(--soft);
    font-size: var(--text-small);
    font-weight: 400;
    letter-spacing: 0;
  }
  .change {
    color: var(--soft);
    white-space: nowrap;
  }
  .good {
    color: var(--good);
  }
  .bad {
    color: var(--bad);
  }
  .head .icon-button {
    width: 32px;
    min-height: 32px;
  }
  .icon-button .icon {
    width: 18px;
    height: 18px;
  }
  .icon-button[aria-pressed="true"] {
    background: var(--accent-wash);
    color: var(--accent);
  }
  .legend {
    display: flex;
    align-items: center;
    gap: 2px var(--space-3);
    height: 22px;
    margin-bottom: var(--space-2);
    overflow: hidden;
    white-space: nowrap;
  }
  .legend.tall {
    flex-wrap: wrap;
    align-content: start;
    height: 42px;
  }
  .tall .item {
    max-width: 180px;
  }
  .item {
    display: inline-flex;
    align-items: center;
    gap: 5px;
    min-width: 0;
  }
  .item bdi {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .mark {
    flex: none;
  }
  .tooltip {
    position: absolute;
    z-index: 110;
    width: max-content;
    max-width: 240px;
    padding: var(--space-2) var(--space-3);
    border: 1px solid var(--line);
    border-radius: var(--radius-small);
    background: var(--surface);
    box-shadow: var(--shadow);
    font-size: var(--text-small);
    pointer-events: none;
  }
  .tooltip p {
    margin: 0 0 var(--space-1);
    color: var(--soft);
  }
  .tooltip dl {
    display: grid;
    grid-template-columns: auto auto;
    gap: 2px var(--space-3);
    margin: 0;
  }
  .tooltip dt {
    display: flex;
    align-items: baseline;
    gap: 6px;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .tooltip .change {
    padding-top: var(--space-1);
    border-top: 1px solid var(--line);
  }
  .tooltip dd {
    margin: 0;
    font-weight: var(--bold);
    text-align: end;
    white-space: nowrap;
  }
  .plot {
    position: relative;
    height: var(--plot-height);
    border-radius: var(--radius-small);
    touch-action: pan-y;
  }
  .skeleton.plot {
    margin-top: 30px;
  }
  .skeleton.title {
    width: 120px;
    height: 14px;
  }
  .nothing {
    position: absolute;
    inset: 0 0 28px 52px;
    display: grid;
    place-items: center;
    margin: 0;
    pointer-events: none;
  }
  @media (width < 600px) {
    :host {
      --plot-height: 260px;
      padding-inline: var(--space-3);
    }
    .tools {
      flex-basis: 100%;
      justify-content: space-between;
    }
  }
  @media print {
    .tools {
      display: none;
    }
    /* A canvas is not drawn again for paper: it is scaled to it. */
    .uplot,
    .u-wrap,
    .u-wrap canvas {
      width: 100% !important;
    }
    .u-wrap canvas {
      height: 100% !important;
    }
  }
  .u-select {
    background: color-mix(in srgb, var(--accent) 14%, transparent);
  }
  .u-hz .u-cursor-x {
    border-right: 1px solid var(--soft);
  }
`;
