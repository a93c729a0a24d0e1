// node bin/run.js bench/micro/balancing.bench.ts: what a pick costs by policy and size of the fleet, and what a list of
// 1,000 instances holds up the event loop for. Left out: the dials of new connections, which are the same for all.
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { Code } from "../../src/core/code.ts";
import { mix } from "../../src/core/hash.ts";
import { systemRandom } from "../../src/core/random.ts";
import { createBalancer, type BalancerSpec } from "../../src/upstream/balancer/create.ts";
import type { Connection, ConnectionEvents, ConnectionState } from "../../src/upstream/connection/connection.ts";
import { POLICIES } from "../../test/support/balancing-simulation.ts";
import { candidate, type FakeCandidate } from "../../test/support/candidates.ts";
import { openUpstream } from "../../test/support/upstream-lab.ts";
import { cpuUs } from "./cpu.ts";

const SIZES = [3, 30, 1_000] as const;

/** Lets what was put off run to its end. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The most CPU time that one timer took, ms: what an upstream puts off comes in slices. */
let longestSlice = 0;
const timedClock: Clock = {
  now: () => systemClock.now(),
  after: (ms, fn) => systemClock.after(ms, () => (longestSlice = Math.max(longestSlice, cpuMs(fn)))),
};

async function pickNs(policy: BalancerSpec, count: number): Promise<number> {
  const balancer = createBalancer<FakeCandidate>(policy, {
    clock: systemClock,
    random: systemRandom,
    totalInFlight: () => 16,
    onModuleFailure: (reason) => console.error(reason),
  });
  const candidates = Array.from({ length: count }, (_, i) => candidate(addressOf(i), { sinceMs: -1e9 }));
  balancer.list?.(candidates);
  for (const one of candidates) balancer.add(one);
  await settle();
  // As on the path of a request: a pick, an attempt that counts, and its end.
  const running: FakeCandidate[] = [];
  let key = 0;
  return (
    1000 *
    cpuUs(() => {
      const chosen = balancer.pick([], mix(key++));
      if (chosen === null) throw new Error("nothing was picked");
      chosen.inFlight++;
      running.push(chosen);
      if (running.length < 16) return;
      for (const one of running) {
        one.inFlight--;
        balancer.done?.(one, 0, Code.Ok);
      }
      running.length = 0;
    }, 60)
  );
}

function addressOf(index: number): string {
  return `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:50051`;
}

class IdleConnection implements Connection {
  state: ConnectionState = "idle";
  readonly hasRoom = true;
  static closed = 0;
  private readonly events: ConnectionEvents;

  constructor(events: ConnectionEvents) {
    this.events = events;
  }
  connect(): void {
    if (this.state !== "idle") return;
    this.state = "connecting";
    setImmediate(() => this.become("ready"));
  }
  become(state: ConnectionState): void {
    if (this.state === "closed") return;
    this.state = state;
    this.events.onState(state);
  }
  start(): never {
    throw new Error("nothing is called");
  }
  close(): void {
    if (this.state !== "closed") IdleConnection.closed++;
    this.become("closed");
  }
  destroy(): void {
    this.close();
  }
}

console.log(
  `| policy | ${SIZES.map((size) => `ns a pick of ${size}`).join(" | ")} |\n|---|${"---|".repeat(SIZES.length)}`,
);
for (const [name, policy] of Object.entries(POLICIES)) {
  const costs: number[] = [];
  for (const size of SIZES) costs.push(await pickNs(policy, size));
  console.log(`| ${name} | ${costs.map((ns) => ns.toFixed(0)).join(" | ")} |`);
}

console.log("\n| policy | list of 1,000 | ms | longest slice after it | connections dropped |\n|---|---|---|---|---|");
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => addressOf(from + i));
const LISTS = [
  ["first", range(0, 1_000)],
  ["the same", range(0, 1_000)],
  ["100 others", range(100, 1_100)],
  ["all others", range(2_000, 3_000)],
] as const;
// The first of them run before the code is compiled.
const ROUNDS = 15;
const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
for (const name of ["least_request", "round_robin", "ring_hash", "maglev"] as const) {
  const times = LISTS.map((): { ms: number[]; slices: number[]; closed: number } => ({
    ms: [],
    slices: [],
    closed: 0,
  }));
  for (let round = 0; round < ROUNDS; round++) {
    const { list, upstream } = openUpstream((_address, _options, events) => new IdleConnection(events), {
      loadBalancing: POLICIES[name],
      clock: timedClock,
    });
    for (const [step, [, addresses]] of LISTS.entries()) {
      [IdleConnection.closed, longestSlice] = [0, 0];
      const time = times[step];
      time?.ms.push(cpuMs(() => list(...addresses)));
      if (time !== undefined) time.closed = IdleConnection.closed;
      await settle();
      time?.slices.push(longestSlice);
    }
    upstream.destroy();
  }
  for (const [step, [what]] of LISTS.entries()) {
    const { ms = [], slices = [], closed } = times[step] ?? {};
    console.log(`| ${name} | ${what} | ${middle(ms).toFixed(2)} | ${middle(slices).toFixed(2)} | ${closed} |`);
  }
}
