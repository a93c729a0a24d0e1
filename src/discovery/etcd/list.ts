import type { EtcdClient } from "./client.ts";
import { prefixEnd } from "./keys.ts";
import { etcdRpc, type KeyValue } from "./rpc.ts";

/** All keys of a prefix as they were at one revision. */
export interface EtcdList {
  readonly kvs: readonly KeyValue[];
  readonly revision: bigint;
}

const PAGE_KEYS = 1000;
const PAGE_TIMEOUT_MS = 3000;

/**
 * Reads all keys that start with `prefix`, page by page at the revision of the first. The read is linearizable: it
 * shows everything that was written before it began, whichever member answers.
 */
export async function listPrefix(client: EtcdClient, prefix: string): Promise<EtcdList> {
  const kvs: KeyValue[] = [];
  let key = Buffer.from(prefix);
  const end = prefixEnd(key);
  let revision = "0"; // the newest
  for (;;) {
    const request = { key, range_end: end, limit: PAGE_KEYS, revision };
    const page = await client.call(etcdRpc.range, request, PAGE_TIMEOUT_MS);
    if (revision === "0") revision = page.header.revision;
    for (const kv of page.kvs) kvs.push(kv);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { kvs, revision: BigInt(revision) };
    key = Buffer.concat([last.key, Buffer.from([0])]); // the least key after the last
  }
}
