import type { Clock } from "../core/clock.ts";

export interface RetryBudgetOptions {
  /** How many calls in a hundred may be made once more. */
  readonly percent: number;
  /** What is allowed besides, so that an upstream with few calls can be tried again at all. */
  readonly minPerSecond: number;
}

// As Finagle's `RetryBudget`, and Linkerd's after it: long enough for the calls in flight on one instance that breaks.
const WINDOW_MS = 10_000;

/**
 * How many attempts beyond the first the calls of one upstream may make together: without a limit, an upstream that is
 * overloaded gets three times the load for it. What is earned is worth less as time goes by (e^-t/10s), so that what a
 * quiet hour saved is not spent in a second; whatever happens, no more than `percent` of the calls, `minPerSecond`
 * and ten seconds' worth of it to start with, is ever spent.
 */
export class RetryBudget {
  /** Calls begun since `take` looked last: whoever begins a call adds one. */
  calls = 0;
  private readonly clock: Clock;
  private options: RetryBudgetOptions;
  private tokens: number;
  private lookedMs: number;

  constructor(options: RetryBudgetOptions, clock: Clock) {
    this.clock = clock;
    this.options = options;
    this.tokens = (options.minPerSecond * WINDOW_MS) / 1000;
    this.lookedMs = clock.now();
  }

  update(options: RetryBudgetOptions): void {
    this.options = options;
  }

  /** Whether one more attempt may be made; if so, it is counted. */
  take(): boolean {
    const { percent, minPerSecond } = this.options;
    const nowMs = this.clock.now();
    const elapsedMs = nowMs - this.lookedMs;
    const earned = (this.calls * percent) / 100 + (minPerSecond * elapsedMs) / 1000;
    const windows = elapsedMs / WINDOW_MS;
    // What was earned evenly over the time since has lost a part as well: the mean of e^-t over it.
    const worth = windows > 0 ? -Math.expm1(-windows) / windows : 1;
    this.tokens = this.tokens * Math.exp(-windows) + earned * worth;
    this.calls = 0;
    this.lookedMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
