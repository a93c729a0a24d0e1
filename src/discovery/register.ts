import { hostname, networkInterfaces } from "node:os";
import { type Clock, systemClock } from "../core/clock.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { parseAddress } from "./address.ts";
import type { EtcdAccess } from "./etcd/members.ts";
import { createRegistrar, type Registration } from "./etcd/registrar.ts";
import type { RegistrationEvent } from "./events.ts";
import { formatEntry } from "./registration/format.ts";
import { openGate } from "./registration/gate.ts";
import { HEALTH_MODES, REGISTRATION_FORMATS, type HealthMode, type RegistrationFormat } from "./registration/modes.ts";
import { ownAddress } from "./registration/own-address.ts";

export type { Registration } from "./etcd/registrar.ts";
export type { RegistrationEvent } from "./events.ts";
export type { HealthMode, RegistrationFormat } from "./registration/modes.ts";

export interface RegisterOptions extends EtcdAccess {
  /** As in the target: `etcd:///shop` finds what registers as `shop`. Several are kept under one lease. */
  readonly service: string | readonly string[];
  /**
   * Where this instance is reached: `host:port`, IPv6 in brackets. With a port alone (`:50051`, `0.0.0.0:50051`) the
   * host is this machine's first IPv4 that is not loopback.
   */
  readonly address: string;
  /** The network interface that the host is taken of, such as `eth0`. */
  readonly interface?: string;
  /** Stands before the service, such as `/etcd3_naming/`; none by default, `/microservices/` for `kratos`. */
  readonly prefix?: string;
  /** Of a single service, instead of what the format says. */
  readonly key?: string;
  /** How long the key outlives a process that was killed; 10 by default, at least 1. etcd may grant more. */
  readonly ttlSeconds?: number;
  /** What is written; `endpoints`, that of etcd's Go client, by default. */
  readonly format?: RegistrationFormat;
  /** For `endpoints`: anything JSON can say; the gateway reads `weight` and `zone`. For `kratos`: an object of strings. */
  readonly metadata?: unknown;
  /** Registers only while the instance serves, as `HealthMode` tells; by default at once and whatever becomes of it. */
  readonly health?: HealthMode;
  /** Where it is asked for its health: `host:port`; `address` by default. */
  readonly healthAddress?: string;
  /** Which service of grpc.health.v1; "" by default, the whole server. */
  readonly healthService?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly onEvent?: (event: RegistrationEvent) => void;
}

/**
 * Registers an instance in etcd, keeps it registered through every failure of etcd, also where etcd is missing at the
 * start, and takes it away with `close`. Throws an Error for an option that cannot be read.
 */
export function register(options: RegisterOptions): Registration {
  const { ttlSeconds = 10, format = "endpoints", metadata = null, health, key } = options;
  const { clock = systemClock, random = systemRandom, onEvent = () => {} } = options;
  const services = typeof options.service === "string" ? [options.service] : options.service;
  if (services.length === 0) throw new Error("there is no service to register; expected a name such as shop");
  services.forEach(checkService);
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1) {
    throw new Error(`ttlSeconds is ${ttlSeconds}; expected a whole number from 1 up`);
  }
  checkOneOf("format", format, REGISTRATION_FORMATS);
  if (health !== undefined) checkOneOf("health", health, HEALTH_MODES);
  if (key !== undefined && services.length > 1) throw new Error("a key goes with one service only");

  const address = ownAddress(options.address, networkInterfaces(), options.interface);
  const probed = parseAddress(options.healthAddress ?? address);
  if (!probed.ok) throw new Error(probed.reason);
  const entries = services.map((service) =>
    formatEntry(format, { service, address, prefix: options.prefix, metadata, hostname: hostname() }),
  );
  const registrar = createRegistrar({
    endpoints: options.endpoints,
    tls: options.tls ?? null,
    auth: options.auth ?? null,
    entries: key === undefined ? entries : entries.map(({ value }) => ({ keyOf: () => key, value })),
    ttlSeconds,
    isServing: health === undefined,
    clock,
    random,
    onEvent,
  });
  if (health === undefined) return registrar;

  let isHealthy = false;
  let isWanted = true;
  const closeGate = openGate({
    mode: health,
    address: probed.address,
    healthService: options.healthService ?? "",
    clock,
    onHealth(serving, reason) {
      isHealthy = serving;
      onEvent({ type: "health", address: probed.address, serving, reason });
      registrar.setServing(isHealthy && isWanted);
    },
  });
  return {
    get keys() {
      return registrar.keys;
    },
    ready: registrar.ready,
    setServing(serving) {
      isWanted = serving;
      registrar.setServing(isHealthy && isWanted);
    },
    close() {
      closeGate();
      return registrar.close();
    },
  };
}

/** A blank or a control character in a key is a slip of the hand, never meant. */
function checkService(service: string): void {
  if (service.replaceAll("/", "") === "" || /[\s\p{Cc}]/u.test(service)) {
    throw new Error(`the service is ${JSON.stringify(service)}; expected a name such as shop`);
  }
}

function checkOneOf(name: string, value: string, values: readonly string[]): void {
  if (!values.includes(value)) {
    throw new Error(`${name} is ${JSON.stringify(value)}; expected one of ${values.join(", ")}`);
  }
}
