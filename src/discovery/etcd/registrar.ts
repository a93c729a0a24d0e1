import type { Clock } from "../../core/clock.ts";
import { gatewayError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { RegistrationEvent } from "../events.ts";
import { EtcdError, type EtcdClient } from "./client.ts";
import { grantLease, keepLease, LEASE_TIMEOUT_MS, revokeLease, type Lease, type LeaseKeeper } from "./lease.ts";
import { etcdMembers, type EtcdAccess, type EtcdMembers } from "./members.ts";
import { createRedial, type Redial } from "./redial.ts";
import { etcdRpc } from "./rpc.ts";

/** One key to keep. */
export interface RegistrarEntry {
  /** Some schemes have the lease's id (decimal) in the key. */
  keyOf(lease: string): string;
  readonly value: string;
}

export interface RegistrarOptions extends EtcdAccess {
  /** Kept together under one lease; at least one. */
  readonly entries: readonly RegistrarEntry[];
  /** How long the keys outlive a process that was killed. */
  readonly ttlSeconds: number;
  /** Whether the keys are to be there from the start, without `setServing`. */
  readonly isServing: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: RegistrationEvent) => void;
}

/** Keys kept in etcd for as long as this process lives and serves. */
export interface Registration {
  /** Those that are put at present, as far as is known. */
  readonly keys: readonly string[];
  /** Resolves when all keys were put for the first time; rejects when `close` comes before. */
  readonly ready: Promise<void>;
  /** Takes the keys away, or puts them again, as soon as etcd can be reached. */
  setServing(isServing: boolean): void;
  /** Takes the keys away. Waits for etcd at most 2 s: where it does not answer, the keys end with their lease. */
  close(): Promise<void>;
}

/** Throws an Error that names an endpoint which cannot be read. */
export function createRegistrar(options: RegistrarOptions): Registration {
  return new Registrar(options);
}

/**
 * Keys with a lease that is prolonged every third of its life. Each time etcd was away, and with every beat, it is
 * checked that lease and keys are there: a restarted etcd may have lost either.
 */
class Registrar implements Registration {
  readonly ready: Promise<void>;
  private readonly options: RegistrarOptions;
  private readonly redial: Redial;
  private readonly members: EtcdMembers;
  private readonly firstPut = Promise.withResolvers<void>();
  private readonly run: Promise<void>;
  private isServing: boolean;
  private client: EtcdClient | undefined;
  private lease: Lease | undefined;
  /** The lease with which all keys were put last; a put may fail after its lease was granted. */
  private leaseOfKeys: string | undefined;
  private troubled = false;
  private closing: Promise<void> | undefined;
  private hasNews = false;
  private endPause: () => void = () => {};

  constructor(options: RegistrarOptions) {
    this.options = options;
    this.isServing = options.isServing;
    this.members = etcdMembers(options);
    this.redial = createRedial(this.members.addresses, options.random);
    this.ready = this.firstPut.promise;
    this.ready.catch(() => {}); // nobody has to wait for it
    this.run = this.keepRegistered();
  }

  get keys(): readonly string[] {
    const lease = this.leaseOfKeys;
    return lease === undefined ? [] : this.options.entries.map(({ keyOf }) => keyOf(lease));
  }

