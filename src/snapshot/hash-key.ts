import type { DescMessage } from "@bufbuild/protobuf";
import type { Config, UpstreamConfig } from "../config/config.ts";
import type { Problem } from "../core/problem.ts";
import { hashClientAddress, hashField, hashHeader, type HashKey } from "../exchange/hash-key.ts";
import { compileFieldHash } from "../transcode/field-hash.ts";
import { at } from "./place.ts";
import type { ResolvedRoute } from "./resolved-route.ts";

/** Null where the upstream's policy asks for none, or the request message has no such field. */
export function compileHashKey({ loadBalancing }: UpstreamConfig, request: DescMessage): HashKey | null {
  const hashOn = "hashOn" in loadBalancing ? loadBalancing.hashOn : null;
  switch (hashOn?.kind) {
    case undefined:
      return null;
    case "header":
      return hashHeader(hashOn.name);
    case "client_ip":
      return hashClientAddress;
    case "field": {
      const hash = compileFieldHash(request, hashOn.path);
      return typeof hash === "function" ? hashField(hash) : null;
    }
    default:
      return hashOn satisfies never;
  }
}

/** Fields to hash that no request of their upstream has. */
export function checkHashKeys(config: Config, routes: readonly ResolvedRoute[]): Problem[] {
  const problems: Problem[] = [];
  for (const { name, loadBalancing, position } of config.upstreams) {
    const hashOn = "hashOn" in loadBalancing ? loadBalancing.hashOn : null;
    if (hashOn?.kind !== "field") continue;
    const results = routes
      .filter(({ upstream }) => upstream.name === name)
      .map(({ rpc }) => compileFieldHash(rpc.desc.input, hashOn.path));
    const [first] = results;
    if (first === undefined || typeof first === "function" || results.some((one) => typeof one === "function"))
      continue;
    const where = `upstreams.${name}.load_balancing.hash_on.field`;
    problems.push(at(config, position, `${where}: no request of a route has "${hashOn.path}": ${first.reason}`));
  }
  return problems;
}
