/**
 * The icons, drawn on a grid of 20 in the colour of the surrounding text; screen readers skip them. Each is a function of its
 * own, so that a bundle holds only those that it uses.
 */

import { html, type SVGTemplateResult, svg, type TemplateResult } from "lit";

export type Icon = () => TemplateResult;

export const loginIcon: Icon = () =>
  framed(svg`<path d="M11 3.5h4a1.5 1.5 0 0 1 1.5 1.5v10a1.5 1.5 0 0 1-1.5 1.5h-4M3.5 10H12M9 6.8 12.2 10 9 13.2"/>`);
export const logoutIcon: Icon = () =>
  framed(svg`<path d="M9 3.5H5A1.5 1.5 0 0 0 3.5 5v10A1.5 1.5 0 0 0 5 16.5h4M8.5 10h8M13.4 6.8l3.1 3.2-3.1 3.2"/>`);
export const registrationIcon: Icon = () =>
  framed(
    svg`<circle cx="8" cy="7" r="3.2"/><path d="M2.5 16.5c.6-3 2.7-4.6 5.5-4.6s4.9 1.6 5.5 4.6M15.5 5.5v5M13 8h5"/>`,
  );
export const conversationStartedIcon: Icon = () =>
  framed(
    svg`<path d="M3.5 14.5v-9A1.5 1.5 0 0 1 5 4h10a1.5 1.5 0 0 1 1.5 1.5v6A1.5 1.5 0 0 1 15 13H7.5l-4 3.5zM10 6.3v4.4M7.8 8.5h4.4"/>`,
  );
export const conversationEndedIcon: Icon = () =>
  framed(
    svg`<path d="M3.5 14.5v-9A1.5 1.5 0 0 1 5 4h10a1.5 1.5 0 0 1 1.5 1.5v6A1.5 1.5 0 0 1 15 13H7.5l-4 3.5zM7.6 8.6l1.8 1.8 3.2-3.5"/>`,
  );
export const messageIcon: Icon = () =>
  framed(
    svg`<path d="M3.5 14.5v-9A1.5 1.5 0 0 1 5 4h10a1.5 1.5 0 0 1 1.5 1.5v6A1.5 1.5 0 0 1 15 13H7.5l-4 3.5zM7 7.2h6M7 9.9h4"/>`,
  );
export const apiCallIcon: Icon = () =>
  framed(svg`<path d="M7 5.5 2.8 10 7 14.5M13 5.5l4.2 4.5-4.2 4.5M11.3 4 8.7 16"/>`);
export const bellIcon: Icon = () =>
  framed(svg`<path d="M5 13.5V9a5 5 0 0 1 10 0v4.5l1.5 1.5h-13zM8.3 17.2a1.8 1.8 0 0 0 3.4 0"/>`);
export const pulseIcon: Icon = () => framed(svg`<path d="M2.5 10.5h3.2l2.2-6 4 11 2.2-5h3.4"/>`);
export const coinsIcon: Icon = () =>
  framed(
    svg`<circle cx="10" cy="10" r="6.7"/><path d="M12.2 7.6C11.7 6.9 11 6.6 10 6.6c-1.4 0-2.3.7-2.3 1.7 0 2.3 4.7 1.1 4.7 3.4 0 1-.9 1.7-2.4 1.7-1.1 0-1.9-.4-2.4-1.1M10 5.4v1.2M10 13.4v1.2"/>`,
  );
export const slicesIcon: Icon = () =>
  framed(svg`<path d="M10 3.3a6.7 6.7 0 1 0 6.7 6.7H10zM12.7 3.3a5 5 0 0 1 4 4h-4z"/>`);
export const chartIcon: Icon = () => framed(svg`<path d="M3.5 16.5h13M5.5 13.5v-4M10 13.5v-9M14.5 13.5V8"/>`);
export const refreshIcon: Icon = () =>
  framed(svg`<path d="M16.3 8.2A6.6 6.6 0 0 0 4 7.5M3.7 11.8A6.6 6.6 0 0 0 16 12.5M16.5 4v4.2h-4.2M3.5 16v-4.2h4.2"/>`);
export const expandIcon: Icon = () =>
  framed(
    svg`<path d="M11.5 3.5h5v5M16.3 3.7 10 10M8 4.5H5A1.5 1.5 0 0 0 3.5 6v9A1.5 1.5 0 0 0 5 16.5h9a1.5 1.5 0 0 0 1.5-1.5v-3"/>`,
  );
export const searchIcon: Icon = () => framed(svg`<circle cx="9" cy="9" r="5"/><path d="m12.7 12.7 4 4"/>`);
export const bookmarkIcon: Icon = () => framed(svg`<path d="M5.5 3.5h9v13L10 13l-4.5 3.5z"/>`);
export const textIcon: Icon = () => framed(svg`<path d="M4.5 3.5h11v13h-11zM7 7h6M7 10h6M7 13h3.5"/>`);
export const linesIcon: Icon = () => framed(svg`<path d="M3.5 5.5h13M3.5 10h13M3.5 14.5h8"/>`);
export const closeIcon: Icon = () => framed(svg`<path d="m5 5 10 10M15 5 5 15"/>`);
export const lockedIcon: Icon = () =>
  framed(svg`<rect x="4" y="9" width="12" height="8" rx="1.5"/><path d="M6.8 9V6.7a3.2 3.2 0 0 1 6.4 0V9"/>`);
