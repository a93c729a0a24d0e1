// Larger than what fits the read buffer: room is made as bytes arrive, so that a length prefix that lies costs nothing.
const MAX_FIRST_BYTES = 1 << 16;
const MIN_BYTES = 1 << 10;

/** Bytes of a reply that could not be handed on at once: the beginning of a message, or what a paused owner left. */
export class Inbox {
  bytes: Buffer;
  start = 0;
  end = 0;

  /** `expectedBytes` is what will be needed in all, where known. */
  constructor(expectedBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(Math.min(Math.max(expectedBytes, MIN_BYTES), MAX_FIRST_BYTES));
  }

  get length(): number {
    return this.end - this.start;
  }

  get isEmpty(): boolean {
    return this.start === this.end;
  }

  /** Makes it new, once all is read; false where it has grown so large that it should rather be let go. */
  reset(): boolean {
    this.start = this.end = 0;
    return this.bytes.length <= MAX_FIRST_BYTES;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    const added = end - start;
    if (this.end + added > this.bytes.length) this.makeRoom(added);
    this.bytes.set(bytes.subarray(start, end), this.end);
    this.end += added;
  }

  private makeRoom(added: number): void {
    const { bytes, start, end, length } = this;
    const needed = length + added;
    // Moved to the front where that frees half, so that each byte is moved once on average.
    if (needed * 2 <= bytes.length) bytes.copyWithin(0, start, end);
    else {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2));
      larger.set(bytes.subarray(start, end));
      this.bytes = larger;
    }
    this.start = 0;
    this.end = length;
  }
}
