import type { Clock } from "../../src/core/clock.ts";
import { Code } from "../../src/core/code.ts";
import { mix } from "../../src/core/hash.ts";
import type { Random } from "../../src/core/random.ts";
import { createBalancer, type BalancerSpec } from "../../src/upstream/balancer/create.ts";
import { Heap, type HeapEntry } from "../../src/upstream/balancer/heap.ts";
import { candidate, type FakeCandidate } from "./candidates.ts";
import { seededRandom } from "./seeded-random.ts";

// What a policy does by itself, with neither ejection nor retries to help it: calls come at random (Poisson) at half of
// what a fleet can do, to servers of which each works on a few at a time and has the others wait.

export const SCENARIOS = ["equal", "slow", "failing", "hung", "joining"] as const;
/** All are equal; or one takes ten times as long, fails at once, never answers, or comes late and cold. */
export type Scenario = (typeof SCENARIOS)[number];

const slowStart = { windowMs: 5_000, aggression: 1, minRatio: 0.1 };
const hashing = { hashOn: { kind: "client_ip" }, boundedLoad: null } as const;

/** What is simulated, by the names that tables show. */
export const POLICIES = {
  least_request: { policy: "least_request" },
  "least_request, slow start": { policy: "least_request", slowStart },
  p2c_ewma: { policy: "p2c_ewma", decayMs: 10_000 },
  round_robin: { policy: "round_robin" },
  "round_robin, slow start": { policy: "round_robin", slowStart },
  random: { policy: "random" },
  ring_hash: { policy: "ring_hash", pointsPerEndpoint: 160, ...hashing },
  "ring_hash, bounded 1.25": { policy: "ring_hash", pointsPerEndpoint: 160, ...hashing, boundedLoad: 1.25 },
  maglev: { policy: "maglev", tableSize: 65_537, ...hashing },
} as const satisfies Readonly<Record<string, BalancerSpec>>;

export interface SimulationOptions {
  readonly policy: BalancerSpec;
  readonly scenario: Scenario;
  readonly endpoints: number;
  readonly seed: number;
}

export interface SimulationResult {
  /** What the odd one got of the calls, or the first where all are equal; 1 is its fair share. While it was there. */
  readonly oddShare: number;
  /** The least and the most that any of the others got; 1 is the average of these. */
  readonly leastShare: number;
  readonly mostShare: number;
  /** Of the latencies of calls that did not fail at once, ms. */
  readonly p50: number;
  readonly p99: number;
  /** Of all calls, in [0, 1]. */
  readonly failureRatio: number;
}

const SERVICE_MS = 100;
const WORKERS = 4;
const UTILISATION = 0.5;
const SLOWNESS = 10;
const FAIL_MS = 1;
const TIMEOUT_MS = 1_000;
/** Not counted: what comes before things have settled. */
const WARM_UP_MS = 1_000;
const MIN_CALLS = 6_000;
const MIN_MS = 1_000;
/** How long one that has joined is as slow as the slow one. */
const COLD_MS = 5_000;

interface Event extends HeapEntry {
  readonly run: () => void;
}

/** Time that goes from event to event. */
class SimulatedClock implements Clock {
  private readonly events = new Heap<Event>();
  private time = 0;
  private order = 0;

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    const event: Event = { key: this.time + ms, order: this.order++, index: -1, run };
    this.events.push(event);
    return () => {
      if (this.events.has(event)) this.events.delete(event);
    };
  }

  runUntil(endMs: number): void {
    for (let next = this.events.peek(); next !== undefined && next.key <= endMs; next = this.events.peek()) {
      this.events.delete(next);
      this.time = next.key;
      next.run();
    }
  }
}

class Server {
  readonly candidate: FakeCandidate;
  calls = 0;
  readonly serviceMs: (now: number) => number;
  private readonly waiting: (() => void)[] = [];
  private working = 0;
  private readonly clock: Clock;
  private readonly random: Random;

  constructor(name: string, clock: Clock, random: Random, serviceMs: (now: number) => number) {
    this.candidate = candidate(name);
    this.clock = clock;
    this.random = random;
    this.serviceMs = serviceMs;
  }