  setServing(isServing: boolean): void {
    if (isServing === this.isServing) return;
    this.isServing = isServing;
    this.wake();
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  private async closeNow(): Promise<void> {
    this.wake();
    this.client?.close();
    await this.run;
    if (this.lease !== undefined) await this.revokeAnywhere(this.lease);
    const endpoints = this.options.endpoints.join(", ");
    this.firstPut.reject(gatewayError("ETCD_UNAVAILABLE", { endpoints, reason: "closed before the key was put" }));
  }

  private async keepRegistered(): Promise<void> {
    while (this.closing === undefined) {
      const client = this.members.open(this.redial.address);
      this.client = client;
      try {
        await this.keepWith(client);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (this.closing !== undefined) return;
        this.trouble(error.message);
        this.hasNews = false;
        await this.pause(this.redial.failed());
      } finally {
        client.close();
      }
    }
  }

  /** Ends when the connection broke, by rejecting, or by `close`. */
  private async keepWith(client: EtcdClient): Promise<void> {
    const { clock } = this.options;
    let broken: EtcdError | undefined;
    let isOver = false;
    const keeper = keepLease(client, clock, (error) => {
      broken = error;
      // Later it would cut short the wait before the next connection.
      if (!isOver) this.wake();
    });
    try {
      while (this.closing === undefined) {
        this.hasNews = false;
        const nextMs = this.isServing ? await this.keep(client, keeper) : await this.withdraw(client);
        this.recovered();
        if (broken === undefined) await this.pause(nextMs);
        if (broken !== undefined) throw broken;
      }
    } finally {
      isOver = true;
    }
  }

  /** Sees to it that lease and keys are there; milliseconds until they are looked at again. */
  private async keep(client: EtcdClient, keeper: LeaseKeeper): Promise<number> {
    const { entries, ttlSeconds, onEvent } = this.options;
    if (this.lease !== undefined && !(await keeper.beat(this.lease.id))) {
      onEvent({ type: "lease_lost", keys: this.keys, lease: this.lease.id });
      this.lease = undefined;
      this.leaseOfKeys = undefined;
    }
    this.lease ??= await grantLease(client, ttlSeconds);
    const { id } = this.lease;
    for (const entry of entries) {
      const key = entry.keyOf(id);
      if (this.leaseOfKeys === id) {
        if (await exists(client, key)) continue;
        onEvent({ type: "key_lost", key, lease: id });
      }
      const request = { key: Buffer.from(key), value: Buffer.from(entry.value), lease: id };
      await client.call(etcdRpc.put, request, LEASE_TIMEOUT_MS);
      onEvent({ type: "registered", key, lease: id });
    }
    this.leaseOfKeys = id;
    this.firstPut.resolve();
    return (this.lease.ttlSeconds * 1000) / 3;
  }

  /** Takes the keys away; there is nothing to do then until `setServing`. */
  private async withdraw(client: EtcdClient): Promise<number> {
    if (this.lease !== undefined) {
      await revokeLease(client, this.lease.id, LEASE_TIMEOUT_MS);
      this.forgetLease(true);
    }
    return Infinity;
  }

  /** Tells once that the keys are gone, or (`revoked` false) will be with their lease. */
  private forgetLease(revoked: boolean): void {
    const { keys } = this;
    this.lease = undefined;
    this.leaseOfKeys = undefined;
    this.options.onEvent({ type: "deregistered", keys, revoked });
  }

  /** Revoking, unlike deleting, spares the key of a later process with the same address. */
  private async revokeAnywhere(lease: Lease): Promise<void> {
    const { clock } = this.options;
    const deadlineMs = clock.now() + LEASE_TIMEOUT_MS;
    for (let tries = 0; tries < this.members.addresses.length && clock.now() < deadlineMs; tries++) {
      const client = this.members.open(this.redial.address);
      try {
        await revokeLease(client, lease.id, deadlineMs - clock.now());
        return this.forgetLease(true);
      } catch {
        this.redial.failed(); // told as `revoked: false` once no member answered
      } finally {
        client.close();
      }
    }
    this.forgetLease(false);
  }

  private trouble(reason: string): void {
    if (this.troubled) return;
    this.troubled = true;
    this.options.onEvent({ type: "trouble", reason });
  }

  private recovered(): void {
    this.redial.succeeded();
    if (!this.troubled) return;
    this.troubled = false;
    this.options.onEvent({ type: "recovered" });
  }

  private wake(): void {
    this.hasNews = true;
    this.endPause();
  }

  /** Waits, or until there are news, also those that came since they were last looked at. */
  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.hasNews) return resolve();
      const cancel = this.options.clock.after(ms, resolve);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}

/**
 * A key under another lease is left to its owner, a later process with the same address: taking it back would delete
 * it when this process closes.
 */
async function exists(client: EtcdClient, key: string): Promise<boolean> {
  const request = { key: Buffer.from(key), keys_only: true };
  const { kvs } = await client.call(etcdRpc.range, request, LEASE_TIMEOUT_MS);
  return kvs.length > 0;
}
