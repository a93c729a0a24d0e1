// More headers in use than the table holds would push each other out with every request, which costs more than no table
// at all. At this rate a whole table of 4,096 bytes still follows a change within some thousand requests.
const CALLS_PER_REPLACED_ENTRY = 32;

// What may be made up for at once: the headers that all requests share, where they are pushed out one after the other.
const MAX_BURST = 8 * CALLS_PER_REPLACED_ENTRY;

/**
 * Bounds how often entries replace others. It is decided per call, not per entry: where several that belong together
 * are gone, they come back together, instead of losing their turn to whatever is written first.
 */
export class Turnover {
  /** Whether this call's entries may replace others. */
  isAllowed = true;

  // A leaky bucket: an entry fills it, calls empty it.
  private callsToGo = 0;

  beginCall(): void {
    if (this.callsToGo > 0) this.callsToGo--;
    this.isAllowed = this.callsToGo < MAX_BURST;
  }

  /** An entry has replaced others. */
  countReplaced(): void {
    this.callsToGo += CALLS_PER_REPLACED_ENTRY;
  }
}
