/** Why a prefix was read anew. */
export type ListReason = "start" | "reconnect" | "compacted" | "retry" | "periodic";

/**
 * What discovery tells to logs and metrics. `source` is what is looked at: a prefix of etcd, a name in the DNS, a module;
 * `reason` is for people.
 */
export type DiscoveryEvent =
  /** All keys were read. `changed` is false where they were known already. */
  | {
      readonly type: "list";
      readonly source: string;
      readonly reason: ListReason;
      readonly revision: bigint;
      readonly keys: number;
      readonly changed: boolean;
    }
  /** A watch told changes of keys, `count` of them. */
  | { readonly type: "change"; readonly source: string; readonly revision: bigint; readonly count: number }
  /** Another list of endpoints is in force. */
  | { readonly type: "endpoints"; readonly source: string; readonly count: number }
  /** The watch fell behind a compaction of etcd's history; a list follows. */
  | { readonly type: "compacted"; readonly source: string; readonly revision: bigint }
  /** Discovery stopped working; the last list stays in force. Once per change. */
  | { readonly type: "trouble"; readonly source: string; readonly reason: string }
  | { readonly type: "recovered"; readonly source: string }
  /** A value, or a node of it, was left out. Once per value, not per list. */
  | { readonly type: "bad_value"; readonly source: string; readonly key: string; readonly reason: string }
  /** More addresses than MAX_ENDPOINTS: `count` of them were left out. Once per change. */
  | { readonly type: "too_many"; readonly source: string; readonly count: number };

/** What a registration tells to logs and metrics. `lease` is etcd's id, in decimal; `reason` is for people. */
export type RegistrationEvent =
  | { readonly type: "registered"; readonly key: string; readonly lease: string }
  /** The key was gone though its lease was there; it is put again. */
  | { readonly type: "key_lost"; readonly key: string; readonly lease: string }
  /** etcd does not know the lease any more: it expired, or etcd lost its data. A new one follows. */
  | { readonly type: "lease_lost"; readonly keys: readonly string[]; readonly lease: string }
  /** etcd cannot be reached or refuses; tries go on. Once per change. */
  | { readonly type: "trouble"; readonly reason: string }
  | { readonly type: "recovered" }
  /** Closed, or not serving; `revoked` is false where etcd did not answer and the keys end with their lease instead. */
  | { readonly type: "deregistered"; readonly keys: readonly string[]; readonly revoked: boolean }
  /** The instance is asked whether it serves, and says so, or (`serving` false) does not, or does not answer. */
  | { readonly type: "health"; readonly address: string; readonly serving: boolean; readonly reason: string };
