import type { ListReason } from "../events.ts";
import { type EtcdEntry, PrefixState } from "./prefix-state.ts";

/** Takes what a watched prefix holds. */
export interface WatchListener {
  /** All keys, after a list or a change. The map is live: read it now, do not keep it. */
  onEntries(entries: ReadonlyMap<string, EtcdEntry>, cause: WatchCause): void;
  /** The watch fell behind a compaction up to `revision`; a list follows. */
  onCompacted(revision: bigint): void;
  /** The keys are not followed now. Told once until `onRecovered`. */
  onTrouble(reason: string): void;
  /** They are followed again; what changed meanwhile was told before. */
  onRecovered(): void;
}

export type WatchCause =
  | { readonly type: "list"; readonly reason: ListReason; readonly revision: bigint; readonly changed: boolean }
  | { readonly type: "change"; readonly revision: bigint; readonly count: number };

/** One watched prefix: what it holds, kept from connection to connection, and whether its listener knows of trouble. */
export class Watch {
  readonly prefix: string;
  readonly listener: WatchListener;
  readonly state = new PrefixState();
  private troubled = false;

  constructor(prefix: string, listener: WatchListener) {
    this.prefix = prefix;
    this.listener = listener;
  }

  trouble(reason: string): void {
    if (this.troubled) return;
    this.troubled = true;
    this.listener.onTrouble(reason);
  }

  recovered(): void {
    if (!this.troubled) return;
    this.troubled = false;
    this.listener.onRecovered();
  }
}
