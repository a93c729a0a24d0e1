import type { z } from "zod";
import { choice, duration, filled, flag, integer, section, size, text } from "../core/options.ts";
import type { TlsOptions } from "../tls/client.ts";
import { tlsSection, toTls } from "../tls/options.ts";
import { loadBalancingOption, toLoadBalancing, type LoadBalancing } from "./balancer/options.ts";
import { healthShape, toHealthOptions, type HealthOptions } from "./health/options.ts";
import type { ZonePreference } from "./zones.ts";

/** Keys of an upstream that say how its instances are connected to and chosen. */
export const trafficPolicyShape = {
  load_balancing: loadBalancingOption.prefault({}),
  connect_timeout: filled(
    duration({ docs: "Until TCP and HTTP/2 settings of one connection are done.", default: "3s" }),
  ),
  removal_guard: filled(
    duration({
      docs:
        "How long instances are kept that discovery no longer tells, while they stay connected, where its list is " +
        "empty or halved at once, as after a loss of etcd's data; 0s believes every list.",
      default: "5m",
      min: 0,
    }),
  ),
  ...healthShape,
  subset: section(
    {
      docs:
        "Talks to a part of the instances only, for large fleets: the same part at each start, another one of each " +
        "gateway, so that all instances get alike (gRFC A68).",
    },
    {
      size: integer({ docs: "Instances of the part.", min: 1, max: 100_000 }),
      client: text({
        docs: "What makes this gateway's part another than others'; the host's name without it.",
        what: "a name of this gateway",
      }).optional(),
    },
  ).optional(),
  max_endpoints: filled(
    integer({
      docs: "More instances than that are not used, whatever discovery tells; a warning says so.",
      default: 10_000,
      min: 1,
      max: 100_000,
    }),
  ),
  max_connections_per_endpoint: filled(
    integer({
      docs:
        "Connections to one instance: more than the target's #N are opened where those have as many calls as the " +
        "instance takes at once (MAX_CONCURRENT_STREAMS); calls beyond that wait. Of http2 only.",
      default: 4,
      min: 1,
      max: 1_000,
    }),
  ),
  zone: section(
    {
      docs:
        "Prefers the instances whose zone, as discovery tells it, is `server.zone`: they get all calls as long as enough " +
        "of them are in good health. Without this key, for which {} suffices, zones do not count.",
    },
    {
      prefer: filled(flag({ docs: "Whether to.", default: true })),
      spill_below: filled(
        integer({
          docs:
            "With fewer of the zone's instances in good health, in percent, calls go elsewhere too: half of them where it " +
            "is half of that.",
          default: 70,
          min: 1,
          max: 100,
        }),
      ),
      min_endpoints: filled(
        integer({
          docs: "With fewer instances in the zone, none is preferred: they would get the load of all.",
          default: 1,
          min: 1,
          max: 100_000,
        }),
      ),
    },
  ).optional(),
  limits: section(
    { docs: "How much an instance may send." },
    { message: filled(size({ docs: "Largest message taken from an instance.", default: "4MiB", min: 0 })) },
  ).prefault({}),
  transport: filled(
    choice({
      docs: "Which gRPC client is used: the gateway's own over HTTP/2, at a tenth of the other's CPU, or grpc-js.",
      of: ["http2", "grpc-js"],
      default: "http2",
    }),
  ),
  tls: tlsSection({
    docs:
      "TLS to the instances, 1.2 or later, with HTTP/2 chosen by ALPN; `tls: {}` suffices where their certificates " +
      "are signed by an authority that the system trusts. Plaintext without this key. Each value that is a file is " +
      "its path or, as from ${...}, its PEM text; files are read when the configuration is.",
    peers: "instances",
  }).optional(),
  keepalive: section(
    {
      docs:
        "Pings on silent connections, for what drops them while idle, such as a NAT; off by default. " +
        "Servers may hang up on a client that pings too often: grpc-go wants 5m, unless told otherwise. Of http2 only.",
    },
    {
      time: duration({ docs: "Silence of the instance after which it is pinged.", min: 1000 }),
      timeout: filled(duration({ docs: "How long its answer may take.", default: "20s" })),
      permit_without_calls: filled(flag({ docs: "Whether to ping also while no call is in flight.", default: false })),
    },
  ).optional(),
};

/** Keys of an upstream of a later version. */
export const laterUpstreamKeys = ["breaker"];

/** How an upstream's instances are connected to and chosen. */
export interface TrafficPolicy {
  readonly loadBalancing: LoadBalancing;
  readonly connectTimeoutMs: number;
  readonly removalGuardMs: number;
  readonly health: HealthOptions;
  /** Null: none is preferred. */
  readonly zone: ZonePreference | null;
  /** Null: all instances are used. */
  readonly subset: {
    readonly size: number;
    /** Undefined: the host's name. */
    readonly client: string | undefined;
  } | null;
  readonly maxEndpoints: number;
  readonly maxConnectionsPerEndpoint: number;
  readonly maxMessageBytes: number;
  readonly transport: "http2" | "grpc-js";
  /** Of transport http2; null: none. */
  readonly keepalive: Keepalive | null;
  /** Null: plaintext. */
  readonly tls: TlsOptions | null;
}

/** Pings of a connection that is silent, against what drops it while idle. */
export interface Keepalive {
  /** Silence of the peer after which it is pinged. grpc-go's servers want five minutes at least, unless told so. */
  readonly timeMs: number;
  /** How long its answer may take. */
  readonly timeoutMs: number;
  /** Whether to ping also while no call is in flight. */
  readonly permitWithoutCalls: boolean;
}

type Parsed = z.output<z.ZodObject<typeof trafficPolicyShape>>;

/**
 * `folder` is that of the configuration; `read` gives a file's text, and `complain` is told which key of `tls` names one
 * that cannot be used.
 */
export function toTrafficPolicy(
  parsed: Parsed,
  folder: string,
  read: (path: string) => string,
  complain: (tlsKey: string, message: string) => void,
): TrafficPolicy {
  const { zone, subset } = parsed;
  return {
    loadBalancing: toLoadBalancing(parsed.load_balancing, folder),
    connectTimeoutMs: parsed.connect_timeout,
    removalGuardMs: parsed.removal_guard,
    health: toHealthOptions(parsed),
    zone: zone?.prefer ? { spillBelow: zone.spill_below, minEndpoints: zone.min_endpoints } : null,
    subset: subset === undefined ? null : { size: subset.size, client: subset.client },
    maxEndpoints: parsed.max_endpoints,
    maxConnectionsPerEndpoint: parsed.max_connections_per_endpoint,
    maxMessageBytes: parsed.limits.message,
    transport: parsed.transport,
    keepalive: toKeepalive(parsed.keepalive),
    tls: toTls(parsed.tls, read, complain),
  };
}

function toKeepalive(parsed: Parsed["keepalive"]): Keepalive | null {
  if (parsed === undefined) return null;
  return { timeMs: parsed.time, timeoutMs: parsed.timeout, permitWithoutCalls: parsed.permit_without_calls };
}
