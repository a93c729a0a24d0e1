import { type Clock, systemClock } from "../core/clock.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { parseAddress } from "./address.ts";
import { servicePrefix } from "./etcd/keys.ts";
import { createRegistrar, type Registration } from "./etcd/registrar.ts";
import type { RegistrationEvent } from "./events.ts";

export interface RegisterOptions {
  /** Members of the etcd cluster, `http://host:port` or `host:port` each; at least one. */
  readonly endpoints: readonly string[];
  /** As in the target: `etcd:///shop` finds what registers as `shop`. */
  readonly service: string;
  /** Where this instance listens: `host:port`, IPv6 in brackets. */
  readonly address: string;
  /** Stands before the service, such as `/etcd3_naming/`; none by default. */
  readonly prefix?: string;
  /** By default `<prefix><service>/<address>`. */
  readonly key?: string;
  /** How long the key outlives a process that was killed; 10 by default, at least 1. etcd may grant more. */
  readonly ttlSeconds?: number;
  /** `endpoints`, the default, is the JSON of etcd's Go client `naming/endpoints`; `plain` is `host:port`. */
  readonly format?: "endpoints" | "plain";
  /** For `endpoints`: anything JSON can say; the gateway reads `weight` and `zone`. */
  readonly metadata?: unknown;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly onEvent?: (event: RegistrationEvent) => void;
}

/**
 * Registers an instance in etcd, keeps it registered through every failure of etcd, also where etcd is missing at the
 * start, and takes it away with `close`. Throws an Error for an address or endpoint that cannot be read.
 */
export function register(options: RegisterOptions): Registration {
  const parsed = parseAddress(options.address);
  if (!parsed.ok) throw new Error(parsed.reason);
  const { address } = parsed;
  const { ttlSeconds = 10, format = "endpoints", metadata = null } = options;
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1) {
    throw new Error(`ttlSeconds is ${ttlSeconds}; expected a whole number from 1 up`);
  }
  return createRegistrar({
    endpoints: options.endpoints,
    key: options.key ?? `${servicePrefix(options.service, options.prefix ?? "")}${address}`,
    value: format === "plain" ? address : JSON.stringify({ Op: 0, Addr: address, Metadata: metadata }),
    ttlSeconds,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    onEvent: options.onEvent ?? (() => {}),
  });
}
