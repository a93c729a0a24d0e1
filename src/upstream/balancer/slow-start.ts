import type { Clock } from "../../core/clock.ts";
import type { Candidate } from "./balancer.ts";
import type { SlowStart } from "./options.ts";

/**
 * How much of its share each instance gets, by how long it has been there (Envoy, "Slow start mode"); relative to the
 * one that has been there longest, so that nothing is held back where all are new.
 */
export class Ramp {
  private readonly options: SlowStart;
  private readonly clock: Clock;
  private readonly candidates = new Set<Candidate>();
  private eldest: Candidate | null = null;

  constructor(options: SlowStart, clock: Clock) {
    this.options = options;
    this.clock = clock;
  }

  add(candidate: Candidate): void {
    this.candidates.add(candidate);
    if (this.eldest === null || candidate.sinceMs < this.eldest.sinceMs) this.eldest = candidate;
  }

  remove(candidate: Candidate): void {
    this.candidates.delete(candidate);
    if (this.eldest !== candidate) return;
    this.eldest = null;
    for (const other of this.candidates) {
      if (this.eldest === null || other.sinceMs < this.eldest.sinceMs) this.eldest = other;
    }
  }

  /** In (0, 1]; 1 for the one that has been there longest. */
  of(candidate: Candidate): number {
    const now = this.clock.now();
    const own = this.ratioAt(now - candidate.sinceMs);
    return own === 1 || this.eldest === null ? own : own / this.ratioAt(now - this.eldest.sinceMs);
  }

  private ratioAt(ageMs: number): number {
    const { windowMs, aggression, minRatio } = this.options;
    if (ageMs >= windowMs) return 1;
    return Math.max(minRatio, (ageMs / windowMs) ** (1 / aggression));
  }
}
