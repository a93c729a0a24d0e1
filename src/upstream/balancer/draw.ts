import type { Random } from "../../core/random.ts";
import { BEST_RANK, rankOf, shareOf, type Candidate } from "./balancer.ts";
import type { Ramp } from "./slow-start.ts";

/** What a draw holds of a candidate. */
export interface DrawEntry<C> {
  readonly candidate: C;
  /** How likely it is drawn, in proportion to the others. */
  share: number;
  /** Its place in the draw. */
  index: number;
}

// Tries by lot before all are looked at. With half of them in bad health that happens once in 256 picks.
const TRIES = 8;

/**
 * The ready instances in no order, to be drawn from in proportion to their shares: in O(log n), and in O(1) where these
 * are equal.
 */
export class Draw<C extends Candidate, E extends DrawEntry<C>> {
  private readonly random: Random;
  private readonly entries: E[] = [];
  private readonly byCandidate = new Map<C, E>();
  /** Sums of shares up to each entry; null while they are all equal. */
  private sums: Float64Array | null = null;
  private isStale = false;
  private readonly ramp: Ramp | null;

  constructor(random: Random, ramp: Ramp | null = null) {
    this.random = random;
    this.ramp = ramp;
  }

  get size(): number {
    return this.entries.length;
  }

  [Symbol.iterator](): Iterator<E> {
    return this.entries[Symbol.iterator]();
  }

  has(candidate: C): boolean {
    return this.byCandidate.has(candidate);
  }

  get(candidate: C): E | undefined {
    return this.byCandidate.get(candidate);
  }

  add(entry: E): void {
    entry.index = this.entries.length;
    this.entries.push(entry);
    this.byCandidate.set(entry.candidate, entry);
    this.ramp?.add(entry.candidate);
    this.isStale = true;
  }

  remove(candidate: C): void {
    const entry = this.byCandidate.get(candidate);
    const last = this.entries.at(-1);
    if (entry === undefined || last === undefined) return;
    this.byCandidate.delete(candidate);
    this.ramp?.remove(candidate);
    this.entries[entry.index] = last;
    last.index = entry.index;
    this.entries.pop();
    this.isStale = true;
  }

  change(candidate: C): void {
    const entry = this.byCandidate.get(candidate);
    if (entry === undefined || entry.share === shareOf(candidate)) return;
    entry.share = shareOf(candidate);
    this.isStale = true;
  }

  /** What it gets of its share. */
  rampOf({ candidate }: E): number {
    return this.ramp === null ? 1 : this.ramp.of(candidate);
  }

  /** One of the best class (`rankOf`), other than `except`; undefined where there is no other. */
  draw(tried: readonly string[], except?: E): E | undefined {
    const { entries } = this;
    if (entries.length === 1) return entries[0] === except ? undefined : entries[0];
    for (let i = 0; i < TRIES; i++) {
      const entry = this.drawAny();
      if (entry === undefined || entry === except || rankOf(entry.candidate, tried) < BEST_RANK) continue;
      if (this.ramp === null || this.random() < this.ramp.of(entry.candidate)) return entry;
    }
    return this.drawOfBest(tried, except);
  }

  private drawAny(): E | undefined {
    if (this.isStale) this.sum();
    const { entries, sums } = this;
    if (sums === null) return entries[Math.floor(this.random() * entries.length)];
    const at = this.random() * (sums[entries.length - 1] ?? 0);
    let low = 0;
    let high = entries.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) > at) high = middle;
      else low = middle + 1;
    }
    return entries[low];
  }

  private drawOfBest(tried: readonly string[], except: E | undefined): E | undefined {
    let best = -1;
    let total = 0;
    let chosen: E | undefined;
    for (const entry of this.entries) {
      if (entry === except) continue;
      const rank = rankOf(entry.candidate, tried);
      if (rank < best) continue;
      if (rank > best) {
        best = rank;
        total = 0;
      }
      const share = entry.share * this.rampOf(entry);
      total += share;
      if (this.random() * total < share) chosen = entry;
    }
    return chosen;
  }

  private sum(): void {
    this.isStale = false;
    const { entries } = this;
    const first = entries[0]?.share;
    if (entries.every(({ share }) => share === first)) {
      this.sums = null;
      return;
    }
    if (this.sums === null || this.sums.length < entries.length) this.sums = new Float64Array(2 * entries.length);
    let total = 0;
    for (const [index, entry] of entries.entries()) {
      total += entry.share;
      this.sums[index] = total;
    }
  }
}
