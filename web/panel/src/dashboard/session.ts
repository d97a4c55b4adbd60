/** The page's own client, started before anything is drawn. */

import { AnalyticsClient } from "../client";
import { fragmentToken, storedToken } from "../token";

fragmentToken();

export const client = new AnalyticsClient({ url: "", token: storedToken });
client.start();
