import { Code } from "../core/code.ts";
import type { Random } from "../core/random.ts";
import type { AttemptEnd, FlatMetadata } from "./call.ts";

/** When a call is made again; one object for all calls of a route. */
export interface RetryPolicy {
  /** Attempts of one call, the first included; 1 for none after it, but where it surely was not processed. */
  readonly attempts: number;
  /** Statuses of an upstream after which an idempotent call is made again. */
  readonly codes: readonly Code[];
  /** How long an attempt of an idempotent call may be without an answer before another is made instead; Infinity for ever. */
  readonly perAttemptTimeoutMs: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 3,
  codes: [Code.Unavailable],
  perAttemptTimeoutMs: Infinity,
};

/** Attempts that a call may have, whatever its policy, as long as none of them was processed. */
export const MAX_UNPROCESSED_ATTEMPTS = 3;

// A wait only makes sense where every instance was tried: one that has just refused needs a moment, not a hammer.
const BACKOFF_BASE_MS = 25;
const BACKOFF_CAP_MS = 250;

const BROKEN_OFF: ReadonlySet<string | undefined> = new Set(["UPSTREAM_CONNECTION_LOST", "UPSTREAM_CANCELLED"]);

/**
 * Whether a call whose attempt ended like this may be made again on another instance: always where it surely was not
 * processed, and where repeating does no harm also after certain statuses or a broken connection. An HTTP/2
 * ENHANCE_YOUR_CALM never is: the instance asked for less, not for more.
 */
export function mayRepeat(end: AttemptEnd, idempotent: boolean, codes: readonly Code[]): boolean {
  switch (end.outcome) {
    case "not_processed":
      return end.code !== Code.ResourceExhausted;
    case "answered":
      return idempotent && codes.includes(end.code) && pushbackMs(end.trailers) !== null;
    case "unknown":
      return idempotent && BROKEN_OFF.has(end.error?.code);
    default:
      return end.outcome satisfies never;
  }
}

/**
 * What the upstream says of another attempt (gRFC A6, "Pushback"): to make it after so many milliseconds, null not to
 * make one, undefined where it says nothing.
 */
export function pushbackMs(trailers: FlatMetadata): number | null | undefined {
  for (let i = 0; i < trailers.length; i += 2) {
    if (trailers[i] !== "grpc-retry-pushback-ms") continue;
    const value = trailers[i + 1] ?? "";
    // "If the value … is negative or unparseable": no more attempts.
    return /^\d{1,10}$/.test(value) ? Number(value) : null;
  }
  return undefined;
}

/** How long to wait after the `attempts`-th attempt: 25 ms doubling to 250 ms, of which half is drawn by lot. */
export function backoffMs(attempts: number, random: Random): number {
  const full = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (attempts - 1));
  return full * (0.5 + random() / 2);
}
