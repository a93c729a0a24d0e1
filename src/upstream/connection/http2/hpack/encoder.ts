import { DEFAULT_TABLE_BYTES, DynamicTable, ENTRY_OVERHEAD_BYTES } from "./dynamic-table.ts";
import { HeaderName } from "./header-name.ts";
import { FIRST_DYNAMIC_INDEX } from "./static-table.ts";
import { Turnover } from "./turnover.ts";
import {
  INDEXED,
  LITERAL,
  LITERAL_INDEXED,
  LITERAL_NEVER_INDEXED,
  MAX_LENGTH_BYTES,
  MAX_SHORT_INTEGER_BYTES,
  SIZE_UPDATE,
  writeInteger,
  writeString,
} from "./write.ts";

/** Headers that one encoder knows how to write at once; only `maxBytes` concerns the caller. */
export interface PreparedHeaders {
  /** Room that `encodePrepared` needs. */
  readonly maxBytes: number;
  readonly fields: readonly PreparedField[];
  /** What was written last, `blockLength` bytes, while the encoder's table was at `version`. */
  readonly block: Uint8Array;
  blockLength: number;
  version: number;
  /** Whether it waits for a better time to enter the table. */
  isHeldBack: boolean;
}

interface PreparedField {
  readonly name: HeaderName;
  readonly value: string;
}

// Two size updates, the least and the last (RFC 7541 section 4.2).
const MAX_PREAMBLE_BYTES = 2 * MAX_SHORT_INTEGER_BYTES;

// A literal of a new name is the longest form: one byte and two strings.
const MAX_HEADER_OVERHEAD_BYTES = 1 + 2 * MAX_LENGTH_BYTES;

// An entry of more would push out what many calls use for the sake of one.
const MAX_TABLE_SHARE_RATIO = 1 / 4;

// Names that clients chose, and how long one may be: what they can make a connection remember. Forgetting a name costs
// some bytes.
const MAX_STRANGE_NAMES = 64;
const MAX_STRANGE_NAME_LENGTH = 256;

// Up to here a loop is faster than `set`, which wants a view first (bench/micro/hpack.bench.ts).
const SHORT_BLOCK_BYTES = 32;

/**
 * Writes the header blocks of one connection's requests (RFC 7541), in the order they are sent.
 *
 * A block is one call of `encode`, or one of `encodePrepared` and then one of `encode` with nothing between them. Names
 * are lower-case and values latin1. What was encoded has to be sent: the peer's table depends on it.
 */
export class HpackEncoder {
  /** Room that `encode` needs. */
  static maxEncodedBytes(headers: readonly string[]): number {
    let bytes = MAX_PREAMBLE_BYTES + (headers.length >>> 1) * MAX_HEADER_OVERHEAD_BYTES;
    for (let i = 0; i < headers.length; i++) bytes += headers[i]?.length ?? 0;
    return bytes;
  }

  private readonly names = new Map<string, HeaderName>();
  private strangeNames = 0;
  private readonly table: DynamicTable;
  /** Changes with the table. */
  private version = 0;

  // What the peer was told last, and the least that the limit has been since.
  private toldLimit = DEFAULT_TABLE_BYTES;
  private leastLimit = DEFAULT_TABLE_BYTES;
  private isLimitToBeTold = false;

  // Each has its own, so that neither many paths nor much metadata keeps the other out.
  private readonly preparedTurnover = new Turnover();
  private readonly otherTurnover = new Turnover();
  private isHeldBack = false;

  constructor() {
    this.table = new DynamicTable(DEFAULT_TABLE_BYTES, DEFAULT_TABLE_BYTES, (name, value) => {
      this.names.get(name)?.values.delete(value);
    });
  }

  /**
   * The peer's SETTINGS_HEADER_TABLE_SIZE; to be called before the settings are acknowledged. No more than 4,096 bytes
   * are used. The next block tells the peer.
   */
  setPeerTableSize(bytes: number): void {
    const limit = Math.min(bytes, DEFAULT_TABLE_BYTES);
    if (limit === this.table.limit) return;
    this.table.setLimit(limit);
    this.leastLimit = Math.min(this.leastLimit, limit);
    this.isLimitToBeTold = true;
    this.version++;
  }

  /**
   * Writes `headers` (`[name, value, …]`) to `out` from `at` and gives the offset behind them. `out` needs
   * `maxEncodedBytes` of room.
   */
  encode(headers: readonly string[], out: Buffer, at: number): number {
    if (this.isLimitToBeTold) at = this.tellLimit(out, at);
    this.otherTurnover.beginCall();
    for (let i = 0; i + 1 < headers.length; i += 2) {
      at = this.writeHeader(this.nameOf(headers[i] ?? ""), headers[i + 1] ?? "", out, at);
    }
    return at;
  }

  /** For headers that many requests repeat, such as a route's; each gets an entry but secrets. */
  prepare(headers: readonly string[]): PreparedHeaders {
    const fields: PreparedField[] = [];
    for (let i = 0; i + 1 < headers.length; i += 2) {
      fields.push({ name: this.keptNameOf(headers[i] ?? ""), value: headers[i + 1] ?? "" });
    }
    const maxBytes = HpackEncoder.maxEncodedBytes(headers);
    const block = new Uint8Array(maxBytes);
    return { maxBytes, fields, block, blockLength: 0, version: -1, isHeldBack: false };
  }

