import { setTimeout as delay } from "node:timers/promises";
import type { Etcd } from "../demo/etcd.ts";
import type { EtcdApi } from "../test/support/etcd.ts";
import type { InstanceProcess } from "../test/support/instance-process.ts";
import { until } from "../test/support/until.ts";
import type { Drill } from "./drill.ts";
import type { Lab } from "./lab.ts";

const NAMES = ["one", "two", "three"] as const;
const NONE = { reads: 0, mutations: 0 };
const TARGET = "etcd:///bookshop";
const PREFIX = "bookshop/";
/** The list is to be current so soon after etcd's return. */
const CURRENT_MS = 2000;
const FLAP_MS = 50;
/** A minute of flapping where the other drills take nine seconds. */
const FLAP_FACTOR = 60 / 9;
/** etcd's default limit of operations in one transaction is 128. */
const KEYS_PER_TXN = 100;

interface Registered {
  readonly etcd: Etcd;
  readonly api: EtcdApi;
  readonly instances: readonly InstanceProcess[];
}

const keyOf = (instance: { readonly address: string }): string => `${PREFIX}${instance.address}`;

/** Three instances, each under a key that the drill has written, and a gateway that found them. */
async function listed(lab: Lab): Promise<Registered> {
  const { etcd, api } = await lab.etcd();
  const instances = await lab.instances(NAMES);
  for (const instance of instances) await api.put(keyOf(instance), instance.address);
  const gateway = await lab.openGateway(TARGET, { etcdUrl: etcd.url });
  await gateway.ready(instances.length);
  return { etcd, api, instances };
}

/** Milliseconds from the write of a fourth instance's key to its first answer; fails beyond what is promised. */
async function joinsInTime(lab: Lab, api: EtcdApi, fourth: InstanceProcess): Promise<number> {
  const fromMs = performance.now();
  await api.put(keyOf(fourth), fourth.address);
  await lab.answers(fourth.name, CURRENT_MS);
  return performance.now() - fromMs;
}

/** Fails where the gateway dropped a connection to one of these. */
function keptConnections({ gateway }: Lab, instances: readonly InstanceProcess[]): void {
  const lost = gateway.log.filter((line) => line.includes('"msg":"connection lost"'));
  const hit = instances.filter(({ address }) => lost.some((line) => line.includes(`"${address}"`)));
  if (hit.length > 0) throw new Error(`connections to ${hit.map(({ name }) => name).join(", ")} were dropped`);
}

/** An outage of etcd, and how soon the list is current after it. */
function outage(name: string, event: string, away: (registered: Registered, lab: Lab) => Promise<void>): Drill {
  return {
    name,
    event: `${event}; recovery: until a new instance answers after its return`,
    bound: NONE,
    async setUp(lab) {
      const registered = await listed(lab);
      const fourth = await lab.instance("four");
      return async () => {
        await away(registered, lab);
        const recoveryMs = await joinsInTime(lab, registered.api, fourth);
        keptConnections(lab, registered.instances);
        return recoveryMs;
      };
    },
  };
}

/** Something odd among the keys, which is to change nothing. */
function oddity(name: string, event: string, write: (registered: Registered, lab: Lab) => Promise<void>): Drill {
  return {
    name,
    event,
    bound: NONE,
    async setUp(lab) {
      const registered = await listed(lab);
      return async () => {
        await write(registered, lab);
        await Promise.all(NAMES.map((instance) => lab.answers(instance)));
        keptConnections(lab, registered.instances);
      };
    },
  };
}

