import { loadBalancingOption } from "./balancer/options.ts";
import { choice, duration, filled, flag, section, size } from "../core/options.ts";
import { tlsSection } from "../tls/options.ts";
import { healthShape } from "./health/options.ts";

/** Keys of an upstream that say how its connections are kept and used. */
export const connectionShape = {
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

/** Pings of a connection that is silent, against what drops it while idle. */
export interface Keepalive {
  /** Silence of the peer after which it is pinged. grpc-go's servers want five minutes at least, unless told so. */
  readonly timeMs: number;
  /** How long its answer may take. */
  readonly timeoutMs: number;
  /** Whether to ping also while no call is in flight. */
  readonly permitWithoutCalls: boolean;
}

interface ParsedKeepalive {
  readonly time: number;
  readonly timeout: number;
  readonly permit_without_calls: boolean;
}

/** Null where nothing is to be pinged. */
export function toKeepalive(parsed: ParsedKeepalive | undefined): Keepalive | null {
  if (parsed === undefined) return null;
  return { timeMs: parsed.time, timeoutMs: parsed.timeout, permitWithoutCalls: parsed.permit_without_calls };
}

/** Keys of an upstream of a later version. */
export const laterUpstreamKeys = ["breaker", "zone"];
