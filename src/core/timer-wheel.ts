const TICK_MS = 10;
// A power of two; together 10.24 s, so that an entry's slot comes round once.
const SLOTS = 1024;
/** Shorter ones do not pass through a slot; longer ones are rare and would keep the wheel turning. */
const MIN_MS = 4 * TICK_MS;
const MAX_MS = (SLOTS - 2) * TICK_MS;

/** What a clock is (clock.ts, which builds on this file). */
interface Timers {
  now(): number;
  after(ms: number, fn: () => void): () => void;
}

interface Entry {
  fn: (() => void) | null;
  /** When it fires, ms. */
  readonly atMs: number;
  /** The tick at which the base takes it over. */
  readonly tick: number;
  /** Its place in its slot; -1 once it was taken out. */
  index: number;
  /** Takes it back from the base. */
  cancel: (() => void) | null;
}

/**
 * A clock whose timers of 40 ms to 10 s cost next to nothing to set and to take back: nearly every deadline is taken
 * back. For its last two ticks a timer goes to `base`, so it is as exact as that. One more timer of `base` drives the
 * wheel while it holds any.
 *
 * A deadline per call on Node's own timers cost 3 to 5 % of a small request's CPU time.
 */
export class TimerWheel implements Timers {
  private readonly base: Timers;
  // Arrays, and not lists linked through the entries: a dead entry that V8 has promoted must not hold a young one.
  private readonly slots: Entry[][] = Array.from({ length: SLOTS }, () => []);
  private size = 0;
  private turning = false;
  /** The last tick that was looked at; ticks count from the base's origin. */
  private tick = 0;

  constructor(base: Timers) {
    this.base = base;
  }

  now(): number {
    return this.base.now();
  }

  after(ms: number, fn: () => void): () => void {
    if (!(ms >= MIN_MS && ms <= MAX_MS)) return this.base.after(ms, fn);
    const now = this.base.now();
    if (!this.turning) {
      this.turning = true;
      this.tick = Math.floor(now / TICK_MS);
      this.base.after(TICK_MS, this.turn);
    }
    const atMs = now + ms;
    // A tick may be looked at up to one tick late; the second is for the base to be exact in.
    const entry: Entry = { fn, atMs, tick: Math.floor(atMs / TICK_MS) - 2, index: 0, cancel: null };
    this.put(entry);
    return () => this.remove(entry);
  }

  private put(entry: Entry): void {
    const entries = this.slotOf(entry.tick);
    entry.index = entries.length;
    entries.push(entry);
    this.size++;
  }

  private remove(entry: Entry): void {
    if (entry.fn === null) return;
    entry.fn = null;
    if (entry.index < 0) {
      entry.cancel?.();
      return;
    }
    this.size--;
    const entries = this.slotOf(entry.tick);
    const last = entries.pop();
    if (last === undefined || last === entry) return;
    entries[entry.index] = last;
    last.index = entry.index;
  }

  private slotOf(tick: number): Entry[] {
    return this.slots[tick & (SLOTS - 1)] as Entry[]; // the mask keeps it within
  }

  private readonly turn = (): void => {
    const until = Math.floor(this.base.now() / TICK_MS);
    // After a pause longer than a round each slot is looked at once: all it holds is due.
    const from = Math.max(this.tick + 1, until - SLOTS + 1);
    this.tick = until;
    for (let tick = from; tick <= until; tick++) this.handOver(tick, until);
    if (this.size > 0) this.base.after(TICK_MS, this.turn);
    else this.turning = false;
  };

  private handOver(tick: number, until: number): void {
    const entries = this.slotOf(tick);
    if (entries.length === 0) return;
    this.slots[tick & (SLOTS - 1)] = [];
    this.size -= entries.length;
    const now = this.base.now();
    for (const entry of entries) {
      if (entry.tick > until) {
        // Set while the process stood still, a round ahead of what was to be looked at.
        this.put(entry);
        continue;
      }
      entry.index = -1;
      entry.cancel = this.base.after(entry.atMs - now, () => {
        const { fn } = entry;
        entry.fn = null;
        fn?.();
      });
    }
  }
}
