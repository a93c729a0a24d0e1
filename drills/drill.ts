import { setTimeout as delay } from "node:timers/promises";
import { Lab, type LabOptions } from "./lab.ts";
import type { Sample } from "./open-loop.ts";

/** One event, and what may be lost by it. */
export interface Drill {
  readonly name: string;
  /** In a few words, for people. */
  readonly event: string;
  readonly bound: Bound;
  /** Starts instances and gateway; the load follows when it resolves. */
  setUp(lab: Lab): Promise<Happen>;
}

/**
 * Has the event come about under load, and whatever ends it. Resolves when there is no more to come; rejects where
 * something besides the requests did not go as promised. Gives the milliseconds of `recovery`, where the drill itself
 * knows them.
 */
export type Happen = () => Promise<number | void>;

/** The largest share of requests that may fail, each of its kind. No mutation is ever executed twice. */
export interface Bound {
  readonly reads: number;
  readonly mutations: number;
}

export interface DrillResult {
  readonly name: string;
  readonly event: string;
  readonly requests: number;
  /** Keyed by HTTP status; 0 is a connection that broke. */
  readonly failedReads: Readonly<Record<string, number>>;
  readonly failedMutations: Readonly<Record<string, number>>;
  /** Mutations that reached instances more than once. */
  readonly repeated: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** From the event to the last request that failed or took long, or what the drill measures instead. */
  readonly recoveryMs: number;
  readonly bound: Bound;
  /** What did not hold, in sentences; empty where the drill passed. */
  readonly problems: readonly string[];
}

/** A request that takes longer was hit by the event: the work takes 20 ms. */
const SLOW_MS = 250;
/** Load before the event, so that every connection and every route is warm. */
const BEFORE_MS = 1000;

export async function runDrill(drill: Drill, options: LabOptions): Promise<DrillResult> {
  const lab = await Lab.open(options);
  try {
    const happen = await drill.setUp(lab);
    const load = lab.startLoad();
    await delay(BEFORE_MS);
    const eventMs = performance.now();
    const problems: string[] = [];
    const measured = await happen().catch((error: Error) => void problems.push(error.message));
    await delay(Math.max(0, eventMs + options.seconds * 1000 - performance.now()));
    await load.stop();
    return summarise(drill, load.samples, eventMs, measured, lab.repeatedMutations(), problems);
  } finally {
    await lab.close();
  }
}

function summarise(
  { name, event, bound }: Drill,
  samples: readonly Sample[],
  eventMs: number,
  measuredMs: number | void,
  repeated: number,
  problems: string[],
): DrillResult {
  const [reads, mutations] = [false, true].map((isMutation) => samples.filter((one) => one.isMutation === isMutation));
  const failedReads = failures(reads ?? []);
  const failedMutations = failures(mutations ?? []);
  for (const [what, failed, all, share] of [
    ["reads", failedReads, reads, bound.reads],
    ["mutations", failedMutations, mutations, bound.mutations],
  ] as const) {
    const count = total(failed);
    const most = Math.floor((all?.length ?? 0) * share);
    if (count > most) problems.push(`${count} ${what} failed, at most ${most} may`);
  }
  if (repeated > 0) problems.push(`${repeated} mutations were executed more than once`);
  const tooks = samples.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const at = (share: number): number => tooks[Math.ceil(tooks.length * share) - 1] ?? 0;
  const hit = samples.filter(({ dueMs, tookMs, status }) => dueMs + tookMs >= eventMs && isHit(status, tookMs));
  const lastHitMs = hit.reduce((last, { dueMs }) => Math.max(last, dueMs - eventMs), 0);
  return {
    name,
    event,
    requests: samples.length,
    failedReads,
    failedMutations,
    repeated,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    recoveryMs: measuredMs ?? lastHitMs,
    bound,
    problems,
  };
}

function isHit(status: number, tookMs: number): boolean {
  return status !== 200 || tookMs > SLOW_MS;
}

function failures(samples: readonly Sample[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of samples) if (status !== 200) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
