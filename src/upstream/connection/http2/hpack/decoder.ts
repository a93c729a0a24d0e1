import { BlockMemo } from "./block-memo.ts";
import { DEFAULT_TABLE_BYTES, DynamicTable, ENTRY_OVERHEAD_BYTES } from "./dynamic-table.ts";
import { HpackError } from "./hpack-error.ts";
import { decodeHuffman } from "./huffman.ts";
import { FIRST_DYNAMIC_INDEX, STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

export interface HpackDecoderOptions {
  /** What we announce as SETTINGS_HEADER_TABLE_SIZE. */
  readonly maxTableBytes: number;
  /** Largest header list handed out: each header counts its name, its value and 32 bytes (RFC 9113 section 6.5.2). */
  readonly maxListBytes: number;
}

const NO_BYTES = new Uint8Array(0);

// An integer that needs more would be above any index and any block: 127 + 2^28 - 1 at most.
const MAX_CONTINUATION_BYTES = 4;

/**
 * Reads the header blocks of one connection (RFC 7541), in the order they arrived: every block, also those of streams
 * that are gone, or the table falls out of step.
 *
 * Memory is bounded by the table, the list limit and, for literals, the block itself, whose size the caller limits.
 */
export class HpackDecoder {
  private readonly maxTableBytes: number;
  private readonly maxListBytes: number;
  private readonly table: DynamicTable;
  private readonly memo = new BlockMemo();

  // The block being read: [at, end) is left of it.
  private bytes: Uint8Array = NO_BYTES;
  private at = 0;
  private end = 0;

  constructor({ maxTableBytes, maxListBytes }: HpackDecoderOptions) {
    this.maxTableBytes = maxTableBytes;
    this.maxListBytes = maxListBytes;
    this.table = new DynamicTable(maxTableBytes, Math.min(maxTableBytes, DEFAULT_TABLE_BYTES));
  }

  /**
   * The headers of a whole block at [start, end): `[name, value, …]`, latin1, in order; null where the list is larger
   * than the limit, which concerns that stream alone. A short block that repeats gives the same (frozen) array while
   * the table stands, so what was made of it can be kept by identity.
   *
   *     88 c0  ->  [":status", "200", "content-type", "application/grpc"]
   *
   * @throws HpackError after which the decoder must not be used any more
   */
  decode(bytes: Uint8Array, start: number, end: number): readonly string[] | null {
    const known = this.memo.find(bytes, start, end);
    if (known !== undefined) return known;
    const { table } = this;
    const { inserted, evicted, limit } = table;
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    const headers = this.readBlock();
    // The buffer is the socket's and must not be held.
    this.bytes = NO_BYTES;
    const isChanged = table.inserted !== inserted || table.evicted !== evicted || table.limit !== limit;
    if (isChanged) this.memo.clear();
    else if (headers !== null) this.memo.keep(headers);
    return headers;
  }

  private readBlock(): string[] | null {
    const { table } = this;
    let headers: string[] | null = [];
    let listBytes = 0;
    this.readSizeUpdates();
    while (this.at < this.end) {
      const first = this.bytes[this.at] ?? 0;
      let name: string;
      let value: string;
      if (first >= 0x80) {
        const index = this.readInteger(0x7f);
        if (index < FIRST_DYNAMIC_INDEX) {
          if (index === 0) throw new HpackError("index 0 is not used");
          name = STATIC_NAMES[index] ?? "";
          value = STATIC_VALUES[index] ?? "";
        } else {
          const entry = this.entryOf(index);
          name = table.nameAt(entry);
          value = table.valueAt(entry);
        }
      } else if (first >= 0x40) {
        name = this.readName(0x3f);
        value = this.readString();
        table.add(name, value);
      } else if (first < 0x20) {
        // Without indexing and never indexed differ for who would encode it again; nothing here does.
        name = this.readName(0x0f);
        value = this.readString();
      } else {
        throw new HpackError("table size update after a header");
      }
      listBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
      // Reading goes on to the end, for the table's sake. A block of single bytes that each name the largest entry
      // would otherwise grow a list four thousand times its size.
      if (listBytes > this.maxListBytes) headers = null;
      else headers?.push(name, value);
    }
    return headers;
  }

  private readSizeUpdates(): void {
    while (this.at < this.end && ((this.bytes[this.at] ?? 0) & 0xe0) === 0x20) {
      const bytes = this.readInteger(0x1f);
      if (bytes > this.maxTableBytes) {
        throw new HpackError(`table size update to ${bytes} bytes, at most ${this.maxTableBytes} allowed`);
      }
      this.table.setLimit(bytes);
    }
  }

  /** A literal's name: by index, or a string where the index is 0. */
  private readName(mask: number): string {
    const index = this.readInteger(mask);
    if (index === 0) return this.readString();
    return index < FIRST_DYNAMIC_INDEX ? (STATIC_NAMES[index] ?? "") : this.table.nameAt(this.entryOf(index));
  }

  private entryOf(index: number): number {
    const entry = this.table.inserted - 1 - (index - FIRST_DYNAMIC_INDEX);
    if (entry < this.table.evicted) throw new HpackError(`index ${index} is beyond the table`);
    return entry;
  }

  private readString(): string {
    if (this.at >= this.end) throw new HpackError("block ends where a string should begin");
    const isHuffman = (this.bytes[this.at] ?? 0) >= 0x80;
    const length = this.readInteger(0x7f);
    const start = this.at;
    const end = start + length;
    if (end > this.end) throw new HpackError(`string of ${length} bytes, ${this.end - start} are left of the block`);
    this.at = end;
    if (isHuffman) return decodeHuffman(this.bytes, start, end);
    return latin1(this.bytes, start, end);
  }

  /** RFC 7541 section 5.1; `mask` covers the prefix. The first byte is there. */
  private readInteger(mask: number): number {
    const { bytes, end } = this;
    let value = (bytes[this.at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 7 * MAX_CONTINUATION_BYTES; shift += 7) {
      if (this.at >= end) throw new HpackError("block ends within an integer");
      const byte = bytes[this.at++] ?? 0;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new HpackError(`integer of more than ${MAX_CONTINUATION_BYTES} continuation bytes`);
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (bytes instanceof Buffer) return bytes.latin1Slice(start, end);
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).latin1Slice();
}
