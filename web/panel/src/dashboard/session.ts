/** The page's own client, started before anything is drawn. */

import { AnalyticsClient } from "../client";
import { arrive } from "../link";
import { storedToken } from "../token";

arrive();

export const client = new AnalyticsClient({ url: "", token: storedToken });
client.start();
