/**
 * Guesses a member's name by the name before it: a client writes the members of a type in one order. What was right
 * last time is compared eight bytes at a time; nothing is scanned, hashed or looked up. On bench/micro, names took
 * half of the time before.
 */
export class NameGuess {
  /** By name: its length with both quotes; 0 for one that is not guessed. */
  private readonly lengths: Int32Array;
  /** By name: where its words begin in `words`. */
  private readonly starts: Int32Array;
  /** Eight bytes a word, as doubles; of a name that is shorter, nothing. */
  private readonly words: Float64Array;
  /** By name, for those of less than eight bytes: the first four and the last four; of three bytes, these. */
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  /** Which name came behind this one, by its index + 1; at 0, which came first. */
  private readonly next: Int32Array;

  constructor(names: readonly string[]) {
    const quoted = names.map((name) => Buffer.from(JSON.stringify(name)));
    this.lengths = Int32Array.from(quoted, (bytes, index) => (isGuessed(bytes, names[index] ?? "") ? bytes.length : 0));
    this.starts = new Int32Array(names.length);
    this.first = Int32Array.from(quoted, (bytes) =>
      bytes.length < 4 ? bytes.readUIntLE(0, bytes.length) : bytes.readInt32LE(),
    );
    this.last = Int32Array.from(quoted, (bytes) => (bytes.length < 4 ? 0 : bytes.readInt32LE(bytes.length - 4)));
    this.next = new Int32Array(names.length + 1);
    const words: number[] = [];
    quoted.forEach((bytes, index) => {
      this.starts[index] = words.length;
      for (let at = 0; at + 8 < bytes.length; at += 8) words.push(bytes.readDoubleLE(at));
      // The last eight overlap those before.
      if (bytes.length >= 8) words.push(bytes.readDoubleLE(bytes.length - 8));
    });
    this.words = Float64Array.from(words);
  }

  /** The name that is to be expected behind the one of index `before`; -1: at an object's start. */
  behind(before: number): number {
    return this.next[before + 1] as number;
  }

  /** Takes note of what came behind. */
  learn(before: number, name: number): void {
    this.next[before + 1] = name;
  }

  /** How many bytes from `at` on are the name, quotes and all; 0 where they are not. Up to eight bytes more are read. */
  match(text: DataView, at: number, name: number): number {
    const length = this.lengths[name] as number;
    if (length >= 8) {
      const words = this.words;
      let word = this.starts[name] as number;
      const last = at + length - 8;
      for (; at < last; at += 8) if (text.getFloat64(at, true) !== words[word++]) return 0;
      return text.getFloat64(last, true) === words[word] ? length : 0;
    }
    if (length >= 4) {
      if (text.getInt32(at, true) !== this.first[name]) return 0;
      return text.getInt32(at + length - 4, true) === this.last[name] ? length : 0;
    }
    return length === 3 && (text.getInt32(at, true) & 0xffffff) === this.first[name] ? length : 0;
  }
}

/** Escapes have several forms; and eight bytes that are not ASCII may be NaN, which equals nothing. */
function isGuessed(quoted: Buffer, name: string): boolean {
  return quoted.length > 2 && quoted.length === name.length + 2 && quoted.every((byte) => byte < 127);
}
