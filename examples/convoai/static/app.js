/** The page: whoever is signed in sees the chat, an admin also the analytics beside it. */

import * as chat from "/static/chat.js";
import * as session from "/static/session.js";

const $ = (id) => document.getElementById(id);
const TRIES = ["Hello!", "How do I plan a garden?", "Explain caching to a beginner"];

let current = null;
let answering = null;
let isRegistering = false;
let shown = null;

// --- Signing in

function showDoor() {
  $("door-title").textContent = isRegistering ? "Create an account" : "Sign in to ConvoAI";
  $("door-hint").textContent = isRegistering ? "Eight characters or more for the password." : "";
  $("door-submit").textContent = isRegistering ? "Create account" : "Sign in";
  $("door-question").textContent = isRegistering ? "Been here before?" : "New here?";
  $("door-switch").textContent = isRegistering ? "Sign in" : "Create an account";
  $("password").autocomplete = isRegistering ? "new-password" : "current-password";
  $("password").minLength = isRegistering ? 8 : 0;
  $("door-error").textContent = "";
}

$("door-switch").addEventListener("click", () => {
  isRegistering = !isRegistering;
  showDoor();
  $("username").focus();
});

$("door-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [username, password] = [$("username").value, $("password").value];
  $("door-error").textContent = "";
  $("door-submit").disabled = true;
  try {
    if (isRegistering) await session.register(username, password);
    await session.signIn(username, password);
    $("door-form").reset();
    isRegistering = false;
  } catch (error) {
    const isAway = !(error instanceof session.Refused);
    $("door-error").textContent = isAway ? "The service cannot be reached just now." : sentence(error.message);
    $(error.field === "username" ? "username" : "password").focus();
  }
  $("door-submit").disabled = false;
});

$("sign-out").addEventListener("click", () => session.signOut().catch(() => {}));

session.onChange(() => show());

/** Show what the person may see; called again when somebody else signs in, or has other roles. */
async function show() {
  const person = session.person();
  $("door").hidden = person !== null;
  $("chat").hidden = person === null;
  showAnalytics(person);
  if (person?.id === shown) return;
  shown = person?.id ?? null;
  answering?.abort();
  current = null;
  $("messages").replaceChildren();
  $("list").replaceChildren();
  if (person === null) {
    showDoor();
    $("username").focus();
    return;
  }
  if (location.hash === "#dashboard") {
    history.replaceState(null, "", "/");
    if (person.isAdmin) location.assign("/analytics");
  }
  $("who").textContent = person.username;
  welcome();
  await list();
  $("content").focus();
}

// --- Analytics, for admins

/** The panel is there for admins alone: for others not even its script is loaded. */
function showAnalytics(person) {
  const isAdmin = person?.isAdmin === true;
  $("analytics").hidden = $("dashboard").hidden = !isAdmin;
  const panel = document.querySelector("convoai-analytics-panel");
  if (!isAdmin) {
    panel?.remove();
    beside(false);
  } else if (panel === null) {
    addPanel();
  } else {
    // Perhaps another person's token: the panel asks at once.
    panel.getToken = session.getToken;
  }
}

function addPanel() {
  if (!customElements.get("convoai-analytics-panel")) {
    const script = document.createElement("script");
    script.src = "/analytics/panel.js";
    document.head.append(script);
  }
  const panel = document.createElement("convoai-analytics-panel");
  panel.getToken = session.getToken;
  panel.addEventListener("analytics-open", () => beside(true));
  panel.addEventListener("analytics-close", () => beside(false));
  document.body.append(panel);
}

/** The style makes room for the panel where the screen is wide. */
function beside(isOpen) {
  $("analytics").setAttribute("aria-expanded", String(isOpen));
  document.documentElement.classList.toggle("beside", isOpen);
}

$("analytics").addEventListener("click", () => document.querySelector("convoai-analytics-panel").toggle?.());

// --- Conversations

async function list() {
  const items = await chat.conversations().catch(() => []);
  $("list").replaceChildren(...items.map(entry));
}

