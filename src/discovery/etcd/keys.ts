/** How much is read below one prefix. */
export interface PrefixLimits {
  readonly keys: number;
  /** Of keys and values. */
  readonly bytes: number;
}

/** Ten keys for each endpoint that an upstream takes, and as many bytes as the client takes for one message. */
export const PREFIX_LIMITS: PrefixLimits = { keys: 100_000, bytes: 64 * 1024 * 1024 };

/**
 * The prefix of keys that belong to a service, always with one slash at its end: without it `shop` would take in the
 * instances of `shop-admin` (etcd issue 15022).
 *
 *     servicePrefix("shop", "")                -> "shop/"
 *     servicePrefix("shop", "/etcd3_naming/")  -> "/etcd3_naming/shop/"
 */
export function servicePrefix(service: string, prefix: string): string {
  const base = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
  // Where a prefix is set, a slash at the service's start repeats it; alone, it is part of the key.
  const name = base === "" ? service : service.replace(/^\/+/, "");
  return `${base}${name.replace(/\/+$/, "")}/`;
}

/** The `range_end` that makes [key, range_end) the keys that start with `prefix` (etcd v3 API, "Key ranges"). */
export function prefixEnd(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0;
    if (byte < 0xff) {
      end[i] = byte + 1;
      return end.subarray(0, i + 1);
    }
  }
  return Buffer.from([0]); // all 0xff, or empty: to the end of the key space
}

/** What follows the last slash; for many writers it is the address. */
export function lastSegment(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}
