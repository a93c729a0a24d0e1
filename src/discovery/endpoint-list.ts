import type { Endpoint } from "../upstream/resolver.ts";
import { parseAddress, quoteValue } from "./address.ts";

/** Most endpoints of one upstream. */
export const MAX_ENDPOINTS = 10_000;
/** Higher weights count as this, so that one instance cannot draw all calls to itself. */
export const MAX_WEIGHT = 1000;
export const MAX_ZONE_LENGTH = 64;

/** Whether two lists, in the order of addresses both, say the same. */
export function isSameList(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i];
      return (
        one.address === other?.address &&
        one.weight === other.weight &&
        one.zone === other.zone &&
        one.connections === other.connections
      );
    })
  );
}

/** What a list from outside comes to. */
export interface ReadList {
  /** Each address once, the last of its name, in the order of addresses. */
  readonly endpoints: readonly Endpoint[];
  /** Why something was left out, a sentence each. */
  readonly refused: readonly string[];
}

const MAX_REASONS = 10;

/**
 * Reads a list of `"host:port"` or `{ address, weight = 1, zone = "", connections }` that may be anything: never throws,
 * leaves out what is wrong. `connections` stand in where an element says none.
 */
export function readEndpoints(value: unknown, connections: number): ReadList {
  if (!Array.isArray(value)) return { endpoints: [], refused: ["the list of endpoints is no array"] };
  const found = new Map<string, Endpoint>();
  const refused: string[] = [];
  for (const element of value.slice(0, MAX_ENDPOINTS)) {
    const endpoint = readEndpoint(element, connections);
    if (typeof endpoint !== "string") found.set(endpoint.address, endpoint);
    else if (refused.length < MAX_REASONS) refused.push(endpoint);
  }
  if (value.length > MAX_ENDPOINTS) refused.push(`${value.length} endpoints; the first ${MAX_ENDPOINTS} are used`);
  const endpoints = [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  return { endpoints, refused };
}

/** An endpoint, or why it is none. */
function readEndpoint(value: unknown, defaultConnections: number): Endpoint | string {
  const object = (typeof value === "object" && value !== null ? value : { address: value }) as Record<string, unknown>;
  const { address, weight = 1, zone = "", connections = defaultConnections } = object;
  if (typeof address !== "string") {
    return `the address is ${quoteValue(address)}; expected host:port`;
  }
  const parsed = parseAddress(address);
  if (!parsed.ok) return parsed.reason;
  if (typeof weight !== "number" || !(weight >= 0)) {
    return `${parsed.address}: the weight is ${quoteValue(weight)}; expected a number from 0 up`;
  }
  if (typeof zone !== "string" || zone.length > MAX_ZONE_LENGTH) {
    return `${parsed.address}: the zone is ${quoteValue(zone)}; expected at most ${MAX_ZONE_LENGTH} characters`;
  }
  if (!Number.isInteger(connections) || (connections as number) < 1 || (connections as number) > 1000) {
    return `${parsed.address}: ${quoteValue(connections)} connections; expected a whole number from 1 to 1000`;
  }
  return {
    address: parsed.address,
    weight: Math.min(weight, MAX_WEIGHT),
    zone,
    connections: connections as number, // checked above
  };
}
