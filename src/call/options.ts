import { z } from "zod";
import { codeNamed, codeNames } from "../core/code.ts";
import { choice, duration, integer, list, section } from "../core/options.ts";
import type { HedgePolicy } from "./hedge.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./retry.ts";
import type { RetryBudgetOptions } from "./retry-budget.ts";

/** How long calls may take, and what happens while no instance is ready. */
export interface CallPolicy {
  /** Unary: the whole call; a stream: until its first message. */
  readonly timeoutMs: number;
  /** A stream as a whole; Infinity for no limit. */
  readonly streamTimeoutMs: number;
  /** A stream's silence between two messages; Infinity for no limit. */
  readonly streamIdleTimeoutMs: number;
  readonly waitForReady: {
    /** Within the deadline; 0 fails at once. */
    readonly timeoutMs: number;
    /** How many calls of one upstream may wait. */
    readonly queue: number;
  };
  readonly retry: RetryPolicy & { readonly budget: RetryBudgetOptions };
  readonly hedge: HedgePolicy;
}

export const defaultCallPolicy: CallPolicy = {
  timeoutMs: 5000,
  streamTimeoutMs: Infinity,
  streamIdleTimeoutMs: 300_000,
  waitForReady: { timeoutMs: 5000, queue: 1000 },
  retry: { ...defaultRetryPolicy, budget: { percent: 20, minPerSecond: 10 } },
  hedge: { delayMs: 0, percentile: 0, max: 1 },
};

const readyTimeout = duration({
  docs: "How long a call waits while no instance is ready, within its deadline; 0s fails at once.",
  default: "5s",
  min: 0,
}).optional();

const waitForReady = section(
  { docs: "What calls do while no instance of their upstream is ready." },
  {
    timeout: readyTimeout,
    queue: integer({
      docs: "How many calls of one upstream may wait; one more fails at once.",
      default: 1000,
      min: 0,
      max: 1_000_000,
    }).optional(),
  },
);

const waitForReadyOfRoute = section(
  {
    docs: "What calls do while no instance of their upstream is ready.",
    misplaced: { queue: "belongs on the upstream or in defaults: all routes of an upstream share one queue" },
  },
  { timeout: readyTimeout },
);

const timeouts = {
  timeout: duration({
    docs:
      "Deadline of a unary call, and of a stream's first message; where the client sends a stream, from that one's end " +
      "on. A client's shorter grpc-timeout wins.",
    default: "5s",
  }).optional(),
  stream_timeout: duration({ docs: "Deadline of a stream as a whole.", default: "none", none: true }).optional(),
  stream_idle_timeout: duration({
    docs: "How long a stream may be silent between two messages.",
    default: "5m",
    none: true,
  }).optional(),
};

// OK is none to be repeated.
const status = choice({ docs: "A gRPC status.", of: codeNames.slice(1) });

const retryKeys = {
  attempts: integer({
    docs:
      "Attempts of one call, the first included. Only idempotent calls are made again after they may have been " +
      "processed; where none surely was, a call has three attempts at least.",
    default: 3,
    min: 1,
    max: 10,
  }).optional(),
  codes: list(
    { docs: "Statuses of an upstream after which an idempotent call is made again.", default: ["UNAVAILABLE"] },
    status.meta({ ...status.meta(), title: "gRPC status" }),
  ).optional(),
  per_attempt_timeout: duration({
    docs:
      "How long an attempt of an idempotent call may be without an answer before another is made in its place; where " +
      "none may be made, it goes on.",
    default: "none",
    none: true,
  }).optional(),
};

const retry = section(
  { docs: "When a call is made again on another instance." },
  {
    ...retryKeys,
    budget: section(
      { docs: "How many attempts beyond their first the calls of one upstream may make together." },
      {
        percent: integer({ docs: "Of its calls.", default: 20, min: 0, max: 100 }).optional(),
        min_per_second: integer({
          docs: "Besides, so that an upstream with few calls can be tried again at all.",
          default: 10,
          min: 0,
          max: 1_000_000,
        }).optional(),
      },
    ).optional(),
  },
);

const retryOfRoute = section(
  {
    docs: "When a call is made again on another instance.",
    misplaced: { budget: "belongs on the upstream or in defaults: all routes of an upstream share one budget" },
  },
  retryKeys,
);

const hedge = section(
  {
    docs:
      "Makes an idempotent call once more, on another instance, while it has no answer: the first good answer counts. " +
      "Needs delay or percentile; under the same budget as retries. Streams from clients are not hedged.",
    check({ delay, percentile }, complain) {
      if (delay !== undefined && percentile !== undefined) complain(["percentile"], "excludes delay");
    },
  },
  {
    delay: duration({ docs: "How long the answer may take before." }).optional(),
    percentile: integer({
      docs: "As long as so many of a hundred calls of the route take at most, as the last thousand show.",
      min: 50,
      max: 99,
    }).optional(),
    max: integer({ docs: "Attempts beside the first; 0 for none.", default: 1, min: 0, max: 5 }).optional(),
  },
);

/** Keys of `defaults` and of an upstream. */
export const callPolicyShape = {
  ...timeouts,
  wait_for_ready: waitForReady.optional(),
  retry: retry.optional(),
  hedge: hedge.optional(),
};
/** Keys of a route. */
export const callPolicyShapeOfRoute = {
  ...timeouts,
  wait_for_ready: waitForReadyOfRoute.optional(),
  retry: retryOfRoute.optional(),
  hedge: hedge.optional(),
};

type Parsed = z.output<z.ZodObject<typeof callPolicyShape>>;

/** What a level sets, undefined where it leaves a key to the level above. */
export function toCallPolicy(parsed: Parsed) {
  return {
    timeoutMs: parsed.timeout,
    streamTimeoutMs: parsed.stream_timeout,
    streamIdleTimeoutMs: parsed.stream_idle_timeout,
    waitForReady: { timeoutMs: parsed.wait_for_ready?.timeout, queue: parsed.wait_for_ready?.queue },
    retry: {
      attempts: parsed.retry?.attempts,
      codes: parsed.retry?.codes?.flatMap((name) => codeNamed(name) ?? []),
      perAttemptTimeoutMs: parsed.retry?.per_attempt_timeout,
      budget: { percent: parsed.retry?.budget?.percent, minPerSecond: parsed.retry?.budget?.min_per_second },
    },
    hedge: toHedge(parsed.hedge ?? {}),
  };
}

// The key that is set takes the place of the other one's inherited value.
function toHedge({
  delay,
  percentile,
  max,
}: {
  delay?: number | undefined;
  percentile?: number | undefined;
  max?: number | undefined;
}) {
  const isSet = delay !== undefined || percentile !== undefined;
  return { delayMs: isSet ? (delay ?? 0) : undefined, percentile: isSet ? (percentile ?? 0) : undefined, max };
}
