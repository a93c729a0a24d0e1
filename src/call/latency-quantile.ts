// Bounds of 5 % each, from 0.1 ms to 10 minutes.
const GROWTH = Math.log(1.05);
const LEAST_MS = 0.1;
const BUCKETS = 320;
const MIN_SAMPLES = 100;
const WINDOW_SAMPLES = 1_000;
const REFRESH_SAMPLES = 50;

/** A quantile of the last one to two thousand latencies, exact to 5 %. */
export class LatencyQuantile {
  private readonly ratio: number;
  private current = new Uint32Array(BUCKETS);
  private previous = new Uint32Array(BUCKETS);
  private samples = 0;
  private previousSamples = 0;
  private value = Infinity;

  /** `ratio` in (0, 1): 0.95 for the 95th percentile. */
  constructor(ratio: number) {
    this.ratio = ratio;
  }

  /** Milliseconds; Infinity until a hundred latencies are known. */
  get ms(): number {
    return this.value;
  }

  record(ms: number): void {
    const bucket = Math.ceil(Math.log(ms / LEAST_MS) / GROWTH);
    const index = bucket > 0 ? Math.min(bucket, BUCKETS - 1) : 0;
    this.current[index] = (this.current[index] ?? 0) + 1;
    this.samples++;
    if (this.samples % REFRESH_SAMPLES === 0) this.refresh();
    if (this.samples < WINDOW_SAMPLES) return;
    const oldest = this.previous;
    this.previous = this.current;
    this.previousSamples = this.samples;
    this.current = oldest.fill(0);
    this.samples = 0;
  }

  private refresh(): void {
    const total = this.samples + this.previousSamples;
    if (total < MIN_SAMPLES) return;
    let rest = total * this.ratio;
    let index = -1;
    while (rest > 0 && index < BUCKETS - 1) {
      index++;
      rest -= (this.current[index] ?? 0) + (this.previous[index] ?? 0);
    }
    this.value = LEAST_MS * Math.exp(index * GROWTH);
  }
}
