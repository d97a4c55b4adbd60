/** The client of the page, which is started before anything is rendered. */

import { takeLinkToken } from "../../client/auth/sign-in-link";
import { storedToken } from "../../client/auth/token-storage";
import { AnalyticsClient } from "../../client/client";

takeLinkToken();

export const client = new AnalyticsClient({ url: "", token: storedToken });
client.start();
