import type { Clock } from "../../../core/clock.ts";

// Of the event loop at a time; requests are served in between.
const SLICE_MS = 0.5;

/** Runs a generator to its end in slices, off the path of requests, one at a time. */
export class Sliced<T> {
  private readonly clock: Clock;
  private readonly onDone: (result: T) => void;
  private running: Generator<void, T> | null = null;
  /** What is to be made after it; only the last counts. */
  private waiting: (() => Generator<void, T>) | null = null;
  private stopTimer: (() => void) | null = null;

  constructor(clock: Clock, onDone: (result: T) => void) {
    this.clock = clock;
    this.onDone = onDone;
  }

  /** What runs already is run to its end before, or a list that keeps changing would never come to one. */
  start(make: () => Generator<void, T>): void {
    if (this.running !== null) {
      this.waiting = make;
      return;
    }
    this.running = make();
    this.stopTimer = this.clock.after(0, this.run);
  }

  /** Runs what runs to its end now. */
  finishNow(): void {
    if (this.running === null) return;
    this.stopTimer?.();
    for (;;) {
      const step = this.running.next();
      if (step.done) return this.finish(step.value);
    }
  }

  close(): void {
    this.stopTimer?.();
    this.running = null;
    this.waiting = null;
  }

  private readonly run = (): void => {
    const until = this.clock.now() + SLICE_MS;
    do {
      const step = this.running?.next();
      if (step?.done) return this.finish(step.value);
    } while (this.clock.now() < until);
    this.stopTimer = this.clock.after(0, this.run);
  };

  private finish(result: T): void {
    const { waiting } = this;
    this.running = null;
    this.waiting = null;
    this.onDone(result);
    if (waiting !== null) this.start(waiting);
  }
}
