/** The page of a model: `#model?id=...`. */

import { html } from "lit";
import type { AuthorSums, ModelDetail } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, seconds } from "../../ui/format";
import { userLink } from "../links";
import "../lists/list";
import type { Query } from "../lists/list";
import { timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import { dashboardText } from "../text";
import { CONVERSATIONS } from "../views/conversations";
import "./breakdown";
import { bar } from "./breakdown";
import { DetailPage } from "./detail-page";
import type { Figure } from "./trend";
import { unsorted } from "./user-page";

const words = dashboardText.details;

export class ModelPage extends DetailPage<ModelDetail> {
  protected readonly path = "models/detail";

  protected query(): Query {
    return { model_used: this.thing, ...this.range() };
  }

  protected override timesQuery(): Query {
    return { of: "messages", model: this.thing };
  }

  protected missing(): string {
    return dashboardText.finder.none;
  }

  protected page(model: ModelDetail) {
    const { model_used } = model;
    const query = { model_used, ...timeBounds(this.params, this.now, this.zone), limit: 20 };
    return html`<header class="who"><h2><bdi>${model_used}</bdi></h2></header>
      ${this.ways(["messages", "conversations"], { model_used })} ${this.kept(model.kept_from)}
      ${this.trend(model, figuresOf(model), "model", { model_used })}
      <div class="parts">
        <detail-breakdown .caption=${words.modelUsers} .columns=${AUTHOR_COLUMNS} .rows=${model.users}></detail-breakdown>
      </div>
      <section>
        <h3>${words.conversations}</h3>
        <dashboard-list
          .client=${this.client}
          path="conversations"
          .query=${this.remember("conversations", query)}
          .columns=${CONVERSATIONS.map(unsorted)}
          .keyOf=${({ id }: { id: number }) => id}
          .caption=${words.conversations}
          file="conversations"
          .filtered=${true}
        ></dashboard-list>
      </section>`;
  }
}

function figuresOf({ figures }: ModelDetail): readonly Figure[] {
  const { messages, tokens, avg_response_time: time } = figures;
  return [
    { name: "messages", label: words.messages, value: messages, metric: "messages" },
    { name: "tokens", label: words.tokens, value: tokens, metric: "tokens", colour: "--series-4" },
    { name: "response_time", label: words.responseTime, value: time, metric: "response_time", unit: "seconds" },
  ];
}

/** The columns of who wrote messages. */
const AUTHOR_COLUMNS: readonly Column<AuthorSums>[] = [
  {
    label: dashboardText.activity.user,
    rowHeader: true,
    cell: ({ user_id, username }: AuthorSums) => userLink(user_id, username),
  },
  bar(words.messages, (row: AuthorSums) => row.message_count),
  { label: words.tokens, number: true, cell: (row: AuthorSums) => count(row.total_tokens) },
  { label: dashboardText.api.mean, number: true, cell: (row: AuthorSums) => seconds(row.avg_response_time) },
];

define("detail-model", ModelPage);
