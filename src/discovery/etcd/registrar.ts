import type { Clock } from "../../core/clock.ts";
import { gatewayError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { RegistrationEvent } from "../events.ts";
import { EtcdError, openEtcd, parseEtcdEndpoints, type EtcdClient } from "./client.ts";
import { grantLease, keepLease, LEASE_TIMEOUT_MS, revokeLease, type Lease } from "./lease.ts";
import { createRedial, type Redial } from "./redial.ts";
import { etcdRpc } from "./rpc.ts";

export interface RegistrarOptions {
  /** Members, `http://host:port` or `host:port` each; at least one. */
  readonly endpoints: readonly string[];
  readonly key: string;
  readonly value: string;
  /** How long the key outlives a process that was killed. */
  readonly ttlSeconds: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: RegistrationEvent) => void;
}

/** One key kept in etcd for as long as this process lives. */
export interface Registration {
  readonly key: string;
  /** Resolves when the key was put for the first time; rejects when `close` comes before. */
  readonly ready: Promise<void>;
  /** Takes the key away. Waits for etcd at most 2 s: where it does not answer, the key ends with its lease. */
  close(): Promise<void>;
}

/** Throws an Error that names an endpoint which cannot be read. */
export function createRegistrar(options: RegistrarOptions): Registration {
  return new Registrar(options);
}

/**
 * A key with a lease that is prolonged every third of its life. Each time etcd was away, and with every beat, it is
 * checked that lease and key are there: a restarted etcd may have lost either.
 */
class Registrar implements Registration {
  readonly key: string;
  readonly ready: Promise<void>;
  readonly #options: RegistrarOptions;
  readonly #redial: Redial;
  readonly #addresses: readonly string[];
  readonly #ready = Promise.withResolvers<void>();
  readonly #run: Promise<void>;
  #client: EtcdClient | undefined;
  #lease: Lease | undefined;
  /** The lease with which the key was put last; a put may fail after its lease was granted. */
  #leaseOfKey: string | undefined;
  #troubled = false;
  #closing: Promise<void> | undefined;
  #wake: () => void = () => {};

  constructor(options: RegistrarOptions) {
    this.key = options.key;
    this.#options = options;
    this.#addresses = parseEtcdEndpoints(options.endpoints);
    this.#redial = createRedial(this.#addresses, options.random);
    this.ready = this.#ready.promise;
    this.ready.catch(() => {}); // nobody has to wait for it
    this.#run = this.#keepRegistered();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#wake();
    this.#client?.close();
    await this.#run;
    const revoked = await this.#revoke();
    this.#options.onEvent({ type: "deregistered", key: this.key, revoked });
    const endpoints = this.#options.endpoints.join(", ");
    this.#ready.reject(gatewayError("ETCD_UNAVAILABLE", { endpoints, reason: "closed before the key was put" }));
  }

  async #keepRegistered(): Promise<void> {
    while (this.#closing === undefined) {
      const client = openEtcd(this.#redial.address);
      this.#client = client;
      try {
        await this.#keepWith(client);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (this.#closing !== undefined) return;
        this.#trouble(error.message);
        await this.#pause(this.#redial.failed());
      } finally {
        client.close();
      }
    }
  }

  /** Ends when the connection broke, by rejecting, or by `close`. */
  async #keepWith(client: EtcdClient): Promise<void> {
    const { clock } = this.#options;
    let broken: EtcdError | undefined;
    const keeper = keepLease(client, clock, (error) => {
      broken = error;
      this.#wake();
    });
    while (this.#closing === undefined) {
      if (this.#lease !== undefined && !(await keeper.beat(this.#lease.id))) {
        this.#options.onEvent({ type: "lease_lost", key: this.key, lease: this.#lease.id });
        this.#lease = undefined;
      }
      this.#lease ??= await grantLease(client, this.#options.ttlSeconds);
      if (this.#leaseOfKey !== this.#lease.id) {
        await this.#put(client, this.#lease);
      } else if (!(await this.#exists(client))) {
        this.#options.onEvent({ type: "key_lost", key: this.key, lease: this.#lease.id });
        await this.#put(client, this.#lease);
      }
      this.#recovered();
      if (broken === undefined) await this.#pause((this.#lease.ttlSeconds * 1000) / 3);
      if (broken !== undefined) throw broken;
    }
  }

  async #put(client: EtcdClient, lease: Lease): Promise<void> {
    const { key, value, onEvent } = this.#options;
    const request = { key: Buffer.from(key), value: Buffer.from(value), lease: lease.id };
    await client.call(etcdRpc.put, request, LEASE_TIMEOUT_MS);
    this.#leaseOfKey = lease.id;
    onEvent({ type: "registered", key, lease: lease.id });
    this.#ready.resolve();
  }

  /**
   * A key under another lease is left to its owner, a later process with the same address: taking it back would delete
   * it when this process closes.
   */
  async #exists(client: EtcdClient): Promise<boolean> {
    const request = { key: Buffer.from(this.key), keys_only: true };
    const { kvs } = await client.call(etcdRpc.range, request, LEASE_TIMEOUT_MS);
    return kvs.length > 0;
  }

  /** Revoking, unlike deleting, spares the key of a later process with the same address. */
  async #revoke(): Promise<boolean> {
    if (this.#lease === undefined) return true;
    const { clock } = this.#options;
    const deadlineMs = clock.now() + LEASE_TIMEOUT_MS;
    for (let tries = 0; tries < this.#addresses.length && clock.now() < deadlineMs; tries++) {
      const client = openEtcd(this.#redial.address);
      try {
        await revokeLease(client, this.#lease.id, deadlineMs - clock.now());
        return true;
      } catch {
        this.#redial.failed(); // told as `revoked: false` once no member answered
      } finally {
        client.close();
      }
    }
    return false;
  }

  #trouble(reason: string): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#options.onEvent({ type: "trouble", key: this.key, reason });
  }

  #recovered(): void {
    this.#redial.succeeded();
    if (!this.#troubled) return;
    this.#troubled = false;
    this.#options.onEvent({ type: "recovered", key: this.key });
  }

  /** Waits, or until `#wake`. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
