import { BEST_RANK, rankOf, type Balancer, type Candidate } from "./balancer.ts";
import { Heap, type HeapEntry } from "./heap.ts";
import type { Ramp } from "./slow-start.ts";

interface Entry<C> extends HeapEntry {
  readonly candidate: C;
  share: number;
  /** Its next turn on the virtual clock: not before `start`, and due by `finish`. */
  start: number;
  finish: number;
  /** What it has saved up of turns, during a slow start. */
  credit: number;
}

// Those in bad health that one pick passes over before it looks at all.
const MAX_PASSED = 8;

/**
 * Each instance in its turn, in exact proportion to `shareOf` and as evenly spread as can be: with shares 5, 1 and 1
 * a b a a c a a, where plain weighted turns would come in a row. WF2Q+ (Bennett and Zhang, "Hierarchical Packet Fair
 * Queueing Algorithms", 1997): of those whose turn has begun on a clock that runs as picks are made, the one that is due
 * first. Whoever joins starts at the present, so others keep their order when the set changes, and whoever was passed
 * over, ejected for one, does not make up for it in a burst. During a slow start only some of its turns are taken. A
 * pick takes O(log n).
 */
export function createRoundRobin<C extends Candidate>(
  shareOf: (candidate: C) => number,
  ramp: Ramp | null = null,
): Balancer<C> {
  return new RoundRobin(shareOf, ramp);
}

class RoundRobin<C extends Candidate> implements Balancer<C> {
  private readonly shareOf: (candidate: C) => number;
  private readonly ramp: Ramp | null;
  private readonly entries = new Map<C, Entry<C>>();
  /** Those whose turn has begun, by `finish`. */
  private readonly begun = new Heap<Entry<C>>();
  /** The others, by `start`. */
  private readonly ahead = new Heap<Entry<C>>();
  private present = 0;
  private total = 0;
  private added = 0;

  constructor(shareOf: (candidate: C) => number, ramp: Ramp | null) {
    this.shareOf = shareOf;
    this.ramp = ramp;
  }

  add(candidate: C): void {
    const share = this.shareOf(candidate);
    const order = this.added++;
    const entry: Entry<C> = { candidate, share, start: this.present, finish: 0, credit: 0, key: 0, order, index: -1 };
    this.entries.set(candidate, entry);
    this.ramp?.add(candidate);
    this.total += share;
    this.queue(entry);
  }

  remove(candidate: C): void {
    const entry = this.entries.get(candidate);
    if (entry === undefined) return;
    this.entries.delete(candidate);
    this.ramp?.remove(candidate);
    this.total = this.entries.size === 0 ? 0 : this.total - entry.share;
    this.unqueue(entry);
  }

  change(candidate: C): void {
    const entry = this.entries.get(candidate);
    if (entry === undefined) return;
    const share = this.shareOf(candidate);
    this.total += share - entry.share;
    entry.share = share;
    this.unqueue(entry);
    this.queue(entry);
  }

  pick(tried: readonly string[]): C | null {
    let passed: Entry<C>[] | null = null;
    let chosen = this.next();
    while (chosen !== undefined && (rankOf(chosen.candidate, tried) < BEST_RANK || !this.isDue(chosen))) {
      (passed ??= []).push(chosen);
      chosen = passed.length > MAX_PASSED ? undefined : this.next();
    }
    if (passed !== null) chosen = this.passOver(passed, chosen, tried);
    if (chosen === undefined) return null;
    this.serve(chosen);
    this.present += 1 / this.total;
    return chosen.candidate;
  }

  /** Gives back the turns of `passed`, and finds one that is worth a turn where none came after them. */
  private passOver(passed: Entry<C>[], found: Entry<C> | undefined, tried: readonly string[]): Entry<C> | undefined {
    const chosen = found ?? this.bestOfAll(tried);
    const isBest = chosen !== undefined && rankOf(chosen.candidate, tried) === BEST_RANK;
    for (const entry of passed) {
      // A turn that was only not this call's to take is not lost; any other is, or each pick would pass over it again.
      if (isBest && !tried.includes(entry.candidate.endpoint)) this.serve(entry);
      else this.queue(entry);
    }
    if (chosen !== undefined && found === undefined) this.unqueue(chosen);
    return chosen;
  }

  /** Takes out the one that is due first. */
  private next(): Entry<C> | undefined {
    let first = this.ahead.peek();
    if (first !== undefined && this.begun.size === 0 && first.start > this.present) this.present = first.start;
    while (first !== undefined && first.start <= this.present) {
      this.ahead.delete(first);
      first.key = first.finish;
      this.begun.push(first);
      first = this.ahead.peek();
    }
    return this.begun.pop();
  }

  /** Its turn is over; the next one begins where this one was due. */
  private serve(entry: Entry<C>): void {
    entry.start = entry.finish;
    this.queue(entry);
  }

  private isDue(entry: Entry<C>): boolean {
    if (this.ramp === null) return true;
    entry.credit += this.ramp.of(entry.candidate);
    if (entry.credit < 1) return false;
    entry.credit -= 1;
    return true;
  }

  private queue(entry: Entry<C>): void {
    entry.finish = entry.start + 1 / entry.share;
    const hasBegun = entry.start <= this.present;
    entry.key = hasBegun ? entry.finish : entry.start;
    (hasBegun ? this.begun : this.ahead).push(entry);
  }

  private unqueue(entry: Entry<C>): void {
    (this.begun.has(entry) ? this.begun : this.ahead).delete(entry);
  }

  private bestOfAll(tried: readonly string[]): Entry<C> | undefined {
    let best: Entry<C> | undefined;
    let bestRank = -1;
    for (const entry of this.entries.values()) {
      const rank = rankOf(entry.candidate, tried);
      if (best !== undefined && (rank < bestRank || (rank === bestRank && entry.finish >= best.finish))) continue;
      best = entry;
      bestRank = rank;
    }
    return best;
  }
}
