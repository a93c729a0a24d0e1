import { isUtf8 } from "node:buffer";
import { MAX_VALUE_LENGTH } from "./decode.ts";
import type { PrefixLimits } from "./keys.ts";
import type { EtcdList } from "./list.ts";
import type { KeyValue, WatchEvent } from "./rpc.ts";

/** A key of etcd. The object stays the same for as long as the key is not written. */
export interface EtcdEntry {
  readonly key: string;
  /** Cut where it is too long for the decoder anyway. */
  readonly value: string;
  readonly modRevision: bigint;
}

/** What a prefix holds, kept current by lists and events. */
export class PrefixState {
  private byKey = new Map<string, EtcdEntry>();
  private lastRevision = 0n;
  private length = 0;

  get entries(): ReadonlyMap<string, EtcdEntry> {
    return this.byKey;
  }

  /** Of the last list or event; 0 before the first list. */
  get revision(): bigint {
    return this.lastRevision;
  }

  /** Events have made more of it than is kept; a list does so never. */
  exceeds({ keys, bytes }: PrefixLimits): boolean {
    return this.byKey.size > keys || this.length > bytes;
  }

  /** Takes the list as the truth; whether anything differs from before. */
  applyList(list: EtcdList): boolean {
    const before = this.byKey;
    let changed = this.lastRevision === 0n;
    this.byKey = new Map();
    this.length = 0;
    for (const kv of list.kvs) {
      const entry = toEntry(kv);
      const known = before.get(entry.key);
      // The value counts, too: after a loss of data the same revision may hold something else.
      const isKnown = known !== undefined && known.modRevision === entry.modRevision && known.value === entry.value;
      if (!isKnown) changed = true;
      this.put(isKnown ? known : entry);
    }
    this.lastRevision = list.revision;
    return changed || before.size !== this.byKey.size;
  }

  /** Applies events in order; how many were news. Those that the last list has shown already are none. */
  applyEvents(events: readonly WatchEvent[]): number {
    const from = this.lastRevision;
    let applied = 0;
    for (const { type, kv } of events) {
      const revision = BigInt(kv.mod_revision);
      if (revision <= from) continue;
      if (type === "PUT") this.put(toEntry(kv));
      else this.delete(keyText(kv.key));
      // Not the header's revision: in a batch for a watch that lags it is ahead of the batch's last event.
      if (revision > this.lastRevision) this.lastRevision = revision;
      applied += 1;
    }
    return applied;
  }

  private put(entry: EtcdEntry): void {
    this.length += lengthOf(entry) - lengthOf(this.byKey.get(entry.key));
    this.byKey.set(entry.key, entry);
  }

  private delete(key: string): void {
    this.length -= lengthOf(this.byKey.get(key));
    this.byKey.delete(key);
  }
}

function lengthOf(entry: EtcdEntry | undefined): number {
  return entry === undefined ? 0 : entry.key.length + entry.value.length;
}

function toEntry(kv: KeyValue): EtcdEntry {
  return {
    key: keyText(kv.key),
    // UTF-8 has at most 4 bytes for a character: what is cut here is longer than the decoder takes.
    value: kv.value.toString("utf8", 0, Math.min(kv.value.length, 4 * MAX_VALUE_LENGTH + 4)),
    modRevision: BigInt(kv.mod_revision),
  };
}

/** Two keys that are no UTF-8 must not become one by replacement characters. */
function keyText(key: Buffer): string {
  return key.toString(isUtf8(key) ? "utf8" : "latin1");
}
