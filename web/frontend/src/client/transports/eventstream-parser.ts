/** The format of server-sent events (HTML standard, 9.2.6), read piece by piece as it comes. Pure. */

export interface ServerEvent {
  /** "message" where the stream names none. */
  readonly type: string;
  readonly data: string;
  /** The last id that the stream gave, with this event or before it; "" before the first. */
  readonly id: string;
}

export class EventParser {
  /** The line that has not ended yet. */
  #line = "";
  /** The piece before ended in CR: an LF that follows belongs to it. */
  #halfway = false;
  #type = "";
  #data: string[] = [];
  #id = "";

  /** Take the next piece of the stream; gives the events that it completes. */
  push(text: string): ServerEvent[] {
    const piece = this.#halfway && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#halfway = text.endsWith("\r");
    const lines = (this.#line + piece).split(/\r\n|\r|\n/);
    this.#line = lines.pop() ?? "";
    return lines.flatMap((line) => (line === "" ? this.#dispatch() : this.#take(line)));
  }

  #take(line: string): [] {
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "event") this.#type = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    // All else is a comment, or `retry`, which the backoff of this client makes needless.
    return [];
  }

  #dispatch(): ServerEvent[] {
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id };
    const isWhole = this.#data.length > 0;
    this.#type = "";
    this.#data = [];
    return isWhole ? [event] : [];
  }
}
