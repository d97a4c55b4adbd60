/** The page of a conversation: `#conversation?id=...`, with its messages as a timeline. */

import { css, html, nothing, type TemplateResult } from "lit";
import { type ConversationDetail, MAX_LIMIT, type Message } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, counted, dateTime, dayLabel, length, seconds, timeWithSeconds } from "../../ui/format";
import { modelLink, userLink } from "../links";
import type { Query } from "../lists/list";
import { Listing } from "../lists/listing";
import { dashboardText } from "../text";
import { DetailPage } from "./detail-page";
import { type Entry, timeline } from "./timeline";

const words = dashboardText.details;
const lists = dashboardText.lists;

/** How many messages are loaded at a time. */
const PAGE = Math.min(200, MAX_LIMIT);

export class ConversationPage extends DetailPage<ConversationDetail> {
  protected readonly path = "conversations/detail";

  readonly #messages = new Listing<Message>(
    () => this.client.rest,
    () => this.requestUpdate(),
  );
  #shown: ConversationDetail | null = null;

  protected query(): Query {
    return { conversation_id: this.thing };
  }

  protected missing(id: string): string {
    return words.noConversation(id);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#messages.abort();
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    super.willUpdate(changed);
    const { result } = this.report;
    const before = this.#shown;
    if (result === before || result === null) return;
    this.#shown = result;
    const isOther = before?.conversation_id !== result.conversation_id;
    if (isOther) {
      const query = { conversation_id: result.conversation_id, sort: "oldest", limit: PAGE };
      this.#messages.show("messages", query);
    } else if (before.kept_messages !== result.kept_messages && !this.#messages.hasOlderPages) this.#messages.refresh();
  }

  protected page(talk: ConversationDetail): TemplateResult {
    const { first_message_at: first, last_message_at: last } = talk;
    const talks = dashboardText.conversations;
    return html`<header class="who">
        <h2><bdi>${talk.conversation_id}</bdi></h2>
        <span class="badge ${talk.status === "active" ? "good" : ""}">${talks.statuses[talk.status]}</span>
      </header>
      <dl class="facts">
        ${this.fact(words.owner, userLink(talk.user_id, talk.username))}
        ${this.fact(talks.created, time(talk.created_at))} ${this.fact(talks.updated, time(talk.updated_at))}
        ${talk.deleted_at === null ? nothing : this.fact(words.deleted, time(talk.deleted_at))}
      </dl>
      <dl class="totals card">
        ${this.fact(words.messages, count(talk.message_count))} ${this.fact(words.tokens, count(talk.total_tokens))}
        ${this.fact(words.responseTime, seconds(talk.avg_response_time))}
        ${first && last ? this.fact(words.duration, length(Date.parse(last) - Date.parse(first))) : nothing}
        ${this.fact(words.models, this.#models(talk))} ${this.fact(words.authors, this.#authors(talk))}
      </dl>
      ${talk.kept_messages < talk.message_count ? html`<p class="notice warning">${words.keptMessages(count(talk.kept_messages), count(talk.message_count))}</p>` : nothing}
      <section>
        <h3>${words.timeline}</h3>
        ${this.#timeline()}
      </section>`;
  }

  #models({ models }: ConversationDetail) {
    const named = models.filter(({ model_used }) => model_used !== null);
    if (named.length === 0) return words.noModel;
    return named.map(
      ({ model_used, message_count }, index) =>
        html`${index > 0 ? ", " : ""}${modelLink(model_used)} (${count(message_count)})`,
    );
  }

  #authors({ authors }: ConversationDetail) {
    return authors.map(
      ({ user_id, username, message_count }, index) =>
        html`${index > 0 ? ", " : ""}${userLink(user_id, username)} (${count(message_count)})`,
    );
  }

  #timeline() {
    const { rows, problem, hasMore, isLoadingOlder } = this.#messages;
    if (rows === null)
      return problem
        ? html`<p role="alert">${lists.failed}: ${problem.detail}</p>`
        : html`<p class="soft">${lists.loading}</p>`;
    if (rows.length === 0) return html`<p class="card nothing soft">${words.nothing}</p>`;
    const names = new Map(this.#shown?.authors.map(({ user_id, username }) => [user_id, username]));
    return html`<ol class="card">
        ${timeline(rows).map((entry) => this.#entry(entry, names))}
      </ol>
      ${
        hasMore
          ? html`<button class="button" type="button" ?disabled=${isLoadingOlder} @click=${() => this.#messages.loadOlder()}>${isLoadingOlder ? lists.loadingMore : lists.more}</button>`
          : nothing
      }`;
  }

  #entry({ message, isFirstOfDay, gap, share }: Entry, names: ReadonlyMap<string, string | null>) {
    const { role, user_id, token_count, response_time, created_at, message_id } = message;
    return html`${isFirstOfDay ? html`<li class="day">${dayLabel(created_at)}</li>` : nothing}
      ${gap === null ? nothing : html`<li class="gap soft">${words.later(length(gap))}</li>`}
      <li class="message ${role}" title=${message_id}>
        <time datetime=${created_at} title=${dateTime(created_at)}>${timeWithSeconds(Date.parse(created_at))}</time>
        <span class="badge">${role}</span>
        <span class="by">${role === "user" ? userLink(user_id, names.get(user_id)) : nothing} ${this.#model(message)}</span>
        <span class="tokens">${token_count === null ? nothing : counted(token_count, words.tokenCount)}</span>
        <span class="took">${
          response_time === null
            ? nothing
            : html`<svg aria-hidden="true"><rect width="${(share ?? 0) * 100}%" height="100%" rx="3" /></svg><span>${seconds(response_time)}</span>`
        }</span>
      </li>`;
  }

  /** The model of a message; that of a user needs none. */
  #model({ role, model_used }: Message) {
    if (model_used !== null) return modelLink(model_used);
    return role === "user" ? nothing : html`<span class="soft">${words.noModel}</span>`;
  }

  static override styles = [
    ...DetailPage.styles,
    css`
      .badge {
        display: inline-block;
        padding: 1px 8px;
        border-radius: 10px;
        background: color-mix(in srgb, var(--tone, var(--soft)) 11%, var(--surface));
        color: var(--tone, var(--soft));
        font-size: var(--text-small);
        font-weight: var(--bold);
      }
      .good {
        --tone: var(--good);
      }
      .totals {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
        gap: var(--space-3) var(--space-4);
        margin: 0;
        padding: var(--space-3) var(--space-4);
      }
      .totals dt {
        color: var(--soft);
        font-size: var(--text-small);
      }
      .totals dd {
        margin: 0;
        font-weight: var(--bold);
        overflow-wrap: anywhere;
      }
      ol {
        margin: 0 0 var(--space-3);
        padding: var(--space-2) var(--space-4);
        list-style: none;
      }
      .nothing {
        padding: var(--space-4);
      }
      .day {
        padding: var(--space-3) 0 var(--space-1);
        font-weight: var(--bold);
      }
      .gap {
        padding: var(--space-1) 0 var(--space-1) 12px;
        border-inline-start: 2px dashed var(--faded);
        font-size: var(--text-small);
      }
      .message {
        display: grid;
        grid-template-columns: 96px 84px minmax(0, 1fr) 110px 220px;
        align-items: center;
        gap: var(--space-1) var(--space-3);
        min-height: 34px;
        padding: 3px 0 3px 12px;
        border-inline-start: 2px solid var(--line);
      }
      .message.assistant {
        border-inline-start-color: var(--accent);
      }
      .badge {
        justify-self: start;
      }
      .message time {
        white-space: nowrap;
      }
      .by {
        min-width: 0;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .tokens {
        text-align: end;
      }
      .took {
        display: grid;
        grid-template-columns: minmax(0, 1fr) 80px;
        align-items: center;
        gap: var(--space-2);
      }
      .took svg {
        width: 100%;
        height: 6px;
      }
      .took rect {
        fill: var(--series-1);
      }
      .took span {
        text-align: end;
      }
      @container (width < 700px) {
        .message {
          grid-template-columns: auto auto minmax(0, 1fr);
        }
        .tokens {
          grid-column: 1 / 3;
          text-align: start;
        }
        .took {
          grid-column: 3;
        }
      }
    `,
  ];
}

function time(at: string) {
  return html`<time datetime=${at}>${dateTime(at)}</time>`;
}

define("detail-conversation", ConversationPage);
