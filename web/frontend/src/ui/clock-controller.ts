/** One timer for all elements that render each second, so that they render together. */

import type { ReactiveController, ReactiveControllerHost } from "lit";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** Call *listener* at each full second, until the returned function is called. */
export function everySecond(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= next();
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearTimeout(timer);
    timer = undefined;
  };
}

function next(): ReturnType<typeof setTimeout> {
  return setTimeout(
    () => {
      timer = next();
      for (const listener of [...listeners]) listener();
    },
    1000 - (Date.now() % 1000),
  );
}

/** Renders its element each second while it is connected and *isActive* returns true. */
export class ClockController implements ReactiveController {
  #stop: (() => void) | undefined;

  constructor(
    readonly host: ReactiveControllerHost,
    readonly isActive: () => boolean,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.#stop = everySecond(() => {
      if (this.isActive()) this.host.requestUpdate();
    });
  }

  hostDisconnected(): void {
    this.#stop?.();
  }
}
