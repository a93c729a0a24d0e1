import { createHash } from "node:crypto";
import path from "node:path";
import type { z } from "zod";
import { duration, filled, integer, leaf, list, section, text, type Complain } from "../core/options.ts";
import { tlsSection, toTls } from "../tls/options.ts";
import type { DnsOptions } from "./dns/resolver.ts";
import { parseEtcdAddress, parseMembers } from "./etcd/address.ts";
import type { EtcdAuth } from "./etcd/auth.ts";
import type { EtcdAccess } from "./etcd/members.ts";
import { parseAddress } from "./address.ts";
import { MAX_WEIGHT, MAX_ZONE_LENGTH } from "./endpoint-list.ts";
import { parseTarget, type Target } from "./target.ts";

/** Which etcd to watch, and below which prefix. */
export interface EtcdOptions extends Required<EtcdAccess> {
  /** "" or ending in "/". */
  readonly prefix: string;
}

const DEFAULT_ENDPOINTS = ["http://127.0.0.1:2379"];

const endpoint = leaf<string>(
  { docs: "Address of one member of the cluster, http://host:port or https://host:port." },
  { title: "address", type: "string", minLength: 1 },
  (value) => {
    if (typeof value !== "string" || value === "")
      return { expected: `expected an address such as ${DEFAULT_ENDPOINTS[0]}` };
    const parsed = parseEtcdAddress(value);
    if (!parsed.ok) return { sentence: parsed.reason };
    const { address, isTls } = parsed.member;
    return { value: isTls === null ? address : `${isTls ? "https" : "http"}://${address}` };
  },
);

const prefix = leaf<string>(
  {
    docs: "Put before the service's name: with /etcd3_naming/ the target etcd:///shop watches /etcd3_naming/shop/.",
    default: "",
  },
  { title: "text", type: "string" },
  (value) => {
    if (typeof value !== "string") return { expected: "expected a text" };
    return { value: value === "" || value.endsWith("/") ? value : `${value}/` };
  },
);

/** Text that no message shows. */
const secret = leaf<string>(
  { docs: "Its password; better as ${NAME} or ${file:path} than as it is." },
  { title: "text", type: "string", minLength: 1 },
  (value) =>
    typeof value === "string" && value !== ""
      ? { value }
      : { sentence: "expected a text that is not empty, in quotes" },
);

const auth = section(
  {
    docs: "A user of etcd, where its authentication is on; asked for a token with each connection, and where one expired.",
    check(value, complain, hasUnknownKeys) {
      // A value that is wrong is undefined, but there.
      const given = ["password", "password_file"].filter((key) => key in value);
      if (given.length > 1) complain(["password_file"], "stands beside password; expected one of both");
      if (given.length === 0 && !hasUnknownKeys) complain([], "has no password; expected password or password_file");
    },
  },
  {
    user: text({ docs: "Name of the user.", what: "a name" }),
    password: secret.optional(),
    password_file: text({
      docs: "A file with the password, read when the configuration is.",
      what: "a file's path",
    }).optional(),
  },
);

const dns = section(
  {
    docs: "How a dns: target is looked up.",
    check({ min_ttl = 0, max_ttl = Infinity }, complain) {
      if (min_ttl > max_ttl) complain(["min_ttl"], "is longer than max_ttl");
    },
  },
  {
    min_ttl: duration({
      docs: "The DNS is asked no more often than so, whatever the TTL of its records, not even where an instance fails.",
      default: "5s",
      min: 100,
    }).optional(),
    max_ttl: duration({
      docs: "It is asked at least so often; also where records carry no TTL, as those of SRV and of /etc/hosts.",
      default: "30s",
      min: 100,
    }).optional(),
  },
);

export const defaultDnsOptions: DnsOptions = { minTtlMs: 5000, maxTtlMs: 30_000 };

const discoveryShape = {
  etcd: section(
    { docs: "Which etcd an etcd:/// target means.", later: ["format"] },
    {
      endpoints: list(
        { docs: "Members of the etcd cluster.", default: [...DEFAULT_ENDPOINTS], min: 1 },
        endpoint,
      ).optional(),
      prefix: prefix.optional(),
      tls: tlsSection({
        docs: "TLS to etcd; endpoints with https suffice where the system trusts the authority of their certificates.",
        peers: "members",
      }).optional(),
      auth: auth.optional(),
    },
  ).optional(),
  dns: dns.optional(),
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
export const discoverySectionOfUpstream = section(
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

/**
 * The etcd that a target is looked up in; null where it is no target of etcd. Each key of `levels` wins over the same of
 * those before; hosts in the target win over all. `read` gives a file's text.
 */
export function toEtcdOptions(
  target: Target,
  levels: readonly DiscoveryLevel[],
  read: (path: string) => string,
): EtcdOptions | null {
  if (target.kind !== "etcd") return null;
  const last = <K extends keyof NonNullable<Discovery["etcd"]>>(key: K) =>
    levels.findLast(({ discovery }) => discovery?.etcd?.[key] !== undefined);
  const tlsLevel = last("tls");
  const authLevel = last("auth");
  const endpointsLevel = last("endpoints");
  const tls = toTls(tlsLevel?.discovery?.etcd?.tls, read, (key, message) =>
    tlsLevel?.complain(["etcd", "tls", key], message),
  );
  const endpoints =
    target.hosts.length > 0 ? target.hosts : (endpointsLevel?.discovery?.etcd?.endpoints ?? DEFAULT_ENDPOINTS);
  const members = parseMembers(endpoints, tls !== null);
  if (!members.ok) {
    const [level, key] = endpointsLevel === undefined ? [tlsLevel, "tls"] : [endpointsLevel, "endpoints"];
    level?.complain(["etcd", key], members.reason);
  }
  return {
    endpoints,
    prefix: target.isKey ? "" : (last("prefix")?.discovery?.etcd?.prefix ?? ""),
    tls,
    auth: authLevel === undefined ? null : toAuth(authLevel, read),
  };
}

/** How a target is looked up in the DNS; null where it is none of the DNS. */
export function toDnsOptions(target: Target, levels: readonly DiscoveryLevel[]): DnsOptions | null {
  if (target.kind !== "dns") return null;
  let { minTtlMs, maxTtlMs } = defaultDnsOptions;
  for (const { discovery } of levels) {
    minTtlMs = discovery?.dns?.min_ttl ?? minTtlMs;
    maxTtlMs = discovery?.dns?.max_ttl ?? maxTtlMs;
  }
  // The two may stand at different places.
  return { minTtlMs, maxTtlMs: Math.max(minTtlMs, maxTtlMs) };
}

function toAuth({ discovery, complain }: DiscoveryLevel, read: (path: string) => string): EtcdAuth | null {
  const parsed = discovery?.etcd?.auth;
  if (parsed === undefined) return null;
  const { user, password = "", password_file: file } = parsed;
  if (file === undefined) return { user, password };
  try {
    return { user, password: read(file).replace(/\r?\n$/, "") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    complain(["etcd", "auth", "password_file"], `file "${file}" cannot be read: ${code ?? String(error)}`);
    return null;
  }
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
