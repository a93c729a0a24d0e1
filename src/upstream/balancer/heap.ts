/** What a heap holds; in one heap at a time. */
export interface HeapEntry {
  /** What it is ordered by, the smallest first; not to be changed while it is in a heap. */
  key: number;
  /** Decides between equal keys, the smallest first. */
  readonly order: number;
  /** Its place in its heap; -1 while it is in none. */
  index: number;
}

/** A binary heap out of which any entry may be taken: `push`, `pop` and `delete` in O(log n). */
export class Heap<E extends HeapEntry> {
  private readonly entries: E[] = [];

  get size(): number {
    return this.entries.length;
  }

  /** The first, which stays in. */
  peek(): E | undefined {
    return this.entries[0];
  }

  push(entry: E): void {
    this.entries.push(entry);
    this.rise(entry, this.entries.length - 1);
  }

  pop(): E | undefined {
    const first = this.entries[0];
    if (first !== undefined) this.delete(first);
    return first;
  }

  has(entry: E): boolean {
    return this.entries[entry.index] === entry;
  }

  delete(entry: E): void {
    const { index } = entry;
    const last = this.entries.pop();
    entry.index = -1;
    if (last === undefined || last === entry) return;
    const parent = this.entries[(index - 1) >> 1];
    if (index > 0 && parent !== undefined && precedes(last, parent)) this.rise(last, index);
    else this.sink(last, index);
  }

  private rise(entry: E, from: number): void {
    const { entries } = this;
    let index = from;
    while (index > 0) {
      const parent = entries[(index - 1) >> 1] as E; // within the heap
      if (!precedes(entry, parent)) break;
      entries[index] = parent;
      parent.index = index;
      index = (index - 1) >> 1;
    }
    entries[index] = entry;
    entry.index = index;
  }

  private sink(entry: E, from: number): void {
    const { entries } = this;
    const count = entries.length;
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= count) break;
      let least = entries[child] as E; // within the heap
      const other = entries[child + 1];
      if (other !== undefined && precedes(other, least)) {
        least = other;
        child++;
      }
      if (!precedes(least, entry)) break;
      entries[index] = least;
      least.index = index;
      index = child;
    }
    entries[index] = entry;
    entry.index = index;
  }
}

function precedes(a: HeapEntry, b: HeapEntry): boolean {
  return a.key < b.key || (a.key === b.key && a.order < b.order);
}
