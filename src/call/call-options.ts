import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import type { CallTarget, FlatMetadata } from "./call.ts";
import type { HedgePlan } from "./hedge.ts";
import type { RetryPolicy } from "./retry.ts";

/** One call: what to send, where, and within which limits. All times are relative, ms; Infinity for no limit. */
export interface CallOptions {
  readonly target: CallTarget;
  readonly clock: Clock;
  readonly random: Random;
  /** `/pkg.Service/Method` */
  readonly path: string;
  readonly metadata: FlatMetadata;
  /** The only request message; null where the owner uses `send` and `halfClose`. Not to be changed until the end. */
  readonly message: Uint8Array | null;
  /** The whole call, waiting and every attempt included. What remains of it is sent as `grpc-timeout`. */
  readonly totalTimeoutMs: number;
  /** Up to the first message of a stream; not told to the upstream. */
  readonly firstMessageTimeoutMs?: number;
  /** Silence between messages of a stream, either way; time in which the owner has paused it does not count. */
  readonly idleTimeoutMs?: number;
  /** How long to wait for a ready instance; 0 not to wait. */
  readonly waitForReadyMs: number;
  /** Whether it may be made again although it may have been processed. */
  readonly idempotent: boolean;
  /** As in `CallTarget.pick`. */
  readonly hashKey?: number;
  /** Three attempts, after UNAVAILABLE, where nothing is said. */
  readonly retry?: RetryPolicy;
  /** Of an idempotent call with `message`; null, the default, for one attempt at a time. */
  readonly hedge?: HedgePlan | null;
}
