import type { Clock } from "../core/clock.ts";
import type { Connection } from "./connection/connection.ts";

// A connection made costs a fifth of a millisecond of this process's time, or a millisecond with TLS: thousands at once
// would hold up every request for as long as they take together.
const AT_ONCE = 50;
const PER_MS = 1;
const TURN_MS = 10;

/** Makes an upstream's connections: the first at once, those of a large fleet at 1,000 a second, in order. */
export class Dialler {
  private readonly clock: Clock;
  private readonly waiting = new Set<Connection>();
  private allowed = AT_ONCE;
  private allowedAtMs: number;
  private stopTimer: (() => void) | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
    this.allowedAtMs = clock.now();
  }

  /** Does nothing where it is connected, or about to be, or closed. */
  dial(connection: Connection): void {
    const { state } = connection;
    if (state !== "idle" && state !== "backoff") return;
    this.waiting.add(connection);
    if (this.stopTimer === null) this.proceed();
  }

  close(): void {
    this.waiting.clear();
    this.stopTimer?.();
    this.stopTimer = null;
  }

  private proceed(): void {
    const now = this.clock.now();
    this.allowed = Math.min(AT_ONCE, this.allowed + (now - this.allowedAtMs) * PER_MS);
    this.allowedAtMs = now;
    for (const connection of this.waiting) {
      if (this.allowed < 1) break;
      this.allowed--;
      this.waiting.delete(connection);
      connection.connect();
    }
    if (this.waiting.size === 0) return;
    this.stopTimer = this.clock.after(TURN_MS, () => {
      this.stopTimer = null;
      this.proceed();
    });
  }
}
