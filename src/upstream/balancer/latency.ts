// Added to every latency: differences of a millisecond are noise, however often the one goes into the other.
const FLOOR_MS = 2;
// Latencies of servers that are as fast differ by less, where many are known (go-zero, whose p2c knows no such band, gave
// three equal ones 3, 205 and 392 of 600 calls).
const EQUAL_RATIO = 2;

/** A moving average of latencies that weighs by time. */
export class Latency {
  private readonly decayMs: number;
  private sum = 0;
  /** How many latencies the sum is worth. */
  private weight = 0;
  private atMs = 0;

  constructor(decayMs: number) {
    this.decayMs = decayMs;
  }

  /** `isAtLeast`: it was given up before its end, and would have taken longer. */
  observe(latencyMs: number, now: number, isAtLeast: boolean): void {
    if (isAtLeast && latencyMs <= this.average) return;
    const old = Math.exp((this.atMs - now) / this.decayMs);
    this.sum = this.sum * old + latencyMs;
    this.weight = this.weight * old + 1;
    this.atMs = now;
  }

  /** In ms, above 0. */
  get average(): number {
    return FLOOR_MS + (this.weight === 0 ? 0 : this.sum / this.weight);
  }

  /**
   * Whether it differs by more than chance would have it. The fewer are known the wider the band: so one that is slow is
   * passed over at once, and asked again when what is known of it is old.
   */
  differsFrom(other: Latency, now: number): boolean {
    const known = Math.min(this.weightAt(now), other.weightAt(now));
    const band = EQUAL_RATIO * (1 + 2 / Math.sqrt(known));
    return this.average > band * other.average || other.average > band * this.average;
  }

  private weightAt(now: number): number {
    return this.weight * Math.exp((this.atMs - now) / this.decayMs);
  }
}
