import type { Clock } from "../../core/clock.ts";
import { Code } from "../../core/code.ts";
import type { Random } from "../../core/random.ts";
import { rankOf, shareOf, type Balancer, type Candidate } from "./balancer.ts";
import { Draw, type DrawEntry } from "./draw.ts";
import { FailureLoad, isFailure } from "./failure-load.ts";
import { Latency } from "./latency.ts";
import type { Ramp } from "./slow-start.ts";

export interface LeastRequestOptions {
  readonly random: Random;
  readonly clock: Clock;
  readonly ramp: Ramp | null;
  /** How fast latencies are forgotten, ms; null where they do not count. */
  readonly decayMs: number | null;
}

interface Entry<C> extends DrawEntry<C> {
  readonly latency: Latency | null;
}

/**
 * The less loaded of two instances drawn at random in proportion to their shares (Mitzenmacher, "The Power of Two
 * Choices"); load is what is in flight per share, failures included for a while, and between equals the first drawn is
 * taken: so idle instances get exactly their shares.
 *
 * With `decayMs`, instances whose latencies differ by more than twice are told apart by latency x (in flight + 1)
 * instead (go-zero `zrpc/internal/balancer/p2c`, after Finagle's "Peak EWMA"). Without it latencies do not count: at low
 * load their noise would decide.
 */
export function createLeastRequest<C extends Candidate>(options: LeastRequestOptions): Balancer<C> {
  return new LeastRequest(options);
}

class LeastRequest<C extends Candidate> implements Balancer<C> {
  private readonly clock: Clock;
  private readonly decayMs: number | null;
  private readonly draw: Draw<C, Entry<C>>;
  private readonly failures: FailureLoad<C>;

  constructor({ random, clock, ramp, decayMs }: LeastRequestOptions) {
    this.clock = clock;
    this.decayMs = decayMs;
    this.draw = new Draw(random, ramp);
    this.failures = new FailureLoad(clock);
  }

  add(candidate: C): void {
    const latency = this.decayMs === null ? null : new Latency(this.decayMs);
    this.draw.add({ candidate, share: shareOf(candidate), index: 0, latency });
  }

  remove(candidate: C): void {
    this.draw.remove(candidate);
    this.failures.remove(candidate);
  }

  change(candidate: C): void {
    this.draw.change(candidate);
  }

  pick(tried: readonly string[]): C | null {
    const a = this.draw.draw(tried);
    if (a === undefined) return null;
    const b = this.draw.draw(tried, a);
    if (b === undefined || rankOf(b.candidate, tried) < rankOf(a.candidate, tried)) return a.candidate;
    return this.isLessLoaded(b, a) ? b.candidate : a.candidate;
  }

  done(candidate: C, startMs: number, code: Code): void {
    this.failures.done(candidate, startMs, code);
    // The latency of a failure says nothing: most are quick.
    if (this.decayMs === null || isFailure(code)) return;
    const now = this.clock.now();
    const isCutShort = code === Code.Cancelled || code === Code.DeadlineExceeded;
    this.draw.get(candidate)?.latency?.observe(now - startMs, now, isCutShort);
  }

  private isLessLoaded(b: Entry<C>, a: Entry<C>): boolean {
    const busyA = a.candidate.inFlight + this.failures.of(a.candidate);
    const busyB = b.candidate.inFlight + this.failures.of(b.candidate);
    const shareA = a.share * this.draw.rampOf(a);
    const shareB = b.share * this.draw.rampOf(b);
    if (a.latency !== null && b.latency !== null && a.latency.differsFrom(b.latency, this.clock.now())) {
      return (b.latency.average * (busyB + 1)) / shareB < (a.latency.average * (busyA + 1)) / shareA;
    }
    return busyB / shareB < busyA / shareA;
  }
}
