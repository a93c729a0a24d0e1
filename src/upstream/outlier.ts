import type { Clock } from "../core/clock.ts";

const FAILURES_TO_EJECT = 3;
const EJECTION_BASE_MS = 1_000;
const EJECTION_CAP_MS = 30_000;

/** Asks whether one more instance may be ejected now, and is told of ejections. */
export interface OutlierListener {
  mayEject(): boolean;
  onEjected(forMs: number): void;
  onReadmitted(): void;
}

/**
 * Passive health of one instance: three failures in a row take it out for a second, doubling up to 30 s as long as it
 * answers nothing well in between. One that was taken out is only passed over while there are others. Back again it is
 * on trial until it answers well: one attempt at a time, or each return of an instance that hangs would cost as many
 * calls as fit there before the first of them reaches its deadline.
 */
export class Outlier {
  private readonly clock: Clock;
  private readonly listener: OutlierListener;
  private failures = 0;
  private ejections = 0;
  private stopTimer: (() => void) | null = null;
  private isOnTrial = false;
  /** Attempts on trial without a sign of life yet. */
  private pendingTrials = 0;

  constructor(clock: Clock, listener: OutlierListener) {
    this.clock = clock;
    this.listener = listener;
  }

  get isEjected(): boolean {
    return this.stopTimer !== null;
  }

  /** Neither ejected nor waiting for the outcome of a trial. */
  get isHealthy(): boolean {
    return !this.isEjected && !(this.isOnTrial && this.pendingTrials > 0);
  }

  /** An attempt begins. Whether it is a trial: then `endTrial` is to be called once, at its first sign of life or its end. */
  beginAttempt(): boolean {
    if (this.isOnTrial) this.pendingTrials++;
    return this.isOnTrial;
  }

  endTrial(): void {
    this.pendingTrials--;
  }

  succeeded(): void {
    this.failures = 0;
    // While it is out, answers are those of attempts that began before.
    if (this.isEjected) return;
    this.ejections = 0;
    this.isOnTrial = false;
  }

  failed(): void {
    this.failures++;
    if (this.isEjected || this.failures < FAILURES_TO_EJECT || !this.listener.mayEject()) return;
    const forMs = Math.min(EJECTION_CAP_MS, EJECTION_BASE_MS * 2 ** this.ejections);
    this.ejections++;
    this.isOnTrial = false;
    this.stopTimer = this.clock.after(forMs, () => {
      this.stopTimer = null;
      // The first answer decides, not the third.
      this.failures = FAILURES_TO_EJECT - 1;
      this.isOnTrial = true;
      this.listener.onReadmitted();
    });
    this.listener.onEjected(forMs);
  }

  /** Ends its timer; nothing more is told. */
  close(): void {
    this.stopTimer?.();
    this.stopTimer = null;
  }
}
