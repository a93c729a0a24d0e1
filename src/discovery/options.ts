import { createHash } from "node:crypto";
import path from "node:path";
import type { z } from "zod";
import { filled, integer, leaf, list, section, text, type Complain } from "../core/options.ts";
import { parseAddress } from "./address.ts";
import { dnsSection } from "./dns/options.ts";
import { MAX_WEIGHT, MAX_ZONE_LENGTH } from "./endpoint-list.ts";
import { etcdSection } from "./etcd/options.ts";
import { parseTarget, type Target } from "./target.ts";

const discoveryShape = {
  etcd: etcdSection.optional(),
  dns: dnsSection.optional(),
  cache: text({
    docs:
      "A file in which the last list of each upstream is kept: a gateway that starts while discovery fails uses what " +
      "it says. None where nothing is said.",
    what: "a file's path",
  }).optional(),
};

/** `discovery:` of `defaults`. */
export const discoverySection = section(
  {
    docs: "Where instances are found.",
    later: ["consul", "kubernetes"],
    misplaced: { module: "belongs on an upstream", options: "belongs on an upstream" },
  },
  discoveryShape,
);

/** `discovery:` of an upstream. */
const discoverySectionOfUpstream = section(
  {
    docs: "Where instances are found.",
    later: ["consul", "kubernetes"],
    check({ module, options }, complain) {
      if (options !== undefined && module === undefined) complain(["options"], "belongs to a module, which is missing");
    },
  },
  {
    ...discoveryShape,
    module: text({
      docs: "A JavaScript module that tells the instances, instead of a target (docs/extending.md).",
      what: "a file's path",
    }).optional(),
    options: leaf<Readonly<Record<string, unknown>>>(
      { docs: "What the module is given, as it stands." },
      { title: "map", type: "object" },
      (value) =>
        typeof value === "object" && value !== null && !Array.isArray(value)
          ? { value: value as Readonly<Record<string, unknown>> }
          : { expected: "expected a map" },
    ).optional(),
  },
);

type Discovery = z.output<typeof discoverySectionOfUpstream>;

/** `discovery:` as it stands at one place of the file. */
export interface DiscoveryLevel {
  readonly discovery: Discovery | undefined;
  /** Tells what is wrong with a value in it, by its keys from `discovery` on. */
  readonly complain: (keys: readonly string[], message: string) => void;
}

const EXPECTED_TARGET = "expected a target such as etcd:///library#2 or pass:///127.0.0.1:50051";

const targetOption = leaf<Target>(
  {
    docs:
      "Where instances are: etcd:///service#N; dns:///name:port#N, or dns:///_service._tcp.name#N for SRV records; " +
      "pass:///host:port#N,host:port#N; N connections per address, 1 where it is left out. Servers may stand before " +
      "the last slash: etcd://h1:2379,h2:2379/service, dns://10.0.0.2:53/name:port, and go-zero's discov://hosts/key.",
  },
  {
    title: "target",
    type: "string",
    minLength: 1,
    examples: ["etcd:///library#2", "dns:///library.internal:50051", "pass:///127.0.0.1:50051,127.0.0.1:50052"],
  },
  (value) => {
    if (typeof value !== "string") return { expected: EXPECTED_TARGET };
    try {
      return { value: parseTarget(value) };
    } catch (error) {
      return { sentence: (error as Error).message };
    }
  },
);

const ENDPOINT_DOCS = { weight: "Share of calls, relative to the others.", zone: "Where it is." };

const staticEndpoint = section(
  { docs: "One instance." },
  {
    address: leaf<string>(
      { docs: "host:port, IPv6 in brackets." },
      { title: "address", type: "string", minLength: 1 },
      (value) => {
        const parsed = parseAddress(typeof value === "string" ? value : "");
        return parsed.ok ? { value: parsed.address } : { expected: "expected an address such as 10.0.0.5:50051" };
      },
    ),
    weight: filled(integer({ docs: ENDPOINT_DOCS.weight, default: 1, min: 0, max: MAX_WEIGHT })),
    zone: text({ docs: ENDPOINT_DOCS.zone, what: "a zone's name", pattern: `.{1,${MAX_ZONE_LENGTH}}` }).optional(),
    connections: filled(integer({ docs: "Connections to it.", default: 1, min: 1, max: 1000 })),
  },
);

/** Keys of an upstream that say where its instances are; `discovery.module` is the third way. */
export const sourceShape = {
  target: targetOption.optional(),
  endpoints: list({ docs: "The instances themselves, instead of a target.", min: 1 }, staticEndpoint).optional(),
  discovery: discoverySectionOfUpstream.optional(),
};

type ParsedSource = z.output<z.ZodObject<typeof sourceShape>>;

/** Exactly one way to find instances. */
export function checkSource(value: Partial<ParsedSource>, complain: Complain, hasUnknownKeys: boolean): void {
  const module = value.discovery !== undefined && "module" in value.discovery ? "discovery.module" : undefined;
  const given = [..."target endpoints".split(" ").filter((key) => key in value), ...(module ? [module] : [])];
  if (given.length === 0 && !hasUnknownKeys) {
    complain([], `missing key "target": ${EXPECTED_TARGET}; or endpoints, or discovery.module`);
  }
  if (given.length > 1) complain([], `expected one of target, endpoints, discovery.module, not ${given.join(" and ")}`);
  const addresses = new Set<string>();
  for (const [index, one] of (value.endpoints ?? []).entries()) {
    const address = (one as Partial<typeof one> | undefined)?.address;
    if (address === undefined) continue;
    if (addresses.has(address)) complain(["endpoints", index, "address"], `${address} stands in the list already`);
    addresses.add(address);
  }
}

/** Where an upstream's instances are. `read` gives a file's text; `folder` is that of the configuration. */
export function toTarget(
  { target, endpoints, discovery }: ParsedSource,
  folder: string,
  read: (path: string) => string,
  complain: (message: string) => void,
): Target {
  if (target !== undefined) return target;
  if (endpoints !== undefined) {
    return { kind: "pass", addresses: endpoints.map(({ zone = "", ...rest }) => ({ ...rest, zone })) };
  }
  const { module = "", options = {} } = discovery ?? {};
  let hash = "";
  try {
    hash = createHash("sha256").update(read(module)).digest("hex");
  } catch (error) {
    complain(`file "${module}" cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
  return { kind: "module", file: path.resolve(folder, module), hash, options };
}

/** The file that keeps an upstream's last list; null for none, and where its list is in the configuration. */
export function toCacheFile(target: Target, levels: readonly DiscoveryLevel[], folder: string): string | null {
  const cache = levels.findLast(({ discovery }) => discovery?.cache !== undefined)?.discovery?.cache;
  return cache === undefined || target.kind === "pass" ? null : path.resolve(folder, cache);
}
