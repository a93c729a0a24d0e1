import type { Clock } from "../../core/clock.ts";
import type { OutlierOptions } from "./options.ts";

/** Asks whether one more instance may be ejected now, and is told of ejections. */
export interface OutlierListener {
  readonly outlierOptions: OutlierOptions;
  mayEject(): boolean;
  onEjected(forMs: number): void;
  onReadmitted(): void;
}

/**
 * Passive health of one instance: failures in a row, or a failure rate that stands out from the others' (statistics.ts),
 * take it out for a second, doubling up to 30 s; each interval that it stays in halves that again. One that was taken
 * out is only passed over while there are others. Back again it is on trial until it answers well: one attempt at a
 * time, or each return of an instance that hangs would cost as many calls as fit there before the first of them reaches
 * its deadline.
 */
export class Outlier {
  /** Attempts judged in this interval, and those among them that speak against it. */
  total = 0;
  faults = 0;
  private readonly clock: Clock;
  private readonly listener: OutlierListener;
  /** In a row. */
  private failures = 0;
  private ejections = 0;
  private stopTimer: (() => void) | null = null;
  private isOnTrial = false;
  /** It was ejected for answers like those, not for giving none. */
  private isFaulty = false;
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
    return this.stopTimer === null && !(this.isOnTrial && this.pendingTrials > 0);
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
    this.total++;
    this.acquit();
  }

  /** It lives, and answers that something is wrong with it: a status that may be the request's fault as well. */
  faulted(): void {
    this.total++;
    this.faults++;
    if (this.isOnTrial && this.isFaulty) this.eject();
    else this.acquit();
  }

  /** It gave no answer, or UNAVAILABLE. */
  failed(): void {
    this.total++;
    this.faults++;
    this.failures++;
    const { consecutiveFailures } = this.listener.outlierOptions;
    if (this.isOnTrial || (consecutiveFailures > 0 && this.failures >= consecutiveFailures)) this.eject();
  }

  /** It stands out from the others in this interval. */
  standsOut(): void {
    this.isFaulty = true;
    this.eject();
  }

  /** An interval is over. */
  endInterval(): void {
    this.total = 0;
    this.faults = 0;
    if (!this.isEjected && this.ejections > 0) this.ejections--;
  }

  /** Ends its timer; nothing more is told. */
  close(): void {
    this.stopTimer?.();
    this.stopTimer = null;
  }

  private acquit(): void {
    this.failures = 0;
    // While it is out, answers are those of attempts that began before.
    if (!this.isEjected) this.isOnTrial = false;
  }

  private eject(): void {
    if (this.isEjected || !this.listener.mayEject()) return;
    const { baseEjectionMs, maxEjectionMs } = this.listener.outlierOptions;
    const forMs = Math.min(maxEjectionMs, baseEjectionMs * 2 ** this.ejections);
    if (forMs < maxEjectionMs) this.ejections++;
    this.isOnTrial = false;
    this.stopTimer = this.clock.after(forMs, () => {
      this.stopTimer = null;
      this.failures = 0;
      // The first answer decides, not the third.
      this.isOnTrial = true;
      this.listener.onReadmitted();
    });
    this.listener.onEjected(forMs);
  }
}
