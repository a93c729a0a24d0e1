import { after, before } from "node:test";
import { type Etcd, type EtcdOptions, startEtcd } from "../../demo/etcd.ts";
import { createEtcdCluster, type EtcdCluster, type EtcdClusterOptions } from "../../src/discovery/etcd/cluster.ts";
import { createEtcdResolver, type EtcdResolverOptions } from "../../src/discovery/etcd/resolver.ts";
import type { EtcdAccess } from "../../src/discovery/etcd/members.ts";
import { prefixEnd } from "../../src/discovery/etcd/keys.ts";
import type { DiscoveryEvent } from "../../src/discovery/events.ts";
import type { Endpoint } from "../../src/upstream/resolver.ts";

/** An etcd of the surrounding `describe`, running before its tests and gone after them. */
export function useEtcd(options: EtcdOptions = {}): Etcd {
  let etcd: Etcd | undefined;
  before(async () => {
    etcd = await startEtcd(options);
  });
  after(() => etcd?.dispose());
  return new Proxy({} as Etcd, {
    get(_, name: keyof Etcd) {
      if (etcd === undefined) throw new Error("etcd runs within tests only");
      const value = etcd[name];
      return typeof value === "function" ? value.bind(etcd) : value;
    },
  });
}

/** etcd by its JSON gateway: a way in that shares nothing with the client under test. */
export class EtcdApi {
  readonly #etcd: Pick<Etcd, "url">;
  #token = "";

  constructor(etcd: Pick<Etcd, "url">) {
    this.#etcd = etcd;
  }

  async put(key: string, value: string | Buffer, lease = "0"): Promise<void> {
    await this.#post("kv/put", { key: base64(key), value: base64(value), lease });
  }

  /** Puts all keys in one transaction: one revision, one response of a watch. */
  async putTogether(entries: readonly (readonly [string, string])[]): Promise<void> {
    const success = entries.map(([key, value]) => ({ requestPut: { key: base64(key), value: base64(value) } }));
    await this.#post("kv/txn", { success });
  }

  async delete(key: string): Promise<void> {
    await this.#post("kv/deleterange", { key: base64(key) });
  }

  /** All at once: one revision. */
  async deletePrefix(prefix: string): Promise<void> {
    await this.#post("kv/deleterange", {
      key: base64(prefix),
      range_end: prefixEnd(Buffer.from(prefix)).toString("base64"),
    });
  }

  async get(key: string): Promise<{ value: string; lease: string } | undefined> {
    const { kvs = [] } = await this.#post<{ kvs?: { value?: string; lease?: string }[] }>("kv/range", {
      key: base64(key),
    });
    const kv = kvs[0];
    return kv && { value: Buffer.from(kv.value ?? "", "base64").toString(), lease: kv.lease ?? "0" };
  }

  async revision(): Promise<bigint> {
    const { header } = await this.#post<{ header: { revision: string } }>("kv/range", { key: base64("/") });
    return BigInt(header.revision);
  }

  /** Forgets all history before the current revision. */
  async compact(): Promise<void> {
    await this.#post("kv/compaction", { revision: String(await this.revision()), physical: true });
  }

  /** A lease of so many seconds. */
  async grant(ttlSeconds: number): Promise<string> {
    const { ID } = await this.#post<{ ID: string }>("lease/grant", { TTL: ttlSeconds });
    return ID;
  }

  async revoke(lease: string): Promise<void> {
    await this.#post("lease/revoke", { ID: lease });
  }

  /**
   * Turns authentication on. Besides root, by whom this object goes on to speak, there is the user, who may read keys
   * that start with `prefix`.
   */
  async enableAuth({ user, password, prefix }: { user: string; password: string; prefix: string }): Promise<void> {
    const key = { key: base64(prefix), range_end: prefixEnd(Buffer.from(prefix)).toString("base64") };
    for (const [name, secret] of [
      ["root", "root"],
      [user, password],
    ] as const) {
      await this.#post("auth/user/add", { name, password: secret });
      await this.#post("auth/role/add", { name });
      await this.#post("auth/user/grant", { user: name, role: name });
    }
    await this.#post("auth/role/grant", { name: user, perm: { permType: "READ", ...key } });
    await this.#post("auth/enable", {});
    await this.#login();
  }

  async changePassword(name: string, password: string): Promise<void> {
    await this.#post("auth/user/changepw", { name, password });
  }

  /** Turns authentication off and forgets users and roles. */
  async disableAuth(user: string): Promise<void> {
    await this.#post("auth/disable", {});
    this.#token = "";
    for (const name of ["root", user]) {
      await this.#post("auth/user/delete", { name });
      await this.#post("auth/role/delete", { role: name });
    }
  }

  /** A number of etcd's own metrics. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.#etcd.url}/metrics`)).text();
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
    if (line === undefined) throw new Error(`etcd has no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }

  async #login(): Promise<void> {
    this.#token = "";
    const { token } = await this.#post<{ token: string }>("auth/authenticate", { name: "root", password: "root" });
    this.#token = token;
  }

  async #post<T>(path: string, body: unknown): Promise<T> {
    const response = await fetch(`${this.#etcd.url}/v3/${path}`, {
      method: "POST",
      headers: this.#token === "" ? {} : { authorization: this.#token },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    });
    if (response.status === 401 && this.#token !== "") {
      await this.#login();
      return this.#post(path, body);
    }
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return (await response.json()) as T;
  }
}

/** What a resolver tells, kept in order, to wait for. */
export class Told {
  readonly lists: (readonly Endpoint[])[] = [];
  readonly troubles: string[] = [];
  recoveries = 0;
  readonly events: DiscoveryEvent[] = [];
  #waiting: (() => void)[] = [];

