interface Waiter {
  readonly ready: () => void;
  isGone: boolean;
}

/** Calls that wait for a ready instance, first come first woken. */
export class WaitQueue {
  private waiters = new Set<Waiter>();

  get size(): number {
    return this.waiters.size;
  }

  /** `ready` is called once, later; the result takes it back. */
  add(ready: () => void): () => void {
    const waiter: Waiter = { ready, isGone: false };
    this.waiters.add(waiter);
    return () => {
      waiter.isGone = true;
      this.waiters.delete(waiter);
    };
  }

  /** Wakes those that wait now; one that finds nothing and waits again is not woken twice. */
  wake(): void {
    const woken = this.waiters;
    this.waiters = new Set();
    for (const waiter of woken) if (!waiter.isGone) waiter.ready();
  }
}
