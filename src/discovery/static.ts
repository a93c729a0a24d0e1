import type { Endpoint, Resolver } from "../upstream/resolver.ts";
import type { PassTarget } from "./target.ts";

/** The endpoints of a `pass:///` target: told once, at `start`; never in trouble. */
export function createStaticResolver(target: PassTarget): Resolver {
  const endpoints = target.addresses.map(({ address, connections }): Endpoint => ({
    address,
    connections,
    weight: 1,
    zone: "",
  }));
  return {
    start: (listener) => listener.onEndpoints(endpoints),
    close: () => {},
  };
}
