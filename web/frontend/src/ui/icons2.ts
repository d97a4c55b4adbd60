/** The dashboard's own icons, on the grid of those that it shares with the panel. */

import { type SVGTemplateResult, svg, type TemplateResult } from "lit";
import { framed, type IconName, icon } from "./icons";
import type { Wish } from "../dashboard/shell/appearance";
import type { View } from "../dashboard/route";

const drawings = {
  system: svg`<circle cx="10" cy="10" r="6.5"/><path d="M10 3.5v13a6.5 6.5 0 0 0 0-13z" fill="currentColor"/>`,
  light: svg`<circle cx="10" cy="10" r="3.3"/><path d="M10 2.5v1.6M10 15.9v1.6M2.5 10h1.6M15.9 10h1.6M4.7 4.7l1.1 1.1M14.2 14.2l1.1 1.1M15.3 4.7l-1.1 1.1M5.8 14.2l-1.1 1.1"/>`,
  dark: svg`<path d="M16.5 11.6A6.8 6.8 0 0 1 8.4 3.5a6.8 6.8 0 1 0 8.1 8.1z"/>`,
  calendar: svg`<rect x="3.5" y="4.5" width="13" height="12" rx="1.5"/><path d="M3.5 8.5h13M7 2.8v3M13 2.8v3"/>`,
  people: svg`<circle cx="7.5" cy="7" r="2.8"/><path d="M2.3 16c.5-2.9 2.4-4.4 5.2-4.4s4.7 1.5 5.2 4.400M12.6 4.500a2.8 2.8 0 0 1 0 5M14.8 12.200c1.7.6 2.6 1.9 2.9 3.8"/>`,
  plus: svg`<path d="M10 4.500v11M4.5 10h11"/>`,
  minus: svg`<path d="M4.5 10h11"/>`,
  left: svg`<path d="m12 4.5-5.5 5.5 5.5 5.5"/>`,
  right: svg`<path d="m8 4.5 5.5 5.5-5.5 5.5"/>`,
  table: svg`<rect x="3.5" y="4" width="13" height="12" rx="1.5"/><path d="M3.5 8h13M3.5 12h13M8.5 8v8"/>`,
  download: svg`<path d="M10 3.500v8.500M6.5 8.8 10 12.300l3.5-3.500M4 16.500h12"/>`,
} satisfies Record<string, SVGTemplateResult>;

export function glyph(name: keyof typeof drawings): TemplateResult {
  return framed(drawings[name]);
}

export function themeIcon(wish: Wish): TemplateResult {
  return glyph(wish);
}

const shared: Partial<Record<View, IconName>> = {
  overview: "chart",
  activity: "other",
  conversations: "message_sent",
  api: "api_call",
};

export function viewIcon(view: View): TemplateResult {
  const known = shared[view];
  if (known) return icon(known);
  return glyph(view === "users" ? "people" : "calendar");
}