/** Events at etcd and at what it holds. */
export const etcdDrills: readonly Drill[] = [
  outage("etcd-kill", "etcd is killed and restarts", async ({ etcd }, lab) => {
    await etcd.kill();
    await delay(lab.seconds * 400);
    await etcd.start();
  }),
  outage("etcd-hang", "etcd hangs (SIGSTOP) and goes on", async ({ etcd }, lab) => {
    etcd.pause();
    await until("the gateway misses etcd", async () => (await lab.gateway.count("discovery_trouble")) > 0);
    etcd.resume();
  }),
  outage("etcd-compact", "etcd restarts, and its history is compacted away", async ({ etcd, api }) => {
    await etcd.kill();
    await etcd.start();
    for (let n = 0; n < 5; n++) await api.put(`other/${n}`, "127.0.0.1:1");
    await api.compact();
  }),
  outage("etcd-wiped", "etcd restarts without its data; the instances' keys are written again", async (registered) => {
    const { etcd, api, instances } = registered;
    await etcd.kill();
    await etcd.wipe();
    await etcd.start();
    for (const instance of instances) await api.put(keyOf(instance), instance.address);
  }),
  {
    name: "etcd-auth",
    event:
      "etcd has users, and restarts, which ends all tokens; recovery: until a new instance answers after its return",
    bound: NONE,
    async setUp(lab) {
      const { etcd, api } = await lab.etcd({ flags: ["--bcrypt-cost=4"] });
      const instances = await lab.instances(NAMES);
      const fourth = await lab.instance("four");
      for (const instance of instances) await api.put(keyOf(instance), instance.address);
      await api.enableAuth({ user: "gateway", password: "secret", prefix: PREFIX });
      const etcdAuth = ", auth: { user: gateway, password: secret }";
      const gateway = await lab.openGateway(TARGET, { etcdUrl: etcd.url, etcdAuth });
      await gateway.ready(instances.length);
      return async () => {
        await etcd.kill();
        await etcd.start();
        const recoveryMs = await joinsInTime(lab, api, fourth);
        keptConnections(lab, instances);
        return recoveryMs;
      };
    },
  },
  oddity("empty-list", "all keys are deleted while the instances serve", async ({ api }, lab) => {
    await api.deletePrefix(PREFIX);
    await until("the gateway doubts it", async () => (await lab.gateway.count("removal_held")) > 0);
  }),
  oddity("garbage", "200 values that are no addresses, or addresses of nobody", async ({ api }) => {
    const values = [
      "",
      "nonsense",
      "{",
      '{"Addr":7}',
      "10.0.0.1:99999",
      "\u0000\u0001",
      '{"nodes":[[]]}',
      "[]",
      "null",
    ];
    for (let n = 0; n < 200; n++) {
      const value = n % 10 === 9 ? `127.0.0.1:${n}` : (values[n % values.length] ?? "");
      await api.put(`${PREFIX}garbage-${n}`, value);
    }
  }),
  oddity("duplicates", "each address has a second key, and loses the first", async ({ api, instances }) => {
    for (const { name, address } of instances) await api.put(`${PREFIX}again-${name}`, address);
    for (const instance of instances) await api.delete(keyOf(instance));
  }),
  {
    name: "flapping",
    event: "the key of one of three comes and goes every 50 ms",
    bound: NONE,
    async setUp(lab) {
      const { api, instances } = await listed(lab);
      const flapping = instances.at(-1) as InstanceProcess; // three were started
      return async () => {
        const endMs = performance.now() + lab.seconds * FLAP_FACTOR * 1000;
        while (performance.now() < endMs) {
          await api.delete(keyOf(flapping));
          await delay(FLAP_MS);
          await api.put(keyOf(flapping), flapping.address);
          await delay(FLAP_MS);
        }
        await lab.answers(flapping.name, CURRENT_MS);
      };
    },
  },
  {
    name: "rolling",
    event: "all instances are replaced in turn, each at a new address",
    bound: NONE,
    async setUp(lab) {
      const { etcd } = await lab.etcd();
      const flags = ["--etcd", etcd.url];
      const instances = await lab.instances(NAMES, flags);
      const gateway = await lab.openGateway(TARGET, { etcdUrl: etcd.url });
      await gateway.ready(instances.length);
      return async () => {
        for (const old of instances) {
          await old.signal("SIGTERM");
          await lab.instance(`new ${old.name}`, { flags });
          await lab.answers(`new ${old.name}`);
        }
      };
    },
  },
  {
    name: "fleet",
    event: "three instances become 5,000 (or as many as --fleet says), and three again",
    bound: NONE,
    async setUp(lab) {
      const { etcd, api } = await lab.etcd();
      // All of 127.0.0.0/8 is this machine: a process that listens on 0.0.0.0 is as many instances as it has addresses.
      const instances = await lab.instances(NAMES, ["--host", "0.0.0.0"]);
      const entries = Array.from({ length: lab.fleet }, (_, n) => {
        const port = instances[n % instances.length]?.port;
        const address = `127.0.${1 + (n >> 8)}.${n & 255}:${port}`;
        return [`${PREFIX}${address}`, address] as const;
      });
      const [few, many] = [entries.slice(0, instances.length), entries.slice(instances.length)];
      await api.putTogether(few);
      const gateway = await lab.openGateway(TARGET, { etcdUrl: etcd.url });
      await gateway.ready(few.length);
      return async () => {
        for (let n = 0; n < many.length; n += KEYS_PER_TXN) await api.putTogether(many.slice(n, n + KEYS_PER_TXN));
        await gateway.ready(lab.fleet, 30_000);
        await delay(lab.seconds * 200);
        await api.deletePrefix(PREFIX);
        await api.putTogether(few);
      };
    },
  },
  {
    name: "late-etcd",
    event: "the gateway starts while etcd is missing; requests wait for it",
    bound: NONE,
    async setUp(lab) {
      const { etcd, api } = await lab.etcd();
      const instances = await lab.instances(NAMES);
      for (const instance of instances) await api.put(keyOf(instance), instance.address);
      await etcd.stop();
      await lab.openGateway(TARGET, { etcdUrl: etcd.url });
      return async () => {
        await etcd.start();
        const fromMs = performance.now();
        await Promise.all(NAMES.map((name) => lab.answers(name, CURRENT_MS)));
        return performance.now() - fromMs;
      };
    },
  },
];
