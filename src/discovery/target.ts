import { isIP } from "node:net";
import { splitAddress } from "../core/address.ts";
import { didYouMean } from "../core/suggest.ts";
import { parseAddress, quote } from "./address.ts";
import { parseEtcdAddress } from "./etcd/address.ts";

/** Where an upstream's endpoints come from, as `upstreams.<name>.target` says it. */
export type Target = PassTarget | EtcdTarget | DnsTarget | ModuleTarget;

/** Addresses that the configuration itself names. */
export interface PassTarget {
  readonly kind: "pass";
  /** At least one. */
  readonly addresses: readonly TargetAddress[];
}

/** A service registered in etcd. */
export interface EtcdTarget {
  readonly kind: "etcd";
  /** `host:port` each; empty where the target leaves them to the configuration. */
  readonly hosts: readonly string[];
  /** Without the slash at its end. */
  readonly service: string;
  /** The service is the whole of the key before the slash: no prefix stands before it. */
  readonly isKey: boolean;
  /** Connections per endpoint, at least 1. */
  readonly connections: number;
}

/** A name in the DNS: of addresses, or of SRV records where it begins with an underscore. */
export interface DnsTarget {
  readonly kind: "dns";
  readonly name: string;
  /** Null for SRV records, which tell it. */
  readonly port: number | null;
  /** `ip:port` of the servers to ask; empty: those of the system. */
  readonly servers: readonly string[];
  /** Connections per endpoint, at least 1. */
  readonly connections: number;
}

/** What a module of the user's tells. */
export interface ModuleTarget {
  readonly kind: "module";
  /** Its path, absolute. */
  readonly file: string;
  /** Of its content. */
  readonly hash: string;
  /** What the configuration says to it. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface TargetAddress {
  /** `host:port`, unique within the target. */
  readonly address: string;
  /** Connections to it, at least 1. */
  readonly connections: number;
  /** As of an Endpoint; a target as text says nothing of them. */
  readonly weight?: number;
  readonly zone?: string;
}

const EXPECTED = "expected etcd:///service#N, dns:///name:port#N or pass:///host:port#N,…";
const SCHEMES = ["etcd", "dns", "pass", "discov"];
const MAX_CONNECTIONS = 1000;
const DNS_PORT = 53;

/**
 * Reads a target, as in gRPC naming:
 *
 *     target  = pass | etcd | dns
 *     pass    = ["pass:///"] address ["#" N] *("," address ["#" N])
 *     etcd    = ("etcd" | "discov") "://" [host *("," host)] "/" service ["#" N]
 *     dns     = "dns:" ["//" [server *("," server)] "/"] (name ":" port | srv) ["#" N]
 *     address = [host] ":" port               an empty host is localhost, IPv6 stands in brackets
 *     host    = name [":" port]               port 2379 where there is none
 *     server  = ip [":" port]                 port 53 where there is none
 *     srv     = name                          that begins with "_": its SRV records
 *
 * `discov`, of go-zero, differs from `etcd` in that the service is a whole key. N is the number of connections to each
 * address; left out or below 1 it is 1. An address named twice counts once, with the sum of its connections. Throws an
 * Error whose message names the text, all that is wrong with it and what was expected.
 */
