import type { Endpoint, Resolver } from "../upstream/resolver.ts";
import type { PassTarget } from "./target.ts";

/** The endpoints that a configuration names: told once, at `start`; never in trouble. */
export function createStaticResolver(target: PassTarget): Resolver {
  const endpoints = target.addresses.map(({ address, connections, weight = 1, zone = "" }): Endpoint => ({
    address,
    connections,
    weight,
    zone,
  }));
  return {
    start: (listener) => listener.onEndpoints(endpoints),
    close: () => {},
  };
}
