/**
 * The full dashboard's entry. First of all the token leaves the address and the connection opens; what draws is a script
 * of its own, so that the figures are on their way while it is loaded and compiled (about 100 ms sooner on screen).
 */

import "./dashboard/shell/session";

void import("./dashboard/shell/shell");
