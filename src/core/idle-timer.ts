import type { Clock } from "./clock.ts";

/** Tells once of a silence. */
export class IdleTimer {
  private readonly clock: Clock;
  private readonly limitMs: number;
  private readonly onIdle: (limitMs: number) => void;
  private lastMs = 0;
  private stopTimer: (() => void) | null = null;

  constructor(clock: Clock, limitMs: number, onIdle: (limitMs: number) => void) {
    this.clock = clock;
    this.limitMs = limitMs;
    this.onIdle = onIdle;
  }

  /** The silence begins now, whatever was before. */
  start(): void {
    this.stop();
    this.touch();
    this.arm(this.limitMs);
  }

  /** There was something. */
  touch(): void {
    this.lastMs = this.clock.now();
  }

  stop(): void {
    this.stopTimer?.();
    this.stopTimer = null;
  }

  // One timer looks how long ago the last touch was, because moving a timer with each would cost more.
  private arm(waitMs: number): void {
    this.stopTimer = this.clock.after(waitMs, () => {
      const restMs = this.lastMs + this.limitMs - this.clock.now();
      if (restMs > 0) this.arm(restMs);
      else this.onIdle(this.limitMs);
    });
  }
}
