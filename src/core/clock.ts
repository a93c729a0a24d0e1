import { TimerWheel } from "./timer-wheel.ts";

/** Time as the gateway sees it; tests pass a hand-driven one (test/support/hand-clock.ts). */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin. */
  now(): number;
  /** Runs `fn` once after `ms`; the result cancels it. Does not keep the process alive. */
  after(ms: number, fn: () => void): () => void;
}

// setTimeout fires at once for anything longer (it overflows a 32-bit integer).
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Node's own timers, one each. */
const nodeClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), MAX_TIMEOUT_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const systemClock: Clock = new TimerWheel(nodeClock);
