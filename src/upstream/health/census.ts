/** An instance as it is counted. */
export interface Counted {
  readonly isGood: boolean;
  isCountedGood: boolean;
  /** In the gateway's own zone. */
  readonly isLocal: boolean;
}

/**
 * How many of the listed instances are in good health, and whether that is so few that all that are connected are used:
 * those that are left could not carry the load of all (Envoy, "Panic threshold"). Counts changes only, so that nothing
 * is looked through.
 */
export class Census {
  good = 0;
  localGood = 0;
  isPanicking = false;
  /** Percent; 0: never. */
  threshold: number;
  private readonly onPanic: (isPanicking: boolean) => void;

  constructor(threshold: number, onPanic: (isPanicking: boolean) => void) {
    this.threshold = threshold;
    this.onPanic = onPanic;
  }

  /** Something about its health may be another now. */
  count(instance: Counted): void {
    this.set(instance, instance.isGood);
  }

  forget(instance: Counted): void {
    this.set(instance, false);
  }

  /** To be asked after changes. Where all that are ready are good there is nothing to use besides. */
  judge(listed: number, ready: number): void {
    const isPanicking = ready > this.good && this.good * 100 < listed * this.threshold;
    if (isPanicking === this.isPanicking) return;
    this.isPanicking = isPanicking;
    this.onPanic(isPanicking);
  }

  private set(instance: Counted, isGood: boolean): void {
    if (isGood === instance.isCountedGood) return;
    instance.isCountedGood = isGood;
    const change = isGood ? 1 : -1;
    this.good += change;
    if (instance.isLocal) this.localGood += change;
  }
}
