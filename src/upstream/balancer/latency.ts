// Added to every latency: differences of a millisecond are noise, however often the one goes into the other.
const FLOOR_MS = 2;

/** A moving average of latencies that weighs by time, and fades where nothing is observed, so that slow ones are tried again. */
export class Latency {
  private readonly decayMs: number;
  private average = 0;
  private atMs = 0;
  isKnown = false;

  constructor(decayMs: number) {
    this.decayMs = decayMs;
  }

  /** `isAtLeast`: it was given up before its end, and would have taken longer. */
  observe(latencyMs: number, now: number, isAtLeast: boolean): void {
    if (isAtLeast && latencyMs <= this.average) return;
    const old = this.isKnown ? Math.exp((this.atMs - now) / this.decayMs) : 0;
    this.average = this.average * old + latencyMs * (1 - old);
    this.atMs = now;
    this.isKnown = true;
  }

  /** In ms, above 0. */
  at(now: number): number {
    return FLOOR_MS + this.average * Math.exp((this.atMs - now) / this.decayMs);
  }
}
