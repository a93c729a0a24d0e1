// Enough for what is in flight on one instance that hangs.
const START = 100;
const CAP = 1_000;
const SHARE = 0.1;

/**
 * How many attempts may be moved away from instances that give no sign of life: a tenth of what is answered, and some
 * to start with. Instances whose handlers block for long look hung one after the other, and without a limit each of
 * their calls would be made three times (gRFC A6, "Throttling Retry Attempts and Hedged RPCs").
 */
export class MoveBudget {
  private tokens = START;

  get isSpent(): boolean {
    return this.tokens < 1;
  }

  /** An attempt was answered. */
  earn(): void {
    if (this.tokens < CAP) this.tokens += SHARE;
  }

  /** An attempt was moved. */
  spend(): void {
    this.tokens--;
  }
}
