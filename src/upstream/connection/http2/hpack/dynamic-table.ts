/** What an entry costs beyond its name and value (RFC 7541 section 4.1), and a header in a list (RFC 9113 section 6.5.2). */
export const ENTRY_OVERHEAD_BYTES = 32;

/** Size of the table on a connection that has said nothing about it (RFC 9113 section 6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;

/**
 * The dynamic table of RFC 7541 section 2.3.2, as a ring: adding and evicting move no entry.
 *
 * Entries are numbered in the order they were added, from 0; number `n` lives while `evicted <= n < inserted`. Names
 * and values are latin1, so that their lengths are bytes.
 */
export class DynamicTable {
  /** How many were ever added. */
  inserted = 0;
  /** How many were ever evicted. */
  evicted = 0;
  /** What the living entries cost; never above `limit`. */
  bytes = 0;
  limit: number;

  private readonly names: string[];
  private readonly values: string[];
  private readonly mask: number;
  private readonly onEvict: ((name: string, value: string) => void) | undefined;

  /** `maxBytes` is the highest limit there will be; `onEvict` hears of each entry that goes. */
  constructor(maxBytes: number, limit: number, onEvict?: (name: string, value: string) => void) {
    const maxEntries = Math.max(1, Math.floor(maxBytes / ENTRY_OVERHEAD_BYTES));
    const capacity = 2 ** Math.ceil(Math.log2(maxEntries));
    this.names = new Array<string>(capacity).fill("");
    this.values = new Array<string>(capacity).fill("");
    this.mask = capacity - 1;
    this.limit = limit;
    this.onEvict = onEvict;
  }

  /** Of an entry that lives. */
  nameAt(entry: number): string {
    return this.names[entry & this.mask] ?? "";
  }

  /** Of an entry that lives. */
  valueAt(entry: number): string {
    return this.values[entry & this.mask] ?? "";
  }

  setLimit(bytes: number): void {
    this.limit = bytes;
    this.evictDownTo(bytes);
  }

  /** Evicts the oldest for it. One larger than the table empties it and is not kept (RFC 7541 section 4.4). */
  add(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.evictDownTo(Math.max(0, this.limit - size));
    if (size > this.limit) return;
    const slot = this.inserted & this.mask;
    this.names[slot] = name;
    this.values[slot] = value;
    this.bytes += size;
    this.inserted++;
  }

  private evictDownTo(bytes: number): void {
    while (this.bytes > bytes) {
      const slot = this.evicted & this.mask;
      const name = this.names[slot] ?? "";
      const value = this.values[slot] ?? "";
      this.names[slot] = "";
      this.values[slot] = "";
      this.bytes -= name.length + value.length + ENTRY_OVERHEAD_BYTES;
      this.onEvict?.(name, value);
      this.evicted++;
    }
  }
}
