/** Runs in the analytics dashboard's page, before its own scripts: it is signed in for as long as the chat is. */

import { ofDashboard, onChange, person, resume } from "/static/session.js";

const before = ofDashboard();

/** Back to the chat, which comes here again after signing in. */
const leave = () => location.replace(person() === null ? "/#dashboard" : "/");

resume().then(
  (found) => {
    onChange(() => person()?.isAdmin || leave());
    if (!found?.isAdmin) leave();
    // The dashboard began without a token, or with another person's.
    else if (before !== found.id && ofDashboard() === found.id) location.reload();
  },
  () => {
    // The auth service is away: the dashboard goes on with the token that it has.
  },
);
