/** The texts of the embeddable panel, in English; in German they are in german.ts. Parameters are formatted numbers and times. */

import type { Translation } from "../ui/languages/translation";

export const english = {
  open: "Analytics",
  title: "Analytics",
  refresh: "Refresh now",
  dashboard: "Open the full dashboard in a new tab",
  close: "Close analytics",
  alerts: { one: (count: string) => `${count} alert`, other: (count: string) => `${count} alerts` },
  figures: "Figures",
  figureLoading: "loading",
  activities: "Recent activity",
  topUsers: "Most active users",
  empty: {
    title: "No events yet",
    body: "Figures appear here the moment your services post their first event, with a key that convoai-analytics keys add makes:",
    example: (url: string) =>
      [
        `curl ${url}/api/v1/analytics/track/message-public \\`,
        "  -H 'Content-Type: application/json' \\",
        '  -H "X-Tracking-Key: $KEY" \\',
        `  -d '{"message_id": "m-1", "conversation_id": "c-1",`,
        `  "user_id": "u-1", "role": "user", "token_count": 42}'`,
      ].join("\n"),
  },
  unreachable: {
    title: "The service cannot be reached",
    body: (host: string) =>
      `No answer from ${host}. Trying again automatically; the figures appear as soon as it answers.`,
    again: "Try now",
  },
  refused: {
    title: "The service does not allow this page",
    body: (host: string) =>
      `${host} answers, but gives no figures to pages of this origin. Start it with this setting:`,
    example: (origin: string) => `ANALYTICS_ALLOWED_ORIGINS=${origin}`,
    again: "Try now",
  },
  withoutToken: {
    open: "Analytics: no token",
    title: "This page gives no token",
    body: "The panel shows figures to admins who have a token. Set this property of the element, in a script of the page:",
    example: [
      'document.querySelector("convoai-analytics-panel").getToken =',
      "  async () => (await fetch(YOUR_TOKEN_ENDPOINT)).text();",
    ].join("\n"),
  },
  signedOut: {
    missing: { title: "Signed out", body: "Sign in to this site as an admin, then try again." },
    expired: { title: "Your session has ended", body: "Sign in to this site again, then try again." },
    "not-allowed": {
      title: "For admins only",
      body: "Your account does not have the admin role. Ask an admin for it, sign in again, then try again.",
    },
    again: "Try again",
  },
} as const;

export type PanelText = Translation<typeof english>;

/** The texts in the language of the page. */
export let panelText: PanelText = english;

export function setPanelText(translation: PanelText): void {
  panelText = translation;
}
