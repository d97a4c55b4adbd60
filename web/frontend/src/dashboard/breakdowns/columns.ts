/** The columns of the table of a breakdown. */

import { html, nothing } from "lit";
import { BREAKDOWNS, type BreakdownRow } from "../../client/catalogue";
import { count, dollars, seconds } from "../../ui/format";
import { conversationLink, endpointLink, modelLink, typeLink, userLink } from "../links";
import type { Column } from "../lists/table";
import { dashboardText } from "../text";
import { byLabel, type Choice, type Metric } from "./breakdown";

const words = dashboardText.breakdowns;

/** Write a value of a metric. */
export function writeMetric(metric: Metric, value: BreakdownRow["value"]): string {
  const { unit } = BREAKDOWNS[metric];
  if (unit === "US dollars") return dollars(value);
  return unit === "seconds" ? seconds(value === null ? null : Number(value)) : count(Number(value ?? 0));
}

/** The columns for a choice. */
export function columnsOf({ metric, by }: Choice): readonly Column<BreakdownRow>[] {
  const [first = "model", second] = by.split(",");
  const isCost = metric === "cost";
  return [
    { label: byLabel(first), rowHeader: true, cell: (row) => link(first, row.label, row.username) },
    ...(second
      ? [{ label: byLabel(second), cell: (row: BreakdownRow) => link(second, row.second ?? "", row.username) }]
      : []),
    {
      label: words.metrics[metric],
      number: true,
      cell: ({ value }) =>
        html`<span title=${isCost && value !== null ? `$${value}` : nothing}>${writeMetric(metric, value)}</span>`,
      bar: ({ value }) => Number(value ?? 0),
    },
    { label: words.counts[countOf(metric)], number: true, cell: (row) => count(row.count) },
    ...(isCost
      ? [
          {
            label: words.withoutPrice,
            number: true as const,
            cell: ({ unpriced_calls }: BreakdownRow) => (unpriced_calls ? count(unpriced_calls) : ""),
          },
        ]
      : []),
  ];
}

function link(dimension: string, label: string, username: string | null) {
  switch (dimension) {
    case "user":
      return userLink(label, username);
    case "conversation":
      return conversationLink(label);
    case "endpoint":
      return endpointLink(label);
    case "model":
      return modelLink(label);
    case "activity_type":
      return typeLink(label);
    default:
      return html`<bdi>${label}</bdi>`;
  }
}

/** What the events behind a metric are. */
function countOf(metric: Metric): keyof typeof words.counts {
  if (metric.startsWith("api_") || metric.includes("api_response")) return "api";
  if (metric === "activities") return "activities";
  const ofMessages = metric === "messages" || metric === "tokens" || /^(avg|p\d\d)_response/.test(metric);
  return ofMessages ? "messages" : "llm";
}
