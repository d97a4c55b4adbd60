/** Programs that post a first event to the service, ready to be copied. Pure. */

import { API_PREFIX } from "../../client/catalogue";

export const LANGUAGES = ["python", "node", "curl"] as const;
export type SnippetLanguage = (typeof LANGUAGES)[number];

/** The variable of the tracking key, of which the client library knows too. */
const KEY = "ANALYTICS_TRACKING_KEY";

/** The command that makes a tracking key, and keeps it in the environment of the terminal. */
export function keyCommand(tenant: string): string {
  const option = tenant === "default" ? "" : ` --tenant ${quoted(tenant)}`;
  return `export ${KEY}=$(.venv/bin/convoai-analytics keys add --name first${option})`;
}

/** The programs for the service at an address such as http://127.0.0.1:8002. */
export function snippets(service: string): Record<SnippetLanguage, string> {
  return {
    python: `# first.py
import os
import uuid

from convoai_analytics_client import Analytics

analytics = Analytics("${service}", os.environ.get("${KEY}"))
analytics.track_user_activity("u-1", "Ada", "login")
analytics.track_message(uuid.uuid4(), "c-1", "u-1", "user", 42)
print(analytics.flush(), analytics.stats())
`,
    node: `// first.mjs
const answer = await fetch("${service}${API_PREFIX}track/message-public", {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    "X-Tracking-Key": process.env.${KEY},
  },
  body: JSON.stringify({
    message_id: crypto.randomUUID(),
    conversation_id: "c-1",
    user_id: "u-1",
    role: "user",
    token_count: 42,
  }),
});
console.log(answer.status, await answer.text());
`,
    curl: `curl ${service}${API_PREFIX}track/activity-public \\
  -H "X-Tracking-Key: $${KEY}" -H "Content-Type: application/json" \\
  -d '{"user_id": "u-1", "username": "Ada", "activity_type": "login"}'
`,
  };
}

/** A word for a shell, in quotes. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
