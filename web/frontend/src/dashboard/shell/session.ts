/** The page's own client, started before anything is drawn. */

import { AnalyticsClient } from "../../client/client";
import { arrive } from "../../client/auth/sign-in-link";
import { storedToken } from "../../client/auth/token";

arrive();

export const client = new AnalyticsClient({ url: "", token: storedToken });
client.start();
