import type { Clock } from "../../../core/clock.ts";

// Far above what any honest peer sends; at this rate they cost about a hundredth of a core.
const MAX_PER_WINDOW = 20_000;
const WINDOW_MS = 1_000;

/** Counts frames that bring nothing, to tell a flood of them from the odd one. */
export class FrameBudget {
  private readonly clock: Clock;
  private count = 0;
  private sinceMs: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.sinceMs = clock.now();
  }

  /** Takes one; false where there were too many in too short a time. */
  take(): boolean {
    if (++this.count < MAX_PER_WINDOW) return true;
    const now = this.clock.now();
    const isFlood = now - this.sinceMs < WINDOW_MS;
    this.sinceMs = now;
    this.count = 0;
    return !isFlood;
  }
}