export const unreachableIcon: Icon = () =>
  framed(svg`<path d="M3 7.5a10.5 10.5 0 0 1 14 0M5.6 10.5a6.7 6.7 0 0 1 8.8 0M10 15.5h.01M4 3.5l12 13"/>`);
export const systemThemeIcon: Icon = () =>
  framed(svg`<circle cx="10" cy="10" r="6.5"/><path d="M10 3.5v13a6.5 6.5 0 0 0 0-13z" fill="currentColor"/>`);
export const lightThemeIcon: Icon = () =>
  framed(
    svg`<circle cx="10" cy="10" r="3.3"/><path d="M10 2.5v1.6M10 15.9v1.6M2.5 10h1.6M15.9 10h1.6M4.7 4.7l1.1 1.1M14.2 14.2l1.1 1.1M15.3 4.7l-1.1 1.1M5.8 14.2l-1.1 1.1"/>`,
  );
export const darkThemeIcon: Icon = () =>
  framed(svg`<path d="M16.5 11.6A6.8 6.8 0 0 1 8.4 3.5a6.8 6.8 0 1 0 8.1 8.1z"/>`);
export const calendarIcon: Icon = () =>
  framed(svg`<rect x="3.5" y="4.5" width="13" height="12" rx="1.5"/><path d="M3.5 8.5h13M7 2.8v3M13 2.8v3"/>`);
export const peopleIcon: Icon = () =>
  framed(
    svg`<circle cx="7.5" cy="7" r="2.8"/><path d="M2.3 16c.5-2.9 2.4-4.4 5.2-4.4s4.7 1.5 5.2 4.4M12.6 4.5a2.8 2.8 0 0 1 0 5M14.8 12.2c1.7.6 2.6 1.9 2.9 3.8"/>`,
  );
export const plusIcon: Icon = () => framed(svg`<path d="M10 4.5v11M4.5 10h11"/>`);
export const minusIcon: Icon = () => framed(svg`<path d="M4.5 10h11"/>`);
export const leftIcon: Icon = () => framed(svg`<path d="m12 4.5-5.5 5.5 5.5 5.5"/>`);
export const rightIcon: Icon = () => framed(svg`<path d="m8 4.5 5.5 5.5-5.5 5.5"/>`);
export const downIcon: Icon = () => framed(svg`<path d="m4.5 7.5 5.5 5.5 5.5-5.5"/>`);
export const tableIcon: Icon = () =>
  framed(svg`<rect x="3.5" y="4" width="13" height="12" rx="1.5"/><path d="M3.5 8h13M3.5 12h13M8.5 8v8"/>`);
export const pictureIcon: Icon = () =>
  framed(
    svg`<rect x="3" y="4" width="14" height="12" rx="1.5"/><path d="m3.5 14 4-4 3.2 3.2 2.3-2.2 3.5 3.4"/><circle cx="12.8" cy="7.8" r="1.2"/>`,
  );
export const linkIcon: Icon = () =>
  framed(
    svg`<path d="M8.3 11.7a3 3 0 0 0 4.3 0l3-3a3 3 0 0 0-4.3-4.3l-1 1M11.7 8.3a3 3 0 0 0-4.3 0l-3 3a3 3 0 0 0 4.3 4.3l1-1"/>`,
  );
export const downloadIcon: Icon = () => framed(svg`<path d="M10 3.5v8.5M6.5 8.8 10 12.3l3.5-3.5M4 16.5h12"/>`);
export const copyIcon: Icon = () =>
  framed(svg`<rect x="7" y="7" width="9.5" height="9.5" rx="1.5"/><path d="M13 4.5v-1H5A1.5 1.5 0 0 0 3.5 5v8h1"/>`);
export const checkIcon: Icon = () => framed(svg`<path d="m4 10.5 4 4 8-9"/>`);

function framed(drawing: SVGTemplateResult): TemplateResult {
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

const ACTIVITY_ICONS = {
  login: loginIcon,
  logout: logoutIcon,
  registration: registrationIcon,
  conversation_started: conversationStartedIcon,
  conversation_ended: conversationEndedIcon,
  message_sent: messageIcon,
  api_call: apiCallIcon,
};

export type KnownActivity = keyof typeof ACTIVITY_ICONS;

/** The activity type if it is a known one; types are an open set. */
export function knownActivity(type: string): KnownActivity | null {
  return Object.hasOwn(ACTIVITY_ICONS, type) ? (type as KnownActivity) : null;
}

/** The icon of an activity type. */
export function activityIcon(type: string): TemplateResult {
  const known = knownActivity(type);
  return (known === null ? pulseIcon : ACTIVITY_ICONS[known])();
}
