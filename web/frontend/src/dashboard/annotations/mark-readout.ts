/** What the cursor of a chart tells of the annotations at its point: in the tooltip, and to screen readers. */

import { css, html, nothing } from "lit";
import { count, counted } from "../../ui/format";
import { dashboardText } from "../text";
import { type Annotation, COLOURS, linkOf, timeOf } from "./annotation";

const words = dashboardText.marks;

/** How many of one point are told. */
const SHOWN = 3;

export function markReadout(annotations: readonly Annotation[]) {
  if (annotations.length === 0) return nothing;
  return html`<div class="marks">
    ${annotations.length > 1 ? html`<p>${counted(annotations.length, words.count)}</p>` : nothing}
    ${annotations.slice(0, SHOWN).map(
      (annotation) => html`<div>
        ${dot(annotation)} <b>${words.kinds[annotation.kind]}</b> <span class="soft">${timeOf(annotation)}</span>
        <bdi class="text">${annotation.text}</bdi>
        <bdi class="soft address">${linkOf(annotation)?.href ?? nothing}</bdi>
      </div>`,
    )}
    ${annotations.length > SHOWN ? html`<p>${words.more(count(annotations.length - SHOWN))}</p>` : nothing}
  </div>`;
}

export function spokenMarks(annotations: readonly Annotation[]): string[] {
  const told = annotations
    .slice(0, SHOWN)
    .map((annotation) => `${words.kinds[annotation.kind]} ${annotation.text} (${timeOf(annotation)})`);
  const more = annotations.length > SHOWN ? [words.more(count(annotations.length - SHOWN))] : [];
  return annotations.length > 1 ? [counted(annotations.length, words.count), ...told, ...more] : told;
}

/** The dot of a kind, as on the chart. */
export function dot({ kind }: Annotation) {
  return html`<svg class="mark" width="8" height="8" aria-hidden="true"><circle cx="4" cy="4" r="4" fill="var(${COLOURS[kind]})" /></svg>`;
}

export const readoutStyles = css`
  .marks {
    margin-top: var(--space-1);
    padding-top: var(--space-1);
    border-top: 1px solid var(--line);
  }
  .marks bdi {
    display: -webkit-box;
    overflow: hidden;
    overflow-wrap: anywhere;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 3;
  }
  .marks .address {
    -webkit-line-clamp: 1;
  }
`;