export function parseTarget(text: string): Target {
  const [start = "", scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? [];
  const afterScheme = text.slice(start.length);
  switch (scheme?.toLowerCase()) {
    case undefined:
      if (/^dns:/i.test(text)) return parseDns(text, "", text.slice("dns:".length));
      // A service's name alone is the likely slip; anything else without a scheme can only be meant as addresses.
      if (!text.includes(":")) throw new Error(`target ${quote(text)}: the scheme is missing; ${EXPECTED}`);
      return parsePass(text, text);
    case "pass":
      if (afterScheme.startsWith("/")) return parsePass(text, afterScheme.slice(1));
      throw new Error(`target ${quote(text)}: a slash is missing after pass://; ${EXPECTED}`);
    case "etcd":
    case "discov":
      return parseEtcd(text, afterScheme, scheme?.toLowerCase() === "discov");
    case "dns": {
      const slash = afterScheme.indexOf("/");
      if (slash < 0) throw new Error(`target ${quote(text)}: the name is missing; expected dns://servers/name:port`);
      return parseDns(text, afterScheme.slice(0, slash), afterScheme.slice(slash + 1));
    }
    default:
      throw new Error(
        `target ${quote(text)}: the scheme ${scheme} is unknown; ${EXPECTED}${didYouMean(scheme ?? "", SCHEMES)}`,
      );
  }
}

function parsePass(target: string, list: string): PassTarget {
  const connectionsOf = new Map<string, number>();
  const reasons: string[] = [];
  for (const item of list.split(",")) {
    const { rest, connections, reason } = splitConnections(item.trim());
    const parsed = parseAddress(/^:[0-9]+$/.test(rest) ? `localhost${rest}` : rest);
    if (!parsed.ok) reasons.push(parsed.reason);
    else connectionsOf.set(parsed.address, (connectionsOf.get(parsed.address) ?? 0) + connections);
    if (reason !== null) reasons.push(reason);
  }
  refuse(target, reasons);
  return { kind: "pass", addresses: [...connectionsOf].map(([address, connections]) => ({ address, connections })) };
}

function parseEtcd(target: string, text: string, isKey: boolean): EtcdTarget {
  const slash = text.indexOf("/");
  if (slash < 0) throw new Error(`target ${quote(target)}: the service is missing; expected etcd://hosts/service`);
  const authority = text.slice(0, slash);
  const reasons: string[] = [];
  const hosts: string[] = [];
  for (const host of authority === "" ? [] : authority.split(",")) {
    const parsed = parseEtcdAddress(host);
    if (parsed.ok) hosts.push(parsed.member.address);
    else reasons.push(parsed.reason);
  }
  const { rest, connections, reason } = splitConnections(text.slice(slash + 1));
  if (reason !== null) reasons.push(reason);
  const service = rest.replace(/\/+$/, "");
  // A blank or a control character is a slip of the hand in a key, never meant.
  if (service === "" || /[\s\p{Cc}]/u.test(service)) {
    reasons.push(`the service is ${quote(service)}; expected a name such as library`);
  }
  refuse(target, reasons);
  return { kind: "etcd", hosts, service, isKey, connections };
}

function parseDns(target: string, authority: string, text: string): DnsTarget {
  const reasons: string[] = [];
  const servers = authority === "" ? [] : authority.split(",").map((server) => parseServer(server, reasons));
  const { rest, connections, reason } = splitConnections(text);
  if (reason !== null) reasons.push(reason);
  const isSrv = rest.startsWith("_");
  // A name of SRV records has no port; any will do to check the name.
  const parsed = parseAddress(isSrv ? `${rest}:1` : rest);
  if (!parsed.ok) reasons.push(parsed.reason);
  refuse(target, reasons);
  const { host, port } = splitAddress(parsed.ok ? parsed.address : "");
  return { kind: "dns", name: host, port: isSrv ? null : port, servers, connections };
}

/** `ip:port` of a DNS server. */
function parseServer(text: string, reasons: string[]): string {
  const parsed = parseAddress(isIP(text.replace(/^\[(.*)\]$/, "$1")) === 0 ? text : `${text}:${DNS_PORT}`);
  if (parsed.ok && isIP(splitAddress(parsed.address).host) !== 0) return parsed.address;
  reasons.push(`the DNS server is ${quote(text)}; expected an IP address such as 10.0.0.2:53`);
  return "";
}

function refuse(target: string, reasons: readonly string[]): void {
  if (reasons.length > 0) throw new Error(`target ${quote(target)}: ${reasons.join("; ")}`);
}

function splitConnections(text: string): { rest: string; connections: number; reason: string | null } {
  const hash = text.indexOf("#");
  if (hash < 0) return { rest: text, connections: 1, reason: null };
  const rest = text.slice(0, hash);
  const digits = text.slice(hash + 1);
  const count = Number(digits);
  if (!/^-?[0-9]*$/.test(digits) || count > MAX_CONNECTIONS) {
    const reason = `${quote(digits)} connections; expected a whole number up to ${MAX_CONNECTIONS} after "#"`;
    return { rest, connections: 1, reason };
  }
  return { rest, connections: count >= 1 ? count : 1, reason: null };
}