  /** As `encode`, for what this encoder has prepared. `out` needs `prepared.maxBytes` of room. */
  encodePrepared(prepared: PreparedHeaders, out: Buffer, at: number): number {
    if (this.isLimitToBeTold) at = this.tellLimit(out, at);
    this.preparedTurnover.beginCall();
    const { version } = this;
    const { block } = prepared;
    if (prepared.version === version && !(prepared.isHeldBack && this.preparedTurnover.isAllowed)) {
      const length = prepared.blockLength;
      if (length > SHORT_BLOCK_BYTES) out.set(block.subarray(0, length), at);
      else for (let i = 0; i < length; i++) out[at + i] = block[i] ?? 0;
      return at + length;
    }
    const start = at;
    this.isHeldBack = false;
    for (const { name, value } of prepared.fields) at = this.writePreparedHeader(name, value, out, at);
    if (this.version === version) {
      for (let i = start; i < at; i++) block[i - start] = out[i] ?? 0;
      prepared.blockLength = at - start;
      prepared.version = version;
      prepared.isHeldBack = this.isHeldBack;
    }
    return at;
  }

  private tellLimit(out: Buffer, at: number): number {
    const { limit } = this.table;
    const { leastLimit } = this;
    if (leastLimit < this.toldLimit) at = writeInteger(out, at, SIZE_UPDATE, 0x1f, leastLimit);
    if (limit > leastLimit) at = writeInteger(out, at, SIZE_UPDATE, 0x1f, limit);
    this.toldLimit = limit;
    this.leastLimit = limit;
    this.isLimitToBeTold = false;
    return at;
  }

  private nameOf(text: string): HeaderName {
    const known = this.names.get(text);
    if (known !== undefined) return known;
    const name = new HeaderName(text);
    if (!name.isKept) {
      if (text.length > MAX_STRANGE_NAME_LENGTH) return name;
      if (this.strangeNames === MAX_STRANGE_NAMES) this.forgetStrangeNames();
      this.strangeNames++;
    }
    this.names.set(text, name);
    return name;
  }

  /** One that prepared headers may hold on to: where it were forgotten, it would not hear of its entries' end. */
  private keptNameOf(text: string): HeaderName {
    const name = this.nameOf(text);
    if (name.isKept) return name;
    if (this.names.has(text)) this.strangeNames--;
    this.names.set(text, name);
    name.isKept = true;
    return name;
  }

  private forgetStrangeNames(): void {
    for (const [text, { isKept }] of this.names) if (!isKept) this.names.delete(text);
    this.strangeNames = 0;
  }

  private writeHeader(name: HeaderName, value: string, out: Buffer, at: number): number {
    // Only of the other two does any table hold a whole header that comes again.
    const isLookedUp = name.policy === "always" || name.policy === "learned";
    const place = isLookedUp ? name.values.get(value) : undefined;
    if (place !== undefined) return this.writeIndexed(place, out, at);
    const isNameInTable = name.staticIndex !== 0 || name.newestEntry >= this.table.evicted;
    const isIndexed =
      this.isSmallEnough(name, value) &&
      name.isWorthAnEntry(value, isNameInTable) &&
      this.mayInsert(name, value, this.otherTurnover);
    return this.writeLiteral(name, value, isIndexed, out, at);
  }

  private writePreparedHeader(name: HeaderName, value: string, out: Buffer, at: number): number {
    const place = name.values.get(value);
    if (place !== undefined) return this.writeIndexed(place, out, at);
    const isIndexed =
      name.policy !== "never" && this.isSmallEnough(name, value) && this.mayInsert(name, value, this.preparedTurnover);
    return this.writeLiteral(name, value, isIndexed, out, at);
  }

  private isSmallEnough(name: HeaderName, value: string): boolean {
    return entryBytes(name, value) <= this.table.limit * MAX_TABLE_SHARE_RATIO;
  }

  private mayInsert(name: HeaderName, value: string, turnover: Turnover): boolean {
    if (this.table.bytes + entryBytes(name, value) <= this.table.limit) return true;
    if (!turnover.isAllowed) {
      this.isHeldBack = true;
      return false;
    }
    turnover.countReplaced();
    return true;
  }

  private writeIndexed(place: number, out: Buffer, at: number): number {
    return writeInteger(out, at, INDEXED, 0x7f, place < 0 ? -place : this.indexOf(place));
  }

  private writeLiteral(name: HeaderName, value: string, isIndexed: boolean, out: Buffer, at: number): number {
    let index = name.staticIndex;
    if (index === 0 && name.newestEntry >= this.table.evicted) index = this.indexOf(name.newestEntry);
    if (isIndexed) at = writeInteger(out, at, LITERAL_INDEXED, 0x3f, index);
    else {
      const first = name.policy === "never" ? LITERAL_NEVER_INDEXED : LITERAL;
      at = writeInteger(out, at, first, 0x0f, index);
    }
    if (index === 0) at = writeString(out, at, name.text);
    if (isIndexed) this.insert(name, value);
    return writeString(out, at, value);
  }

  private insert(name: HeaderName, value: string): void {
    const entry = this.table.inserted;
    this.table.add(name.text, value);
    name.values.set(value, entry);
    name.newestEntry = entry;
    this.version++;
  }

  private indexOf(entry: number): number {
    return FIRST_DYNAMIC_INDEX + this.table.inserted - 1 - entry;
  }
}

function entryBytes(name: HeaderName, value: string): number {
  return name.text.length + value.length + ENTRY_OVERHEAD_BYTES;
}
