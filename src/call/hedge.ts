import type { Clock } from "../core/clock.ts";
import type { AttemptEnd, AttemptListener, AttemptRequest, CallHandle, FlatMetadata, Pick } from "./call.ts";
import { LatencyQuantile } from "./latency-quantile.ts";

export interface HedgePolicy {
  /** How long the answer may take before the call is made once more; 0 where `percentile` says it. */
  readonly delayMs: number;
  /** As long as so many in a hundred calls of the route take at most; 0 where `delayMs` says it. Both 0: no hedging. */
  readonly percentile: number;
  /** Attempts beside the first; 0 for no hedging. */
  readonly max: number;
}

/** How calls of one route are hedged. */
export interface HedgePlan {
  readonly max: number;
  /** Infinity: not now. */
  readonly delayMs: number;
  /** How long the first attempt of a call took, or had taken when another answered. */
  record(ms: number): void;
}

/** Null where the policy asks for none. */
export function createHedgePlan({ delayMs, percentile, max }: HedgePolicy): HedgePlan | null {
  if (max === 0) return null;
  if (delayMs > 0) return { max, delayMs, record() {} };
  if (percentile === 0) return null;
  const latency = new LatencyQuantile(percentile / 100);
  return {
    max,
    get delayMs() {
      return latency.ms;
    },
    record: (ms) => latency.record(ms),
  };
}

/** What a hedged attempt asks of its call. */
export interface HedgeHost extends AttemptListener {
  /** Another instance for one more attempt, counted as such; null where there is none or no more may be made. */
  takeHedge(): Pick | null;
  /** What one more attempt sends. */
  request(): AttemptRequest;
  /** Whether another attempt may have a better end. */
  mayRepeat(end: AttemptEnd): boolean;
  onHedgeWon(): void;
}

/**
 * Several attempts that look like one to their call (gRFC A6, "Hedging Policy"): another is made whenever there was no
 * answer for a while; the first message, or the first end that another attempt could not better, decides which of them
 * is told; the others are cancelled, which is held against nobody. Only for calls that may be repeated.
 */
export class HedgedAttempt implements CallHandle {
  private readonly host: HedgeHost;
  private readonly plan: HedgePlan;
  private readonly clock: Clock;
  private readonly startMs: number;
  /** Those that run. */
  private readonly lanes = new Set<Lane>();
  private winner: Lane | null = null;
  private hedges = 0;
  private paused = false;
  private done = false;
  private stopTimer: (() => void) | null = null;

  constructor(host: HedgeHost, plan: HedgePlan, clock: Clock) {
    this.host = host;
    this.plan = plan;
    this.clock = clock;
    this.startMs = clock.now();
  }

  start(pick: Pick): void {
    const lane = new Lane(this, this.hedges === 0);
    this.lanes.add(lane);
    lane.handle = pick.start(this.host.request(), lane);
    if (this.paused) lane.handle.pause();
    this.arm();
  }

  send(): boolean {
    return true; // a call that sends more than one message is not hedged
  }
  halfClose(): void {}

  pause(): void {
    this.paused = true;
    for (const { handle } of this.lanes) handle?.pause();
  }

  resume(): void {
    this.paused = false;
    for (const { handle } of this.lanes) handle?.resume();
  }

  cancel(because?: "timeout"): void {
    this.finish();
    for (const { handle } of this.lanes) handle?.cancel(because);
  }

  // What the lanes tell.

  onMessage(lane: Lane, bytes: Uint8Array, start: number, end: number): void {
    if (this.done) return;
    if (this.winner === null) this.win(lane);
    this.host.onMessage(bytes, start, end);
  }

  onEnd(lane: Lane, end: AttemptEnd): void {
    if (this.done) return;
    this.lanes.delete(lane);
    if (this.winner === null) {
      const isGood = !this.host.mayRepeat(end);
      // The others may do better.
      if (!isGood && this.lanes.size > 0) return;
      if (isGood) this.win(lane);
      else if (lane.headers !== null) this.host.onHeaders(lane.headers);
    }
    this.finish();
    this.host.onEnd(end);
  }

  hedge(): void {
    this.stopTimer?.();
    this.stopTimer = null;
    if (this.done || this.winner !== null || this.hedges >= this.plan.max) return;
    const pick = this.host.takeHedge();
    if (pick === null) return;
    this.hedges++;
    this.start(pick);
  }

  private arm(): void {
    const { delayMs, max } = this.plan;
    if (this.hedges < max && delayMs !== Infinity) this.stopTimer = this.clock.after(delayMs, () => this.hedge());
  }

  private win(lane: Lane): void {
    this.winner = lane;
    this.stopTimer?.();
    this.stopTimer = null;
    this.plan.record(this.clock.now() - this.startMs);
    for (const other of this.lanes) {
      if (other === lane) continue;
      this.lanes.delete(other);
      other.handle?.cancel();
    }
    if (!lane.isFirst) this.host.onHedgeWon();
    if (lane.headers !== null) this.host.onHeaders(lane.headers);
  }

  private finish(): void {
    this.done = true;
    this.stopTimer?.();
    this.stopTimer = null;
  }
}

/** One of the attempts; what it says is kept until it wins. */
class Lane implements AttemptListener {
  readonly isFirst: boolean;
  handle: CallHandle | null = null;
  headers: FlatMetadata | null = null;
  private readonly group: HedgedAttempt;

  constructor(group: HedgedAttempt, isFirst: boolean) {
    this.group = group;
    this.isFirst = isFirst;
  }

  onHeaders(metadata: FlatMetadata): void {
    this.headers = metadata;
  }
  onMessage(bytes: Uint8Array, start: number, end: number): void {
    this.group.onMessage(this, bytes, start, end);
  }
  onWritable(): void {}
  /** Its instance gives no sign of life: no use in waiting. */
  onStalled(): void {
    this.group.hedge();
  }
  onEnd(end: AttemptEnd): void {
    this.group.onEnd(this, end);
  }
}
