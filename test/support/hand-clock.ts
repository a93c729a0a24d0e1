import type { Clock } from "../../src/core/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** A clock that only moves when it is told to. */
export class HandClock implements Clock {
  private time = 0;
  private order = 0;
  private readonly timers = new Set<Timer>();

  now(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): () => void {
    const timer: Timer = { at: this.time + Math.max(0, ms), order: this.order++, fn };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }

  /** Moves on, running what falls due in its order, timers that were set meanwhile included. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.timers) {
        if (timer.at > end) continue;
        if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
          next = timer;
      }
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.fn();
    }
    this.time = end;
  }

  /** The process gets no time for so long: what fell due runs after it, late. */
  standStill(ms: number): void {
    this.time += ms;
    this.advance(0);
  }

  /** Timers that have neither run nor been cancelled: 0 after everything ended, or something leaks. */
  get pending(): number {
    return this.timers.size;
  }
}
