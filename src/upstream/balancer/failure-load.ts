import type { Clock } from "../../core/clock.ts";
import { Code } from "../../core/code.ts";
import type { Candidate } from "./balancer.ts";

// How long a failure weighs: what begins as one attempt in flight is a third of one after a second.
const DECAY_MS = 1_000;
const NOTHING = 0.05;
// Each failure in a row weighs twice as much as the one before. An instance that fails every call is then asked every
// three seconds or so, and one failure among many successes costs no more than a slow call.
const MAX_WEIGHT = 32;
// A limit shorter than this says more about whoever set it than about the instance.
const TELLING_TIMEOUT_MS = 100;

interface Debt {
  streak: number;
  load: number;
  atMs: number;
}

/** Failures as load, for a while: or an instance that fails at once would always look idle, and draw all calls to it. */
export class FailureLoad<C extends Candidate> {
  private readonly clock: Clock;
  private readonly debts = new Map<C, Debt>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  done(candidate: C, startMs: number, code: Code): void {
    if (isFailure(code) || (code === Code.DeadlineExceeded && this.clock.now() - startMs >= TELLING_TIMEOUT_MS)) {
      this.failed(candidate);
    } else if (this.debts.size > 0 && code !== Code.Cancelled && code !== Code.DeadlineExceeded) {
      const debt = this.debts.get(candidate);
      if (debt !== undefined) debt.streak = 0;
    }
  }

  /** In attempts. */
  of(candidate: C): number {
    if (this.debts.size === 0) return 0;
    const debt = this.debts.get(candidate);
    if (debt === undefined) return 0;
    const load = debt.load * Math.exp((debt.atMs - this.clock.now()) / DECAY_MS);
    if (load >= NOTHING) return load;
    if (debt.streak === 0) this.debts.delete(candidate);
    return 0;
  }

  remove(candidate: C): void {
    this.debts.delete(candidate);
  }

  private failed(candidate: C): void {
    const load = this.of(candidate);
    const streak = this.debts.get(candidate)?.streak ?? 0;
    const weight = Math.min(MAX_WEIGHT, 2 ** streak);
    this.debts.set(candidate, { streak: streak + 1, load: load + weight, atMs: this.clock.now() });
  }
}

/** Whether the instance is to blame, as far as a status tells. */
export function isFailure(code: Code): boolean {
  switch (code) {
    case Code.Unavailable:
    case Code.Internal:
    case Code.Unknown:
    case Code.DataLoss:
    case Code.Unimplemented:
    case Code.ResourceExhausted:
      return true;
    default:
      return false;
  }
}
