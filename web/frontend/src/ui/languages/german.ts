/** The shared texts in German. */

import type { Text } from "../text";

export const german: Text = {
  figures: {
    total_users: "Nutzer gesamt",
    active_users_today: "Aktive Nutzer heute",
    total_conversations: "Unterhaltungen gesamt",
    total_messages: "Nachrichten gesamt",
    total_tokens: "Tokens gesamt",
    avg_response_time: "Mittlere Antwortzeit",
  },
  status: {
    connecting: "Verbindung wird aufgebaut",
    live: "Live",
    late: (age) => `Live · ${age}`,
    catchingUp: "Wird aktualisiert",
    reconnecting: (seconds) => `Neuer Versuch in ${seconds} s`,
    reconnectingNow: "Neuer Versuch läuft",
    stale: (time) => `Veraltet seit ${time}`,
    staleToo: (status, time) => `${status} · veraltet seit ${time}`,
    polling: (seconds) => `Abruf alle ${seconds} s`,
    signedOut: "Abgemeldet",
    spoken: { live: "Live", reconnecting: "Verbindung verloren, wird neu aufgebaut" },
  },
  age: {
    now: "jetzt",
    old: (duration) => `${duration} alt`,
  },
  change: {
    none: "Kein Vergleich mit gestern um diese Zeit möglich",
    new: "neu",
    since: "zu gestern",
    times: (factor) => `das ${factor}-Fache von gestern um diese Zeit`,
    spokenNew: "neu seit gestern um diese Zeit",
    same: "unverändert gegenüber gestern um diese Zeit",
    up: (percent) => `${percent} mehr als gestern um diese Zeit`,
    down: (percent) => `${percent} weniger als gestern um diese Zeit`,
  },
  activityTypes: {
    login: "Angemeldet",
    logout: "Abgemeldet",
    registration: "Registriert",
    conversation_started: "Unterhaltung begonnen",
    conversation_ended: "Unterhaltung beendet",
    message_sent: "Nachricht gesendet",
    api_call: "API-Aufruf",
  },
  hour: {
    lastHour: (most) => `Letzte Stunde, je Minute; höchstens ${most}`,
    lastHourEmpty: "Letzte Stunde, je Minute; noch nichts",
  },
  lists: {
    noActivities: "Noch keine Aktivität.",
    noTopUsers: "Noch niemand war aktiv.",
    noActivitiesOfUsers:
      "Noch keine Aktivitäten, etwa Anmeldungen. Nachrichten und API-Aufrufe werden hier nicht aufgeführt.",
    noTopUsersOfUsers: "Noch keine Aktivitäten, etwa Anmeldungen. Nachrichten und API-Aufrufe zählen hier nicht.",
    rank: (rank) => `Rang ${rank}`,
    activityCount: {
      one: (count) => `${count} Aktivität`,
      other: (count) => `${count} Aktivitäten`,
    },
  },
};
