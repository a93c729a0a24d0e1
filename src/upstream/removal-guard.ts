import type { Clock } from "../core/clock.ts";

/**
 * Doubts a list that is empty, or that lost two endpoints or more and with them half of what it had, at once. That is
 * what a registry looks like that was wiped, or whose leases ran out while nobody could renew them; the instances are
 * well, and register again. Until then, or until `limitMs` is over, those that are missing are worth keeping.
 *
 * A single one that leaves a pair is believed: that is how services are restarted.
 */
export class RemovalGuard {
  /** 0: every list is believed. */
  limitMs: number;
  private readonly clock: Clock;
  private readonly onOver: () => void;
  /** Endpoints before the list shrank; 0 while none is in doubt. */
  private before = 0;
  private stopTimer: (() => void) | null = null;

  /** `onOver` is called when a doubt ends by time. */
  constructor(limitMs: number, clock: Clock, onOver: () => void) {
    this.limitMs = limitMs;
    this.clock = clock;
    this.onOver = onOver;
  }

  /** Whether a list of `listed` endpoints is in doubt, where `known` are in force. A doubt ends with a list as long as before. */
  doubts(known: number, listed: number): boolean {
    if (this.before === 0) {
      const isHalved = listed * 2 <= known && known - listed >= 2;
      const isEmptied = listed === 0 && known > 0;
      if (this.limitMs === 0 || (!isHalved && !isEmptied)) return false;
      this.before = known;
      this.stopTimer = this.clock.after(this.limitMs, () => {
        this.end();
        this.onOver();
      });
      return true;
    }
    if (listed < this.before) return true;
    this.end();
    return false;
  }

  /** Ends the doubt; nothing is told. */
  end(): void {
    this.before = 0;
    this.stopTimer?.();
    this.stopTimer = null;
  }
}
