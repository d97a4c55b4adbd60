/** Parses server-sent events (HTML standard, 9.2.6) from pieces of text as they arrive. Pure. */

export interface ServerEvent {
  /** "message" if the stream does not name one. */
  readonly type: string;
  readonly data: string;
  /** The last id that the stream sent, with this event or before it; "" before the first. */
  readonly id: string;
}

export class EventStreamParser {
  /** The beginning of a line that has not ended yet. */
  #line = "";
  /** The piece before ended in CR: a following LF belongs to the same line end. */
  #endedInCr = false;
  #type = "";
  #data: string[] = [];
  #id = "";

  /** Add the next piece of the stream; returns the events that it completes. */
  push(text: string): ServerEvent[] {
    const piece = this.#endedInCr && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#endedInCr = text.endsWith("\r");
    const lines = (this.#line + piece).split(/\r\n|\r|\n/);
    this.#line = lines.pop() ?? "";
    return lines.flatMap((line) => (line === "" ? this.#dispatch() : this.#field(line)));
  }

  #field(line: string): [] {
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "event") this.#type = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    // Everything else is a comment, an unknown field, or `retry`: this client has its own backoff.
    return [];
  }

  #dispatch(): ServerEvent[] {
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id };
    const hasData = this.#data.length > 0;
    this.#type = "";
    this.#data = [];
    return hasData ? [event] : [];
  }
}