function entry({ id, title }) {
  const [item, open, remove] = ["li", "button", "button"].map((name) => document.createElement(name));
  const name = title || "New chat";
  open.type = remove.type = "button";
  open.className = "open";
  open.textContent = open.title = name;
  if (id === current) open.setAttribute("aria-current", "true");
  open.addEventListener("click", () => choose(id));
  remove.className = "delete";
  remove.textContent = "×";
  remove.title = "Delete";
  remove.setAttribute("aria-label", `Delete ${name}`);
  remove.addEventListener("click", () => forget(id));
  item.append(open, remove);
  return item;
}

async function choose(id) {
  answering?.abort();
  current = id;
  openMenu(false);
  const [found] = await Promise.all([chat.messages(id).catch(() => []), list()]);
  if (current !== id) return;
  $("messages").replaceChildren(...found.map(({ role, content }) => bubble(role, content)));
  toEnd();
  $("content").focus();
}

async function forget(id) {
  await chat.remove(id).catch(() => {});
  if (id === current) begin();
  else await list();
}

async function begin() {
  answering?.abort();
  current = null;
  openMenu(false);
  welcome();
  await list();
  $("content").focus();
}

function openMenu(isOpen) {
  $("conversations").classList.toggle("is-open", isOpen);
  $("menu").setAttribute("aria-expanded", String(isOpen));
}

$("new").addEventListener("click", begin);
$("menu").addEventListener("click", () => openMenu(!$("conversations").classList.contains("is-open")));

// --- Messages

function welcome() {
  const [box, title, line, tries] = ["div", "h2", "p", "div"].map((name) => document.createElement(name));
  box.className = "welcome";
  title.textContent = `Hello, ${session.person().username}`;
  line.textContent = "What would you like to talk about?";
  tries.className = "tries";
  tries.append(...TRIES.map(suggestion));
  box.append(title, line, tries);
  $("messages").replaceChildren(box);
}

function suggestion(text) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => send(text));
  return button;
}

/** What people and models write is text, never markup. */
function bubble(role, content) {
  const made = document.createElement("div");
  made.className = `message ${role}`;
  made.textContent = content;
  return made;
}

async function send(content) {
  if (answering !== null) return;
  const stop = new AbortController();
  answering = stop;
  $("send").hidden = true;
  $("stop").hidden = false;
  $("messages").querySelector(".welcome")?.remove();
  const answer = bubble("assistant", "");
  answer.classList.add("streams");
  // Read aloud once it is complete, not word by word.
  answer.setAttribute("aria-busy", "true");
  $("messages").append(bubble("user", content), answer);
  toEnd();
  try {
    const id = current ?? (await chat.create()).id;
    if (current === null) {
      current = id;
      await list();
    }
    await chat.post(id, content, stop.signal, {
      message: list,
      delta: ({ text }) => write(answer, text),
      done: (facts) => answer.append(told(facts)),
      error: ({ detail }) => fail(answer, detail),
    });
  } catch (error) {
    if (!stop.signal.aborted) fail(answer, error.message);
  }
  answer.classList.remove("streams");
  answer.removeAttribute("aria-busy");
  if (stop.signal.aborted && answer.textContent === "") answer.remove();
  answering = null;
  $("send").hidden = false;
  $("stop").hidden = true;
  $("state").textContent = "Answered";
}

function write(answer, text) {
  const box = $("messages");
  // Who scrolled up to read is left there.
  const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  answer.append(text);
  $("state").textContent = "";
  if (follows) toEnd();
}

function told({ model, tokens, response_time }) {
  const facts = document.createElement("span");
  const seconds = response_time === null ? null : `${response_time.toFixed(1)} s`;
  facts.className = "facts";
  facts.textContent = [model, tokens === null ? null : `${tokens} tokens`, seconds].filter(Boolean).join(" · ");
  return facts;
}

function fail(answer, detail) {
  const line = bubble("failed", sentence(detail));
  line.setAttribute("role", "alert");
  if (answer.textContent === "") answer.replaceWith(line);
  else answer.after(line);
}

function toEnd() {
  $("messages").scrollTop = $("messages").scrollHeight;
}

function sentence(text) {
  const plain = text.replace(/^\w+: /, "");
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1)}${/[.!?]$/.test(plain) ? "" : "."}`;
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = $("content").value.trim();
  if (content === "" || answering !== null) return;
  $("content").value = "";
  send(content);
});

$("content").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});

$("stop").addEventListener("click", () => answering?.abort());

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") openMenu(false);
});

session.resume().catch(() => {}).then(() => show());
