/** How fresh a client's figures are right now: what the page's parts say of themselves agrees with its head. */

import type { AnalyticsClient } from "../client/client";
import { type Freshness, freshness } from "../ui/freshness";

export function fresh({ status, figures, clockOffset }: AnalyticsClient): Freshness {
  return freshness(status, figures, Date.now(), clockOffset);
}
