/** Links to the page of a user, a conversation, an endpoint or a model, and to the activities of a type. */

import { html, nothing } from "lit";
import { activityType } from "../ui/format";
import { activityIcon } from "../ui/icons";
import { type Page, writeRoute } from "./route";
import { dashboardText } from "./text";

const words = dashboardText.links;

/** The address of a page, such as `#user?id=ada`. */
export function pageAddress(page: Page, id: string): string {
  return writeRoute({ view: page, params: { id } });
}

function link(page: Page, id: string, label: unknown = id) {
  return html`<a href=${pageAddress(page, id)}><bdi>${label}</bdi></a>`;
}

/** A user by name or id; one that was erased has no id. Nobody, as for a call without a user, is nothing. */
export function userLink(id: string | null, name?: string | null) {
  if (id === null) return nothing;
  return id === "" ? html`<span class="soft">${words.erased}</span>` : link("user", id, name ?? id);
}

export function conversationLink(id: string) {
  return link("conversation", id);
}

/** An endpoint; null stands for all beyond the service's bound. */
export function endpointLink(endpoint: string | null) {
  return endpoint === null ? html`<span class="soft">${dashboardText.api.others}</span>` : link("endpoint", endpoint);
}

/** A model; null stands for messages without one, the empty name for all models beyond the service's bound. */
export function modelLink(model: string | null) {
  if (model === null) return html`<span class="soft">${dashboardText.charts.withoutModel}</span>`;
  return model === "" ? html`<span class="soft">${dashboardText.charts.otherModels}</span>` : link("model", model);
}

/** A type of activities, which leads to those of this type. */
export function typeLink(type: string) {
  return html`<a class="kind" href=${writeRoute({ view: "activity", params: { activity_type: type, type_contains: "" } })}
    >${activityIcon(type)}${activityType(type)}</a
  >`;
}
