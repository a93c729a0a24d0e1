import { Code } from "../../core/code.ts";
import { quote } from "../address.ts";
import { EtcdError, type EtcdClient } from "./client.ts";
import { prefixEnd, type PrefixLimits } from "./keys.ts";
import { etcdRpc, type KeyValue } from "./rpc.ts";

/** All keys of a prefix as they were at one revision. */
export interface EtcdList {
  readonly kvs: readonly KeyValue[];
  readonly revision: bigint;
}

/** More keys are under a prefix than any service has instances: it is the wrong one, or somebody floods it. */
export class PrefixTooLarge extends Error {
  constructor(prefix: string, { keys, bytes }: PrefixLimits) {
    super(`more than ${keys} keys, or ${bytes} bytes, are under ${quote(prefix)}; expected a key for each instance`);
    this.name = "PrefixTooLarge";
  }
}

const PAGE_KEYS = 1000;
const PAGE_TIMEOUT_MS = 3000;

/**
 * Reads all keys that start with `prefix`, page by page at the revision of the first. The read is linearizable: it
 * shows everything that was written before it began, whichever member answers. Rejects with an EtcdError, or
 * PrefixTooLarge, mostly after the first page.
 */
export async function listPrefix(client: EtcdClient, prefix: string, limits: PrefixLimits): Promise<EtcdList> {
  const kvs: KeyValue[] = [];
  let key = Buffer.from(prefix);
  const end = prefixEnd(key);
  let revision = "0"; // the newest
  let bytes = 0;
  for (;;) {
    const request = { key, range_end: end, limit: PAGE_KEYS, revision };
    const page = await client.call(etcdRpc.range, request, PAGE_TIMEOUT_MS).catch((error: unknown) => {
      // One page is more than the client takes for a message, which is as much as is kept of all. etcd itself says by
      // this code that it is busy.
      const isOurs = error instanceof EtcdError && /larger than max/.test(error.message);
      throw isOurs && error.code === Code.ResourceExhausted ? new PrefixTooLarge(prefix, limits) : error;
    });
    if (Number(page.count) + kvs.length > limits.keys) throw new PrefixTooLarge(prefix, limits);
    if (revision === "0") revision = page.header.revision;
    for (const kv of page.kvs) {
      kvs.push(kv);
      bytes += kv.key.length + kv.value.length;
    }
    if (bytes > limits.bytes) throw new PrefixTooLarge(prefix, limits);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { kvs, revision: BigInt(revision) };
    key = Buffer.concat([last.key, Buffer.from([0])]); // the least key after the last
  }
}
