import type { Stream } from "./stream.ts";

const MIN_SLOTS = 256;
const MAX_SLOTS = 1 << 14;

/**
 * The open streams of a connection by their ids, which count up by twos. A slot per id modulo the size; an id whose slot
 * a longer-lived stream still has goes into a Map.
 *
 * Not a Map alone: each of V8's hash tables points to the one that replaced it, and a table that fills and empties is
 * replaced every few dozen calls. Once one of them is in V8's old space, its dead successors stay alive with all the
 * calls they ever held until the next full collection: scavenges of 12 ms instead of 0.5, at half the throughput.
 */
export class StreamTable {
  private slots: (Stream | null)[] = new Array<Stream | null>(MIN_SLOTS).fill(null);
  private ids = new Uint32Array(MIN_SLOTS);
  private readonly overflow = new Map<number, Stream>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(id: number): Stream | undefined {
    const slot = this.slotOf(id);
    if (this.ids[slot] === id) return this.slots[slot] ?? undefined;
    return this.overflow.size === 0 ? undefined : this.overflow.get(id);
  }

  /** `id` must be new. */
  set(id: number, stream: Stream): void {
    this.count++;
    if (this.count * 2 > this.slots.length && this.slots.length < MAX_SLOTS) this.grow();
    this.put(id, stream);
  }

  delete(id: number): void {
    const slot = this.slotOf(id);
    if (this.ids[slot] === id) {
      if (this.slots[slot] === null) return;
      this.slots[slot] = null;
      this.ids[slot] = 0;
    } else if (!this.overflow.delete(id)) return;
    this.count--;
  }

  /** A list of its own, in no order: streams may end while it is gone through. */
  values(): Stream[] {
    const live = this.slots.filter((stream) => stream !== null);
    return this.overflow.size === 0 ? live : [...live, ...this.overflow.values()];
  }

  private slotOf(id: number): number {
    return (id >>> 1) & (this.slots.length - 1);
  }

  private put(id: number, stream: Stream): void {
    const slot = this.slotOf(id);
    if (this.slots[slot] !== null) {
      this.overflow.set(id, stream);
      return;
    }
    this.slots[slot] = stream;
    this.ids[slot] = id;
  }

  private grow(): void {
    const { slots, ids } = this;
    this.slots = new Array<Stream | null>(slots.length * 2).fill(null);
    this.ids = new Uint32Array(slots.length * 2);
    slots.forEach((stream, slot) => {
      if (stream !== null) this.put(ids[slot] as number, stream); // as many ids as slots
    });
  }
}
