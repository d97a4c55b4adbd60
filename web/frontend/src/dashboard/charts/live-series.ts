/**
 * A range of `series`, kept up with the live figures.
 *
 * Minutes come with the feed, and are merged as they come. Hours and days are asked for again, but only the last two
 * points, and at most every two seconds. Once a minute, if anything changed, the whole range is asked for: events may
 * come with old timestamps; and whenever the range itself moves. What failed is asked for again every ten seconds.
 */

import type { AnalyticsClient } from "../../client/client";
import { MINUTE } from "../../ui/figures";
import { fresh } from "../freshness";
import type { Interval } from "../ranges/interval";
import { dateNumber, fromAnswer, type Points, type SeriesAnswer, since, withMinutes, withTail } from "./points";
import { type Problem, Question, RETRY_EVERY } from "../latest-request";
import { type Span, writeBound } from "../ranges/range";

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
  /** The figures that the points have caught up with. */
  #position: string | null = null;
  #minutes: unknown = null;
  #live = false;
  /** How often the live figures went away, and how many of these times the points have been loaded since. */
  #losses = 0;
  #mended = 0;

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

  /** Why there are no points, or why those held are not up to date. */
  get problem(): Problem | null {
    return this.whole.problem ?? this.#tail.problem;
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
    const live = fresh(this.client()).kind === "live";
    if (this.#live && !live) this.#losses += 1;
    this.#live = live;
    if (this.whole.asking) return;
    const span = asked.span(now);
    const held = this.points;
    if (this.#isWholeDue(asked, held, span, now)) this.#load(now, false);
    else if (held && !isOver(span, now)) this.#keepEnd(asked, held, span, now);
  }

  stop(): void {
    this.whole.stop();
    this.#tail.stop();
  }

  #isWholeDue({ interval }: Asked, held: Points | null, span: Span, now: number): boolean {
    const passed = now - this.#wholeAt;
    if (this.whole.problem) return passed >= RETRY_EVERY;
    if (!held) return false;
    // A day begins in the service's zone, whenever the admin's own does.
    const date = (time: number) => dateNumber(time, held.zone);
    const moved = span.from !== this.#from || (interval === "day" && date(now) !== date(this.#wholeAt));
    return moved || (this.#live && this.#isLost) || (this.#isBehind && passed > MINUTE);
  }

  /** The live figures were there, and were not any more: what came in between is missing. */
  get #isLost(): boolean {
    return this.#mended !== this.#losses;
  }

  get #isBehind(): boolean {
    return this.client().figures.position !== this.#position;
  }

  #keepEnd(asked: Asked, held: Points, span: Span, now: number): void {
    if (asked.interval === "minute") {
      // Not over a gap, whose minutes would be drawn as if nothing had happened in them.
      if (this.#live && !this.#isLost) this.#merge(now, span);
    } else if (this.#isBehind && !this.#tail.asking) {
      const wait = this.#tail.problem ? RETRY_EVERY : TAIL_EVERY;
      if (now - this.#tailAt >= wait) this.#loadTail(asked, held, span, now);
    }
  }

  #merge(now: number, span: Span): void {
    const { minutes } = this.client().figures;
    const minute = Math.floor(now / MINUTE);
    if (this.#minutes === minutes && this.#tailAt === minute) return;
    this.#minutes = minutes;
    this.#tailAt = minute;
    const until = Math.min(now, span.to - 1);
    this.whole.amend((points) => since(withMinutes(points, minutes, until), span.from));
  }

  #load(now: number, afresh: boolean): void {
    const asked = this.#asked;
    if (!asked) return;
    const span = asked.span(now);
    const { position } = this.client().figures;
    const losses = this.#losses;
    this.#tail.stop();
    this.#from = span.from;
    this.#wholeAt = this.#tailAt = now;
    this.#minutes = null;
    this.loading(span);
    void this.whole.ask(async (signal) => {
      const byDays = asked.interval === "day";
      const points = await this.#read(asked, writeBound(span.from, byDays, span.zone), span, now, signal);
      this.#position = position;
      this.#mended = losses;
      this.#tail.problem = null;
      return points;
    }, afresh);
  }

  #loadTail(asked: Asked, held: Points, span: Span, now: number): void {
    const from = held.start.at(-2) ?? held.start.at(-1) ?? span.from;
    const { position } = this.client().figures;
    this.#tailAt = now;
    void this.#tail.ask(async (signal) => {
      const tail = await this.#read(asked, new Date(from).toISOString(), span, now, signal);
      this.#position = position;
      this.whole.amend((points) => since(withTail(points, tail), span.from));
      return tail;
    });
  }

  async #read({ metrics, interval }: Asked, from: string, span: Span, now: number, signal: AbortSignal) {
    // Up to and with now, which may be the first moment of a point; and never nothing, if the range is yet to come.
    const end = Math.max(Math.min(span.to, now + 1), span.from + 1);
    const params = { metrics, interval, from, to: writeBound(end, interval === "day", span.zone) };
    return fromAnswer(await this.client().rest.get<SeriesAnswer>("series", params, signal));
  }
}

/** A range of the past: nothing comes at its end any more, so that it is only asked for as a whole. */
function isOver({ to, moving }: Span, now: number): boolean {
  return !moving && to <= now;
}
