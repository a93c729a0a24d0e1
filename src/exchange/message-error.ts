import { gatewayError, toGatewayError, type GatewayError } from "../core/errors.ts";
import { WireError } from "../transcode/json-write.ts";
import type { Route } from "./route.ts";

/** What a writer threw at an upstream's message, as the failure of the request: 502, or INTERNAL where it is ours. */
export function messageError(route: Route, thrown: unknown): GatewayError {
  if (thrown instanceof WireError) {
    return gatewayError("UPSTREAM_MESSAGE_INVALID", { upstream: route.upstream, reason: thrown.message });
  }
  return toGatewayError(thrown);
}
