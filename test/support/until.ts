import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 10;

/**
 * Asks `probe` until it gives something other than undefined or false; rejects after `timeoutMs` with `what` was waited
 * for. Only for what no event tells, such as the state of another process.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(POLL_MS);
  }
}
