/** The chatbot's endpoints. */

import { services } from "/config.js";
import { getToken } from "/static/session.js";

export const conversations = async () => (await (await call("GET", "/conversations")).json()).items;

export const create = async () => (await call("POST", "/conversations", {})).json();

export const remove = (id) => call("DELETE", `/conversations/${id}`);

export const messages = async (id) => (await (await call("GET", `/conversations/${id}/messages`)).json()).items;

/** Post a message; `on` has a function for each event of the answer: message, delta, done, error. */
export async function post(id, content, signal, on) {
  const answer = await call("POST", `/conversations/${id}/messages`, { content }, signal);
  let rest = "";
  for await (const text of texts(answer.body)) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block);
      on[name]?.(JSON.parse(data));
    }
  }
}

/** Not every browser can iterate over a stream yet. */
async function* texts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

async function call(method, path, body, signal) {
  const headers = { Authorization: `Bearer ${await getToken()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(services.chatbot + path, { method, headers, signal, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? "The chatbot cannot answer just now.");
  return answer;
}
