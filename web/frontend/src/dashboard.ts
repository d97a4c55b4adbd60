/**
 * The entry of the dashboard. First it takes the token out of the address and connects. The elements are in a script of their
 * own, so that the figures are requested while it is loaded and compiled: they are on screen about 100 ms sooner.
 */

import { loadLanguage } from "./dashboard/language";
import "./dashboard/shell/session";

void loadLanguage().then(() => import("./dashboard/shell/shell"));
