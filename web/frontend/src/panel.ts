/** The embeddable panel, as one classic script: it defines `<convoai-analytics-panel>` and leaves nothing else behind. */

import { define } from "./ui/define";
import { AnalyticsPanel } from "./panel/element";

define("convoai-analytics-panel", AnalyticsPanel);
