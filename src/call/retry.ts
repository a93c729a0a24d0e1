import { Code } from "../core/code.ts";
import type { Random } from "../core/random.ts";
import type { AttemptEnd } from "./call.ts";

/** Attempts of one call, the first included. */
export const MAX_ATTEMPTS = 3;

// A wait only makes sense where every instance was tried: one that has just refused needs a moment, not a hammer.
const BACKOFF_BASE_MS = 25;
const BACKOFF_CAP_MS = 250;

const BROKEN_OFF: ReadonlySet<string | undefined> = new Set(["UPSTREAM_CONNECTION_LOST", "UPSTREAM_CANCELLED"]);

/**
 * Whether a call whose attempt ended like this may be made again on another instance: always where it surely was not
 * processed, and where repeating does no harm also after UNAVAILABLE or a broken connection. RESOURCE_EXHAUSTED (an
 * HTTP/2 ENHANCE_YOUR_CALM among it) never is: the instance asked for less, not for more.
 */
export function mayRepeat(end: AttemptEnd, idempotent: boolean): boolean {
  if (end.code === Code.ResourceExhausted) return false;
  switch (end.outcome) {
    case "not_processed":
      return true;
    case "answered":
      return idempotent && end.code === Code.Unavailable;
    case "unknown":
      return idempotent && BROKEN_OFF.has(end.error?.code);
    default:
      return end.outcome satisfies never;
  }
}

/** How long to wait after the `attempts`-th attempt: 25 ms doubling to 250 ms, of which half is drawn by lot. */
export function backoffMs(attempts: number, random: Random): number {
  const full = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (attempts - 1));
  return full * (0.5 + random() / 2);
}
