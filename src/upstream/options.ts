import { choice, duration, filled, section, size } from "../core/options.ts";

export interface LoadBalancing {
  readonly policy: "least_request" | "round_robin";
}

/** Keys of an upstream that say how its connections are kept and used. */
export const connectionShape = {
  load_balancing: section(
    { docs: "How calls are shared among instances." },
    {
      policy: filled(
        choice({
          docs: "least_request (the less busy of two chosen at random) or round_robin (in turn).",
          of: ["least_request", "round_robin"],
          later: ["p2c", "ewma", "peak_ewma", "random", "weighted", "weighted_round_robin", "ring_hash", "maglev"],
          default: "least_request",
        }),
      ),
    },
  ).prefault({}),
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
  limits: section(
    { docs: "How much an instance may send." },
    { message: filled(size({ docs: "Largest message taken from an instance.", default: "4MiB", min: 0 })) },
  ).prefault({}),
  transport: filled(
    choice({ docs: "Which gRPC client is used.", of: ["grpc-js"], later: ["http2", "lean"], default: "grpc-js" }),
  ),
};

/** Keys of an upstream of a later version. */
export const laterUpstreamKeys = ["tls", "keepalive", "outlier_detection", "health_check", "breaker", "zone"];
