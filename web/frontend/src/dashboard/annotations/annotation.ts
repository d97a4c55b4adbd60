/** An annotation as the service lists it, and its parts as text. */

import { moment, spanLabel } from "../../ui/format";
import { dashboardText } from "../text";

const words = dashboardText.marks;

export type Kind = keyof typeof words.kinds;

export interface Annotation {
  readonly id: string;
  readonly kind: Kind;
  readonly text: string;
  readonly at: string;
  /** Null: it happened at once. */
  readonly until: string | null;
  readonly link: string | null;
}

/** The custom property of the colour of each kind. */
export const COLOURS: Readonly<Record<Kind, string>> = {
  incident: "--bad",
  deploy: "--series-4",
  note: "--soft",
};

/** When it happened, or from when to when. */
export function timeOf({ at, until }: Annotation): string {
  return until === null ? moment(at) : spanLabel(Date.parse(at), Date.parse(until));
}

/** The page about it, and its host; null if there is none, or an address that a page must not lead to. */
export function linkOf({ link }: Annotation): { href: string; host: string } | null {
  if (link === null || !URL.canParse(link)) return null;
  const { protocol, href, host } = new URL(link);
  return protocol === "http:" || protocol === "https:" ? { href, host } : null;
}
