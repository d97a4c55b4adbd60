/** The icons, drawn on a grid of 20 with the colour of the text around them. They say nothing that words do not. */

import { html, type SVGTemplateResult, svg, type TemplateResult } from "lit";

const drawings = {
  // An arrow into a door, and out of it.
  login: svg`<path d="M11 3.5h4a1.5 1.5 0 0 1 1.5 1.5v10a1.5 1.5 0 0 1-1.5 1.5h-4M3.5 10H12M9 6.8 12.2 10 9 13.2"/>`,
  logout: svg`<path d="M9 3.5H5A1.5 1.5 0 0 0 3.5 5v10A1.5 1.5 0 0 0 5 16.5h4M8.5 10h8M13.4 6.8l3.1 3.2-3.1 3.2"/>`,
  registration: svg`<circle cx="8" cy="7" r="3.2"/><path d="M2.5 16.5c.6-3 2.7-4.6 5.5-4.6s4.9 1.6 5.5 4.6M15.5 5.5v5M13 8h5"/>`,
  conversation_started: svg`<path d="M3.5 14.5v-9A1.5 1.5 0 0 1 5 4h10a1.5 1.5 0 0 1 1.5 1.5v6A1.5 1.5 0 0 1 15 13H7.5l-4 3.5zM10 6.3v4.4M7.8 8.5h4.4"/>`,
  conversation_ended: svg`<path d="M3.5 14.5v-9A1.5 1.5 0 0 1 5 4h10a1.5 1.5 0 0 1 1.5 1.5v6A1.5 1.5 0 0 1 15 13H7.5l-4 3.5zM7.6 8.6l1.8 1.8 3.2-3.5"/>`,
  message_sent: svg`<path d="M3.5 14.5v-9A1.5 1.5 0 0 1 5 4h10a1.5 1.5 0 0 1 1.5 1.5v6A1.5 1.5 0 0 1 15 13H7.5l-4 3.5zM7 7.2h6M7 9.9h4"/>`,
  api_call: svg`<path d="M7 5.5 2.8 10 7 14.5M13 5.5l4.2 4.5-4.2 4.5M11.3 4 8.7 16"/>`,
  other: svg`<path d="M2.5 10.5h3.2l2.2-6 4 11 2.2-5h3.4"/>`,
  chart: svg`<path d="M3.5 16.5h13M5.5 13.5v-4M10 13.5v-9M14.5 13.5V8"/>`,
  refresh: svg`<path d="M16.3 8.2A6.6 6.6 0 0 0 4 7.5M3.7 11.8A6.6 6.6 0 0 0 16 12.5M16.5 4v4.2h-4.2M3.5 16v-4.2h4.2"/>`,
  expand: svg`<path d="M11.5 3.5h5v5M16.3 3.7 10 10M8 4.5H5A1.5 1.5 0 0 0 3.5 6v9A1.5 1.5 0 0 0 5 16.5h9a1.5 1.5 0 0 0 1.5-1.5v-3"/>`,
  close: svg`<path d="m5 5 10 10M15 5 5 15"/>`,
  locked: svg`<rect x="4" y="9" width="12" height="8" rx="1.5"/><path d="M6.8 9V6.7a3.2 3.2 0 0 1 6.4 0V9"/>`,
  unplugged: svg`<path d="M3 7.5a10.5 10.5 0 0 1 14 0M5.6 10.5a6.7 6.7 0 0 1 8.8 0M10 15.5h.01M4 3.5l12 13"/>`,
} satisfies Record<string, SVGTemplateResult>;

export type IconName = keyof typeof drawings;

export function icon(name: IconName): TemplateResult {
  return framed(drawings[name]);
}

/** A drawing on that grid as an icon. */
export function framed(drawing: SVGTemplateResult): TemplateResult {
  return html`<svg
    class="icon"
    viewBox="0 0 20 20"
    width="20"
    height="20"
    fill="none"
    stroke="currentColor"
    stroke-width="1.5"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    ${drawing}
  </svg>`;
}

const ofTypes = [
  "login",
  "logout",
  "registration",
  "conversation_started",
  "conversation_ended",
  "message_sent",
  "api_call",
] as const;

/** The icon of a type of activity; types are an open set. */
export function activityIcon(type: string): IconName {
  return ofTypes.find((known) => known === type) ?? "other";
}
