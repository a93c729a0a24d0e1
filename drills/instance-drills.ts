import { setTimeout as delay } from "node:timers/promises";
import type { InstanceProcess } from "../test/support/instance-process.ts";
import { startMuteServer } from "../test/support/tcp-servers.ts";
import type { Drill } from "./drill.ts";
import { passTo, type Lab } from "./lab.ts";
import { startVanishingProxy } from "./vanishing-proxy.ts";

const NAMES = ["one", "two", "three"] as const;
const NONE = { reads: 0, mutations: 0 };
/** What is under way at an instance when it dies, a mutation that may have been processed, is not sent again. */
const IN_FLIGHT = { reads: 0, mutations: "in flight" } as const;
const ONE_PERCENT = { reads: 0.01, mutations: 0.01 };

/** A connection whose peer is silent is passed over at once and given up after 10 s; a dial and some room beside. */
const GIVE_UP_MS = 13_000;

/** Three instances and a gateway that knows their addresses; the one that it happens to. */
async function three(lab: Lab, { timeout = "5s", flags = [] as readonly string[] } = {}): Promise<InstanceProcess[]> {
  const instances = await lab.instances(NAMES, flags);
  const gateway = await lab.openGateway(passTo(instances), { timeout });
  await gateway.ready(instances.length);
  return instances;
}

function last(instances: readonly InstanceProcess[]): InstanceProcess {
  const victim = instances.at(-1);
  if (victim === undefined) throw new Error("there is no instance");
  return victim;
}

/** Milliseconds until `name` answers. */
async function untilItAnswers(lab: Lab, name: string, timeoutMs?: number): Promise<number> {
  const fromMs = performance.now();
  await lab.answers(name, timeoutMs);
  return performance.now() - fromMs;
}

/** Events at instances whose addresses the gateway knows. */
export const instanceDrills: readonly Drill[] = [
  {
    name: "kill",
    event: "one of three is killed (kill -9)",
    bound: IN_FLIGHT,
    async setUp(lab) {
      const victim = last(await three(lab));
      return () => lab.kill(victim);
    },
  },
  {
    name: "term",
    event: "one of three ends in good order (SIGTERM)",
    bound: NONE,
    async setUp(lab) {
      const victim = last(await three(lab));
      return () => victim.signal("SIGTERM");
    },
  },
  {
    name: "hang",
    event: "one of three hangs (SIGSTOP), and goes on; the deadline is 1 s",
    bound: ONE_PERCENT,
    async setUp(lab) {
      const victim = last(await three(lab, { timeout: "1s" }));
      return async () => {
        await victim.signal("SIGSTOP");
        await delay(lab.seconds * 700);
        await victim.signal("SIGCONT");
      };
    },
  },
  {
    name: "unavailable",
    event: "one of three answers UNAVAILABLE at once",
    bound: ONE_PERCENT,
    async setUp(lab) {
      const victim = last(await three(lab));
      return async () => victim.setUnavailable(true);
    },
  },
  {
    name: "restart",
    event: "one is killed and restarts on its address; recovery: until it answers again",
    bound: IN_FLIGHT,
    async setUp(lab) {
      const victim = last(await three(lab));
      return async () => {
        await lab.kill(victim);
        await delay(lab.seconds * 300);
        await lab.instance("three again", { port: victim.port });
        return await untilItAnswers(lab, "three again", 2000);
      };
    },
  },
  {
    name: "goaway",
    event: "all end their connections every second or two (GOAWAY by max connection age)",
    // grpc-js, which these instances are, promises by its GOAWAY to process all that comes, and then hangs up on what
    // was on its way; what is lost so may have been processed. Servers that send the last stream's id lose none.
    bound: { reads: 0, mutations: 0.01 },
    async setUp(lab) {
      const instances = await Promise.all(
        NAMES.map((name, n) => lab.instance(name, { flags: ["--max-age", String(1000 + 400 * n)] })),
      );
      const gateway = await lab.openGateway(passTo(instances));
      await gateway.ready(instances.length);
      return async () => {};
    },
  },
  {
    name: "mute",
    event: "two instances, and a server that takes connections and says nothing",
    bound: NONE,
    async setUp(lab) {
      const mute = await startMuteServer();
      lab.defer(() => mute.close());
      const instances = await lab.instances(NAMES.slice(0, 2));
      const gateway = await lab.openGateway(passTo([mute, ...instances]));
      await gateway.ready(2);
      return async () => {};
    },
  },
  {
    name: "half-open",
    event: "one of three vanishes without a FIN; the deadline is 1 s; recovery: until it answers again",
    bound: ONE_PERCENT,
    async setUp(lab) {
      const instances = await lab.instances(NAMES);
      const proxy = await startVanishingProxy(last(instances).port);
      lab.defer(() => proxy.close());
      const gateway = await lab.openGateway(passTo([...instances.slice(0, 2), proxy]), { timeout: "1s" });
      await gateway.ready(3);
      return async () => {
        proxy.vanish();
        await delay(lab.seconds * 500);
        proxy.reappear();
        return lab.seconds < GIVE_UP_MS / 2000 ? undefined : await untilItAnswers(lab, "three", GIVE_UP_MS);
      };
    },
  },
  {
    name: "all-down",
    event: "all are killed and back after 2 s, with a deadline of 5 s",
    // A read that was under way at all three, one after the other, has had its three attempts.
    bound: { ...IN_FLIGHT, reads: 0.01 },
    async setUp(lab) {
      const instances = await three(lab);
      const flags = ["--succeed", "2000"];
      await Promise.all(instances.map(({ name, port }) => lab.instance(name, { port, flags })));
      return async () => {
        await Promise.all(instances.map((instance) => lab.kill(instance)));
        await Promise.all(NAMES.map((name) => lab.answers(name)));
      };
    },
  },
];
