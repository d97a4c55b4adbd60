/** The texts of the embeddable panel in German. */

import { english, type PanelText } from "./text";

export const german: PanelText = {
  open: "Statistik",
  title: "Statistik",
  refresh: "Jetzt aktualisieren",
  dashboard: "Das ganze Dashboard in einem neuen Tab öffnen",
  close: "Statistik schließen",
  alerts: { one: (count) => `${count} Alarm`, other: (count) => `${count} Alarme` },
  figures: "Kennzahlen",
  figureLoading: "wird geladen",
  activities: "Letzte Aktivitäten",
  topUsers: "Aktivste Nutzer",
  empty: {
    title: "Noch keine Ereignisse",
    body: "Kennzahlen erscheinen hier, sobald Ihre Dienste das erste Ereignis senden, mit einem Schlüssel von convoai-analytics keys add:",
    example: english.empty.example,
  },
  unreachable: {
    title: "Der Dienst ist nicht erreichbar",
    body: (host) =>
      `Keine Antwort von ${host}. Die Verbindung wird immer wieder versucht; die Kennzahlen erscheinen, sobald er antwortet.`,
    again: "Jetzt versuchen",
  },
  refused: {
    title: "Der Dienst erlaubt diese Seite nicht",
    body: (host) =>
      `${host} antwortet, gibt aber Seiten dieser Herkunft keine Kennzahlen. Starten Sie den Dienst mit dieser Einstellung:`,
    example: english.refused.example,
    again: "Jetzt versuchen",
  },
  withoutToken: {
    open: "Statistik: kein Token",
    title: "Diese Seite gibt kein Token",
    body: "Kennzahlen sehen Admins, die ein Token haben. Setzen Sie diese Eigenschaft des Elements in einem Skript der Seite:",
    example: english.withoutToken.example,
  },
  signedOut: {
    missing: {
      title: "Abgemeldet",
      body: "Melden Sie sich auf dieser Website als Admin an, und versuchen Sie es dann erneut.",
    },
    expired: {
      title: "Ihre Sitzung ist abgelaufen",
      body: "Melden Sie sich auf dieser Website neu an, und versuchen Sie es dann erneut.",
    },
    "not-allowed": {
      title: "Nur für Admins",
      body: "Ihr Konto hat nicht die Rolle eines Admins. Bitten Sie einen Admin darum, melden Sie sich neu an, und versuchen Sie es dann erneut.",
    },
    again: "Erneut versuchen",
  },
};
