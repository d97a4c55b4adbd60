/** The entry of the embeddable panel, one classic script that defines `<convoai-analytics-panel>` and no globals. */

import { AnalyticsPanel } from "./panel/element";
import { define } from "./ui/define";

define("convoai-analytics-panel", AnalyticsPanel);
