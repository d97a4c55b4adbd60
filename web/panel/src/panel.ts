/** The embeddable panel, as one classic script: it defines `<convoai-analytics-panel>` and leaves nothing else behind. */

import { define } from "./panel/define.js";
import { AnalyticsPanel } from "./panel/element.js";

define("convoai-analytics-panel", AnalyticsPanel);
