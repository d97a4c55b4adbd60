/** A message in place of figures: why there are none, and what to do. */

import { css, html, nothing, type TemplateResult } from "lit";
import type { Icon } from "../ui/icons";

export interface Notice {
  readonly icon: Icon;
  readonly title: string;
  readonly body: string;
  /** A command to copy. */
  readonly example?: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

export function notice({ icon, title, body, example, action }: Notice): TemplateResult {
  return html`<section class="notice">
    <span class="notice-mark">${icon()}</span>
    <h3>${title}</h3>
    <p>${body}</p>
    ${example === undefined ? nothing : html`<pre tabindex="0"><code>${example}</code></pre>`}
    ${action === undefined ? nothing : html`<button class="button primary" type="button" @click=${action.run}>${action.label}</button>`}
  </section>`;
}

export const noticeStyles = css`
  .notice {
    display: flex;
    flex-direction: column;
    align-items: center;
    gap: var(--space-3);
    padding: var(--space-6) 0;
    text-align: center;
  }
  .notice-mark {
    display: grid;
    place-items: center;
    width: 48px;
    height: 48px;
    border-radius: 50%;
    background: var(--accent-wash);
    color: var(--accent);
  }
  .notice h3 {
    margin: 0;
    font: 620 var(--text-large) / 1.3 var(--font);
  }
  .notice p {
    max-width: 36ch;
    margin: 0;
    color: var(--soft);
    text-wrap: balance;
  }
  .notice pre {
    align-self: stretch;
    margin: 0;
    padding: var(--space-3);
    border: 1px solid var(--line);
    border-radius: var(--radius-small);
    background: var(--raised);
    font: 400 var(--text-small) / 1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
    text-align: start;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
`;
