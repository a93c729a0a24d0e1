import type { z } from "zod";
import { duration, leaf, list, section, text } from "../core/options.ts";
import { tlsSection, toTls } from "../tls/options.ts";
import type { DnsOptions } from "./dns/resolver.ts";
import { parseEtcdAddress, parseMembers } from "./etcd/address.ts";
import type { EtcdAuth } from "./etcd/auth.ts";
import type { EtcdAccess } from "./etcd/members.ts";
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

/** `discovery:` of `defaults` and of an upstream. */
export const discoverySection = section(
  { docs: "Where instances are found.", later: ["consul", "kubernetes"] },
  {
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
  },
);

type Discovery = z.output<typeof discoverySection>;

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

/** `target:` of an upstream. */
export const targetOption = leaf<Target>(
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
    const expected = "expected a target such as etcd:///library#2 or pass:///127.0.0.1:50051";
    if (typeof value !== "string") return { expected };
    try {
      return { value: parseTarget(value) };
    } catch (error) {
      return { sentence: (error as Error).message };
    }
  },
);
