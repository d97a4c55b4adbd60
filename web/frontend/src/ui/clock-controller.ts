/** One clock for all that ticks: elements that tick together are rendered together. */

import type { ReactiveController, ReactiveControllerHost } from "lit";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** Be called at each full second, until the function that is returned is called. */
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

/** Renders its element anew each second, while it is connected and *running* says so. */
export class Seconds implements ReactiveController {
  #stop: (() => void) | undefined;

  constructor(
    readonly host: ReactiveControllerHost,
    readonly running: () => boolean,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.#stop = everySecond(() => {
      if (this.running()) this.host.requestUpdate();
    });
  }

  hostDisconnected(): void {
    this.#stop?.();
  }
}
