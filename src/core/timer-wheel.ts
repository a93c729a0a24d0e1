const TICK_MS = 10;
// A power of two; together 10.24 s, so that an entry's slot comes round once.
const SLOTS = 1024;
/** Shorter ones want better than a tick; longer ones are rare and would keep the wheel turning. */
const MIN_MS = 2 * TICK_MS;
const MAX_MS = (SLOTS - 2) * TICK_MS;

/** What a clock is (clock.ts, which builds on this file). */
interface Timers {
  now(): number;
  after(ms: number, fn: () => void): () => void;
}

interface Entry {
  fn: (() => void) | null;
  /** The tick at which it fires. */
  readonly due: number;
  /** Its place in its slot; -1 once it was taken out to be fired. */
  index: number;
}

/**
 * A clock whose timers of 20 ms to 10 s cost next to nothing to set and to take back: nearly every deadline is taken
 * back. They fire up to a tick (10 ms) late, never early. One timer of `base` drives the wheel while it holds any.
 *
 * With one of Node's timers per call, V8 promoted each call's objects: at 13,000 requests a second every scavenge took
 * 8 ms and freed little; with the wheel 0.9 ms (bench/README.md, "What was tried").
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
    const entry: Entry = { fn, due: Math.ceil((now + ms) / TICK_MS), index: 0 };
    this.put(entry);
    return () => this.remove(entry);
  }

  private put(entry: Entry): void {
    const entries = this.slotOf(entry.due);
    entry.index = entries.length;
    entries.push(entry);
    this.size++;
  }

  private remove(entry: Entry): void {
    if (entry.fn === null) return;
    entry.fn = null;
    if (entry.index < 0) return;
    this.size--;
    const entries = this.slotOf(entry.due);
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
    for (let tick = from; tick <= until; tick++) this.fire(tick, until);
    if (this.size > 0) this.base.after(TICK_MS, this.turn);
    else this.turning = false;
  };

  private fire(tick: number, until: number): void {
    const entries = this.slotOf(tick);
    if (entries.length === 0) return;
    this.slots[tick & (SLOTS - 1)] = [];
    this.size -= entries.length;
    for (const entry of entries) entry.index = -1;
    for (const entry of entries) {
      const { fn } = entry;
      // An earlier one of the slot has taken it back.
      if (fn === null) continue;
      if (entry.due > until) {
        // Set while the process stood still, a round ahead of what was to be looked at.
        this.put(entry);
        continue;
      }
      entry.fn = null;
      fn();
    }
  }
}
