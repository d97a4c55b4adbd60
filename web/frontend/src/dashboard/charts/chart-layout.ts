import { css } from "lit";
import { HEIGHT } from "./plot";

/** The layout of a chart: nothing moves when the values, the cursor or the range change. */
export const layout = css`
  :host {
    display: block;
    min-width: 0;
    padding: var(--space-3) var(--space-4) var(--space-3);
    --table-height: ${HEIGHT}px;
  }
  .head {
    display: flex;
    align-items: baseline;
    gap: var(--space-3);
    min-height: 32px;
  }
  h3 {
    min-width: 0;
    flex: 1;
  }
  .total {
    font-size: 18px;
    font-weight: 620;
    letter-spacing: -0.01em;
    white-space: nowrap;
  }
  .total small {
    color: var(--soft);
    font-size: var(--text-small);
    font-weight: 400;
    letter-spacing: 0;
  }
  .change {
    min-width: 56px;
    color: var(--soft);
    font-size: var(--text-small);
    font-weight: 550;
    text-align: end;
    white-space: nowrap;
  }
  .better {
    color: var(--good);
  }
  .worse {
    color: var(--bad);
  }
  .head .icon-button {
    align-self: center;
    width: 28px;
    min-height: 28px;
    margin-right: -6px;
  }
  .icon-button .icon {
    width: 16px;
    height: 16px;
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
  .legend:not(.tall):has(.note) .item {
    flex: none;
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
  .tooltip dd {
    margin: 0;
    font-weight: 620;
    text-align: end;
    white-space: nowrap;
  }
  .note {
    flex: 0 100 auto;
    min-width: 0;
    margin-left: auto;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .plot {
    position: relative;
    height: ${HEIGHT}px;
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
  @media print {
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
