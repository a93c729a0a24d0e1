import type { Random } from "../../core/random.ts";

/** Which member to dial, and how long to wait before: the members in turn, a wait after each round of them. */
export interface Redial {
  /** `host:port` of the member whose turn it is. */
  readonly address: string;
  /** The connection failed or broke: moves on to the next member. Milliseconds to wait before it is dialled. */
  failed(): number;
  /** The connection proved good; the next wait is the shortest again. */
  succeeded(): void;
}

const FIRST_WAIT_MS = 100;
const WAIT_FACTOR = 1.6;
// The list must be current within 2 s of etcd's return; what remains is for connecting and listing.
const MAX_WAIT_MS = 1500;
/** A wait is shortened by up to this share, so that gateways which lost etcd together do not return together. */
const JITTER_RATIO = 0.4;

/** Begins at a random member, so that many gateways spread over them. */
export function createRedial(addresses: readonly string[], random: Random): Redial {
  let index = Math.floor(random() * addresses.length);
  let failures = 0;
  let waitMs = FIRST_WAIT_MS;
  return {
    get address() {
      return addresses[index] ?? "";
    },
    failed() {
      index = (index + 1) % addresses.length;
      failures += 1;
      if (failures % addresses.length !== 0) return 0;
      const wait = waitMs * (1 - JITTER_RATIO * random());
      waitMs = Math.min(waitMs * WAIT_FACTOR, MAX_WAIT_MS);
      return wait;
    },
    succeeded() {
      failures = 0;
      waitMs = FIRST_WAIT_MS;
    },
  };
}