  onEndpoints(endpoints: readonly Endpoint[]): void {
    this.lists.push(endpoints);
    this.#changed();
  }

  onTrouble(reason: string): void {
    this.troubles.push(reason);
    this.#changed();
  }

  onRecovered(): void {
    this.recoveries += 1;
    this.#changed();
  }

  onEvent(event: DiscoveryEvent): void {
    this.events.push(event);
    this.#changed();
  }

  /** The addresses of the last list, comma-separated; undefined before the first. */
  get addresses(): string | undefined {
    return this.lists
      .at(-1)
      ?.map(({ address }) => address)
      .join(",");
  }

  eventsOf<T extends DiscoveryEvent["type"]>(type: T): Extract<DiscoveryEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<DiscoveryEvent, { type: T }> => event.type === type);
  }

  /** Resolves once `condition` holds; rejects after `timeoutMs`, saying what was told. */
  async until(condition: (told: this) => boolean, timeoutMs = 5000): Promise<void> {
    const timer = Promise.withResolvers<never>();
    const timeout = setTimeout(
      () => timer.reject(new Error(`not within ${timeoutMs} ms: ${this.#summary()}`)),
      timeoutMs,
    );
    try {
      while (!condition(this)) {
        await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), timer.promise]);
      }
    } catch (error) {
      throw new Error(`${condition}: ${(error as Error).message}`);
    } finally {
      clearTimeout(timeout);
    }
  }

  untilAddresses(addresses: string, timeoutMs?: number): Promise<void> {
    return this.until((told) => told.addresses === addresses, timeoutMs);
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #summary(): string {
    const { addresses, troubles, recoveries } = this;
    const events = this.events.map(({ type }) => type).slice(-20);
    return JSON.stringify({ addresses, troubles, recoveries, events });
  }
}

/** A resolver of its own cluster, started, closed after the test. */
export function follow(
  context: { after(fn: () => void): void },
  etcd: Pick<Etcd, "url">,
  {
    cluster,
    relistMs,
    limits,
    access,
    ...options
  }: Omit<EtcdResolverOptions, "cluster"> &
    Pick<EtcdClusterOptions, "relistMs" | "limits"> & {
      readonly cluster?: EtcdCluster;
      readonly access?: Partial<EtcdAccess>;
    },
): Told {
  const told = new Told();
  cluster ??= createEtcdCluster({
    endpoints: [etcd.url],
    ...access,
    ...(relistMs === undefined ? {} : { relistMs }),
    ...(limits === undefined ? {} : { limits }),
  });
  const resolver = createEtcdResolver({ ...options, cluster, onEvent: (event) => told.onEvent(event) });
  resolver.start(told);
  context.after(() => resolver.close());
  return told;
}

function base64(text: string | Buffer): string {
  return Buffer.from(text).toString("base64");
}
