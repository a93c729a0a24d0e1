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

/**
 * How many of each kind may fail, as a share of all requests; `in flight`: those alone that were under way when an
 * instance was killed. No mutation is ever executed twice.
 */
export interface Bound {
  readonly reads: number;
  readonly mutations: number | "in flight";
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

/** Failures of one kind that are told one by one. */
const SHOWN = 3;
const SHOWN_CHARS = 200;
/** A request that is due so soon after a kill may reach the gateway before the news of it. */
const NEWS_MS = 500;
/** A request that takes longer was hit by the event: the work takes 20 ms. */
const SLOW_MS = 250;

export async function runDrill(drill: Drill, options: LabOptions): Promise<DrillResult> {
  const lab = await Lab.open(options);
  try {
    const happen = await drill.setUp(lab);
    const load = lab.startLoad();
    await delay(options.beforeMs);
    const eventMs = performance.now();
    const problems: string[] = [];
    const measured = await happen().catch((error: Error) => void problems.push(error.message));
    await delay(Math.max(0, eventMs + options.seconds * 1000 - performance.now()));
    await load.stop();
    const { lastKillMs } = lab;
    const repeated = lab.repeatedMutations();
    return summarise(drill, { ...options, samples: load.samples, eventMs, lastKillMs, measured, repeated, problems });
  } finally {
    await lab.close();
  }
}

interface Course extends LabOptions {
  readonly samples: readonly Sample[];
  readonly eventMs: number;
  readonly lastKillMs: number;
  readonly measured: number | void;
  readonly repeated: number;
  readonly problems: string[];
}

function summarise({ name, event, bound }: Drill, course: Course): DrillResult {
  const { samples, eventMs, lastKillMs, measured, repeated, problems, slack } = course;
  const reads = samples.filter(({ isMutation }) => !isMutation);
  const mutations = samples.filter(({ isMutation }) => isMutation);
  const most = (share: number): number => (share === 0 ? 0 : Math.floor(samples.length * share) + slack);
  const check = (what: string, failed: readonly Sample[], allowed: number): void => {
    if (failed.length <= allowed) return;
    problems.push(`${failed.length} ${what} failed, at most ${allowed} may`);
    for (const { dueMs, tookMs, status, body } of failed.slice(0, SHOWN)) {
      const atMs = (dueMs - eventMs).toFixed(0);
      problems.push(`${status} at ${atMs} ms, after ${tookMs.toFixed(0)} ms: ${body.slice(0, SHOWN_CHARS)}`);
    }
  };
  check("reads", reads.filter(isFailed), most(bound.reads));
  if (bound.mutations === "in flight") {
    const late = mutations.filter((one) => isFailed(one) && one.dueMs > lastKillMs + NEWS_MS);
    check("mutations that were not in flight", late, 0);
  } else check("mutations", mutations.filter(isFailed), most(bound.mutations));
  if (repeated > 0) problems.push(`${repeated} mutations were executed more than once`);
  const tooks = samples.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const at = (share: number): number => tooks[Math.ceil(tooks.length * share) - 1] ?? 0;
  const hit = samples.filter((one) => one.dueMs + one.tookMs >= eventMs && (isFailed(one) || one.tookMs > SLOW_MS));
  const lastHitMs = hit.reduce((last, { dueMs }) => Math.max(last, dueMs - eventMs), 0);
  return {
    name,
    event,
    requests: samples.length,
    failedReads: failures(reads),
    failedMutations: failures(mutations),
    repeated,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    recoveryMs: measured ?? lastHitMs,
    bound,
    problems,
  };
}

function isFailed({ status }: Sample): boolean {
  return status !== 200;
}

function failures(samples: readonly Sample[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of samples.filter(isFailed)) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
