import type { EndpointCacheEvent } from "../discovery/endpoint-cache.ts";
import type { DiscoveryEvent } from "../discovery/events.ts";
import type { UpstreamEvent } from "../upstream/event.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Writes what an upstream tells about itself: changes of state at `info`, lost capacity at `warn`, the rest at `debug`. */
export function observeUpstream(log: Log, metrics: Metrics): (event: UpstreamEvent) => void {
  const down = new Set<string>();
  return (event) => {
    const { type, ...facts } = event;
    switch (type) {
      case "connection_state": {
        const connection = `${event.endpoint}#${event.index}`;
        if (event.state === "ready" || event.state === "closed") down.delete(connection);
        // Only a connection that was lost or could not be made carries a reason.
        if (event.reason === undefined) return log.logger.debug(facts, "connection state");
        metrics.upstreamEvent(event.upstream, "connection_lost");
        // A dead address is dialled every two seconds for as long as it is listed: said once.
        if (down.has(connection)) return log.logger.debug(facts, "connection lost");
        down.add(connection);
        return log.logger.info(facts, "connection lost");
      }
      case "connection_suspect":
        if (event.isSuspect) metrics.upstreamEvent(event.upstream, type);
        return log.logger.debug(facts, MESSAGES[type]);
      case "endpoint_ejected":
      case "discovery_trouble":
      case "removal_held":
      case "endpoints_limited":
        metrics.upstreamEvent(event.upstream, type);
        return log.logger.warn(facts, MESSAGES[type]);
      case "policy_failed":
        metrics.upstreamEvent(event.upstream, type);
        return log.logger.error(facts, MESSAGES[type]);
      case "endpoint_health":
        metrics.upstreamEvent(event.upstream, event.isServing ? "serving" : "not_serving");
        if (event.isServing) return log.logger.info(facts, MESSAGES[type]);
        return log.logger.warn(facts, MESSAGES[type]);
      case "panic":
        if (!event.isPanicking) return log.logger.info(facts, MESSAGES[type]);
        metrics.upstreamEvent(event.upstream, type);
        return log.logger.warn(facts, MESSAGES[type]);
      case "endpoint_added":
      case "endpoint_removed":
        return log.logger.debug(facts, MESSAGES[type]);
      case "call_queued":
        return metrics.callQueued(event.upstream, event.waitMs);
      case "retry":
      case "retry_budget_exhausted":
      case "hedge":
      case "hedge_won":
        return metrics.upstreamEvent(event.upstream, type);
      case "list_updated":
      case "endpoint_readmitted":
      case "discovery_recovered":
        metrics.upstreamEvent(event.upstream, type);
        return log.logger.info(facts, MESSAGES[type]);
      default:
        return type satisfies never;
    }
  };
}

const MESSAGES = {
  endpoint_added: "endpoint added",
  endpoint_removed: "endpoint removed",
  connection_suspect: "connection gives no sign of life, or does again",
  list_updated: "endpoint list updated",
  endpoints_limited: "discovery tells more endpoints than max_endpoints, a part of them is used",
  endpoint_ejected: "endpoint ejected",
  endpoint_readmitted: "endpoint readmitted",
  policy_failed: "load balancing module failed, least_request chooses in its place",
  endpoint_health: "endpoint tells its health",
  panic: "few endpoints are in good health: all are used, or no longer",
  discovery_trouble: "discovery in trouble, the last list stays in force",
  discovery_recovered: "discovery recovered",
  removal_held: "endpoint list in doubt, missing endpoints are kept while they are connected",
} as const;

/** Writes what discovery met on its way to an upstream's list; that the list changed the upstream tells itself. */
export function observeDiscovery(upstream: string, log: Log, metrics: Metrics): (event: DiscoveryEvent) => void {
  return ({ type, ...facts }) => {
    switch (type) {
      case "bad_value":
      case "too_many":
      case "compacted":
        metrics.upstreamEvent(upstream, type);
        return log.logger.warn({ upstream, ...facts }, `discovery: ${type}`);
      default:
        return log.logger.debug({ upstream, ...facts }, `discovery: ${type}`);
    }
  };
}

/** Writes what becomes of the file that keeps endpoints. */
export function observeCache(log: Log): (event: EndpointCacheEvent) => void {
  return ({ type, ...facts }) => log.logger.warn(facts, CACHE_MESSAGES[type]);
}

const CACHE_MESSAGES = {
  used: "discovery has no list yet, endpoints of the cache file are used",
  unreadable: "endpoint cache cannot be read and is ignored",
  unwritten: "endpoint cache cannot be written",
} as const;
