import type { Clock } from "../../core/clock.ts";
import { Code } from "../../core/code.ts";
import { EtcdError, type EtcdClient } from "./client.ts";
import { etcdRpc } from "./rpc.ts";

export interface Lease {
  /** etcd's id, in decimal; it needs 63 bits. */
  readonly id: string;
  readonly ttlSeconds: number;
}

/** Keeps leases alive over one stream. */
export interface LeaseKeeper {
  /** Prolongs the lease; false where etcd does not know it any more. Rejects with an EtcdError. One at a time. */
  beat(id: string): Promise<boolean>;
}

/** Longest wait for etcd's answer to one call on a lease or key. */
export const LEASE_TIMEOUT_MS = 2000;

/** etcd may grant more than was asked for: at least one and a half of its election timeout. */
export async function grantLease(client: EtcdClient, ttlSeconds: number): Promise<Lease> {
  const { ID, TTL } = await client.call(etcdRpc.leaseGrant, { TTL: ttlSeconds }, LEASE_TIMEOUT_MS);
  return { id: ID, ttlSeconds: Number(TTL) };
}

/** Ends the lease and deletes its keys. One that is gone already is no failure. */
export async function revokeLease(client: EtcdClient, id: string, timeoutMs: number): Promise<void> {
  try {
    await client.call(etcdRpc.leaseRevoke, { ID: id }, timeoutMs);
  } catch (error) {
    if (!(error instanceof EtcdError) || error.code !== Code.NotFound) throw error;
  }
}

/** `onBroken` is told as soon as the stream breaks, the first sign that etcd went away, or `client` is closed. */
export function keepLease(client: EtcdClient, clock: Clock, onBroken: (error: EtcdError) => void): LeaseKeeper {
  let waiting: PromiseWithResolvers<boolean> | undefined;
  let broken: EtcdError | undefined;
  const stream = client.stream(etcdRpc.leaseKeepAlive, {
    onMessage: ({ TTL }) => waiting?.resolve(Number(TTL) > 0),
    onEnd: (error) => {
      broken = error;
      waiting?.reject(error);
      onBroken(error);
    },
  });
  return {
    async beat(id) {
      if (broken !== undefined) throw broken;
      const answer = Promise.withResolvers<boolean>();
      waiting = answer;
      const cancel = clock.after(LEASE_TIMEOUT_MS, () =>
        answer.reject(new EtcdError(Code.DeadlineExceeded, `no answer within ${LEASE_TIMEOUT_MS} ms`)),
      );
      stream.send({ ID: id });
      try {
        return await answer.promise;
      } finally {
        waiting = undefined;
        cancel();
      }
    },
  };
}
