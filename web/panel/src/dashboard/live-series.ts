/**
 * A range of `series`, kept up with the live figures.
 *
 * Minutes come with the feed, and are merged as they come. Hours and days are asked for again, but only the last two
 * points, and at most every two seconds. Once a minute, if anything changed, the whole range is asked for: events may
 * come with old timestamps, and the range itself moves.
 */

import type { AnalyticsClient } from "../client";
import { type Interval, MINUTE, WIDTH } from "./interval";
import { fromAnswer, type Points, type SeriesAnswer, since, withMinutes, withTail } from "./points";
import { Question } from "./question";
import { type Span, writeBound } from "./range";

const TAIL_EVERY = 2000;

export interface Asked {
  metrics: readonly string[];
  interval: Interval;
  /** Where the range lies at a time. */
  span: (now: number) => Span;
}

export class LiveSeries {
  readonly whole: Question<Points>;
  readonly #tail: Question<Points>;
  #asked: Asked | null = null;
  #from = 0;
  #wholeAt = 0;
  #tailAt = 0;
  #position: string | null = null;
  #minutes: unknown = null;
  #live = false;
  /** The live figures were there, and are not any more: what came in between is missing. */
  #lost = false;

  constructor(
    private readonly client: () => AnalyticsClient,
    /** Called after each change of the points, or of the question's state. */
    changed: () => void,
    /** Called whenever the whole range is asked for. */
    private readonly loading: (span: Span) => void = () => {},
  ) {
    this.whole = new Question(changed);
    this.#tail = new Question(changed);
  }

  get points(): Points | null {
    return this.whole.answer;
  }

  ask(asked: Asked, now: number): void {
    this.#asked = asked;
    this.#load(now, true);
  }

  again(now: number): void {
    this.#load(now, false);
  }

  /** Bring the points up to the figures and the clock; to be called at each change, and each second. */
  keep(now: number): void {
    const asked = this.#asked;
    if (!asked) return;
    const { figures, status } = this.client();
    const live = status.kind === "live";
    if (this.#live && !live) this.#lost = true;
    this.#live = live;
    const span = asked.span(now);
    const held = this.points;
    if (this.whole.asking) return;
    if (!held) {
      if (this.whole.problem && now - this.#wholeAt > 10_000) this.#load(now, true);
      return;
    }
    const moved = Math.floor(span.from / WIDTH[asked.interval]) !== Math.floor(this.#from / WIDTH[asked.interval]);
    const changed = figures.position !== this.#position;
    if ((this.#lost && live) || moved || (changed && now - this.#wholeAt > MINUTE)) {
      this.#load(now, false);
    } else if (span.to <= (held.start.at(-1) ?? 0)) {
      // A range of the past: only asked for as a whole.
    } else if (asked.interval === "minute") {
      this.#merge(now, span);
    } else if (changed && !this.#tail.asking && now - this.#tailAt >= TAIL_EVERY) {
      this.#loadTail(asked, held, span, now);
    }
  }

  stop(): void {
    this.whole.stop();
    this.#tail.stop();
  }

  #merge(now: number, span: Span): void {
    const { figures, status } = this.client();
    const minute = Math.floor(now / MINUTE);
    if (status.kind !== "live" || (this.#minutes === figures.minutes && this.#tailAt === minute)) return;
    this.#minutes = figures.minutes;
    this.#tailAt = minute;
    const until = Math.min(now, span.to - 1);
    this.whole.amend((points) => since(withMinutes(points, figures.minutes, until), span.from));
  }

  #load(now: number, afresh: boolean): void {
    const asked = this.#asked;
    if (!asked) return;
    const span = asked.span(now);
    this.#tail.stop();
    this.#from = span.from;
    this.#wholeAt = this.#tailAt = now;
    this.#minutes = null;
    this.#lost = false;
    this.#position = this.client().figures.position;
    this.loading(span);
    void this.whole.ask((signal) => this.#read(asked, span.from, Math.min(span.to, now), signal), afresh);
  }

  #loadTail(asked: Asked, held: Points, span: Span, now: number): void {
    const from = held.start.at(-2) ?? held.start.at(-1) ?? span.from;
    this.#tailAt = now;
    this.#position = this.client().figures.position;
    void this.#tail.ask(async (signal) => {
      const tail = await this.#read(asked, from, Math.min(span.to, now), signal);
      this.whole.amend((points) => since(withTail(points, tail), span.from));
      return tail;
    });
  }

  async #read(asked: Asked, from: number, to: number, signal: AbortSignal): Promise<Points> {
    const params = {
      metrics: asked.metrics,
      interval: asked.interval,
      from: writeBound(from, asked.interval === "day"),
      to: writeBound(Math.max(to, from + 1), asked.interval === "day"),
    };
    return fromAnswer(await this.client().rest.get<SeriesAnswer>("series", params, signal));
  }
}
