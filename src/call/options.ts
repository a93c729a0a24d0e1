import { z } from "zod";
import { duration, integer, section } from "../core/options.ts";

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
}

export const defaultCallPolicy: CallPolicy = {
  timeoutMs: 5000,
  streamTimeoutMs: Infinity,
  streamIdleTimeoutMs: 300_000,
  waitForReady: { timeoutMs: 5000, queue: 1000 },
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

/** Keys of `defaults` and of an upstream. */
export const callPolicyShape = { ...timeouts, wait_for_ready: waitForReady.optional() };
/** Keys of a route. */
export const callPolicyShapeOfRoute = { ...timeouts, wait_for_ready: waitForReadyOfRoute.optional() };

type Parsed = z.output<z.ZodObject<typeof callPolicyShape>>;

/** What a level sets, undefined where it leaves a key to the level above. */
export function toCallPolicy(parsed: Parsed) {
  return {
    timeoutMs: parsed.timeout,
    streamTimeoutMs: parsed.stream_timeout,
    streamIdleTimeoutMs: parsed.stream_idle_timeout,
    waitForReady: { timeoutMs: parsed.wait_for_ready?.timeout, queue: parsed.wait_for_ready?.queue },
  };
}