  /** `answer` is called once it has been worked on. */
  take(answer: () => void): void {
    if (this.working >= WORKERS) {
      this.waiting.push(answer);
      return;
    }
    this.working++;
    const mean = this.serviceMs(this.clock.now());
    if (mean === Infinity) return;
    this.clock.after(-mean * Math.log(1 - this.random()), () => {
      this.working--;
      answer();
      const next = this.waiting.shift();
      if (next !== undefined) this.take(next);
    });
  }
}

export function simulate({ policy, scenario, endpoints, seed }: SimulationOptions): SimulationResult {
  const clock = new SimulatedClock();
  const random = seededRandom(seed);
  const ratePerMs = (endpoints * WORKERS * UTILISATION) / SERVICE_MS;
  const joinMs = scenario === "joining" ? WARM_UP_MS : 0;
  const endMs = WARM_UP_MS + Math.max(MIN_MS, MIN_CALLS / ratePerMs);
  let inFlight = 0;
  const balancer = createBalancer<FakeCandidate>(policy, {
    clock,
    random: seededRandom(seed + 1),
    totalInFlight: () => inFlight,
    onModuleFailure: (reason) => {
      throw new Error(reason);
    },
  });
  const servers = Array.from({ length: endpoints }, (_, index) => {
    const serviceMs = index === 0 ? oddService(scenario, joinMs) : () => SERVICE_MS;
    return new Server(`10.0.${index >> 8}.${index & 255}:50051`, clock, random, serviceMs);
  });
  const odd = servers[0] as Server; // there is one at least
  const byCandidate = new Map(servers.map((server) => [server.candidate, server]));
  balancer.list?.(servers.map((server) => server.candidate));
  const join = (server: Server): void => {
    server.candidate.sinceMs = clock.now();
    balancer.add(server.candidate);
  };
  // Long before: none of them starts slowly but the one that joins.
  for (const server of servers) if (server !== odd || joinMs === 0) join(server);
  for (const { candidate: one } of servers) one.sinceMs = -1e9;
  if (joinMs > 0) {
    odd.candidate.connections = 0;
    clock.after(joinMs, () => {
      odd.candidate.connections = 1;
      join(odd);
    });
  }

  const latencies: number[] = [];
  let [counted, failures] = [0, 0];
  const call = (): void => {
    clock.after(-Math.log(1 - random()) / ratePerMs, call);
    const chosen = balancer.pick([], mix(Math.floor(random() * 1e9)));
    if (chosen === null) throw new Error("nothing was picked");
    const server = byCandidate.get(chosen) as Server; // one of those added
    const startMs = clock.now();
    const isCounted = startMs >= WARM_UP_MS;
    if (isCounted) {
      counted++;
      server.calls++;
    }
    chosen.inFlight++;
    inFlight++;
    let isOver = false;
    const end = (code: Code): void => {
      if (isOver) return;
      isOver = true;
      stopTimeout();
      chosen.inFlight--;
      inFlight--;
      balancer.done?.(chosen, startMs, code);
      if (!isCounted) return;
      if (code !== Code.Ok) failures++;
      if (code !== Code.Unavailable) latencies.push(clock.now() - startMs);
    };
    const stopTimeout = clock.after(TIMEOUT_MS, () => end(Code.DeadlineExceeded));
    if (scenario === "failing" && server === odd) clock.after(FAIL_MS, () => end(Code.Unavailable));
    else server.take(() => end(Code.Ok));
  };
  clock.after(0, call);
  clock.runUntil(endMs);
  balancer.close?.();

  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor(q * latencies.length)] ?? NaN;
  const others = servers.slice(1).map((server) => server.calls);
  const average = others.reduce((sum, calls) => sum + calls, 0) / others.length;
  return {
    oddShare: odd.calls / (counted / endpoints),
    leastShare: Math.min(...others) / average,
    mostShare: Math.max(...others) / average,
    p50: quantile(0.5),
    p99: quantile(0.99),
    failureRatio: failures / counted,
  };
}

function oddService(scenario: Scenario, joinMs: number): (now: number) => number {
  switch (scenario) {
    case "equal":
    case "failing":
      return () => SERVICE_MS;
    case "slow":
      return () => SERVICE_MS * SLOWNESS;
    case "hung":
      return () => Infinity;
    case "joining":
      return (now) => SERVICE_MS * (now - joinMs < COLD_MS ? SLOWNESS : 1);
    default:
      return scenario satisfies never;
  }
}
