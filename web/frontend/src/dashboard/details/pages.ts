/** The pages about one thing, in a script of their own. */

import "./conversation-page";
import "./endpoint-page";
import "./model-page";
import "./user-page";
