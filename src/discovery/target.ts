import { parseAddress, quote } from "./address.ts";

/** Where an upstream's endpoints come from, as `upstreams.<name>.target` says it. */
export type Target = PassTarget | EtcdTarget;

/** Addresses that the target itself names. */
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
  /** Connections per endpoint, at least 1. */
  readonly connections: number;
}

export interface TargetAddress {
  /** `host:port`, unique within the target. */
  readonly address: string;
  /** Connections to it, at least 1. */
  readonly connections: number;
}

const EXPECTED = "expected pass:///host:port#N,… or etcd:///service#N";
const MAX_CONNECTIONS = 1000;
const ETCD_PORT = 2379;

/**
 * Reads a target, as in gRPC naming:
 *
 *     target  = "pass:///" addresses | addresses | "etcd://" [host *("," host)] "/" service ["#" N]
 *     addresses = address ["#" N] *("," address ["#" N])
 *     address = [host] ":" port               an empty host is localhost, IPv6 stands in brackets
 *     host    = name [":" port]               port 2379 where there is none
 *
 * N is the number of connections to each address; left out or below 1 it is 1. An address named twice counts once,
 * with the sum of its connections. Throws an Error whose message names the text, all that is wrong with it and what was
 * expected.
 */
export function parseTarget(text: string): Target {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === "dns" || scheme === "discov" || text.startsWith("dns:")) {
    throw new Error(`target ${quote(text)}: ${scheme ?? "dns"} is not supported yet; ${EXPECTED}`);
  }
  if (scheme === undefined) {
    // A service's name alone is the likely slip; anything else without a scheme can only be meant as addresses.
    if (!text.includes(":")) throw new Error(`target ${quote(text)}: the scheme is missing; ${EXPECTED}`);
    return parsePass(text, text);
  }
  const afterScheme = text.slice(scheme.length + "://".length);
  if (scheme === "pass") {
    if (afterScheme.startsWith("/")) return parsePass(text, afterScheme.slice(1));
    throw new Error(`target ${quote(text)}: a slash is missing after pass://; ${EXPECTED}`);
  }
  if (scheme === "etcd") return parseEtcd(text, afterScheme);
  throw new Error(`target ${quote(text)}: the scheme ${scheme} is unknown; ${EXPECTED}`);
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

function parseEtcd(target: string, text: string): EtcdTarget {
  const slash = text.indexOf("/");
  if (slash < 0) throw new Error(`target ${quote(target)}: the service is missing; expected etcd://hosts/service`);
  const authority = text.slice(0, slash);
  const reasons: string[] = [];
  const hosts: string[] = [];
  for (const host of authority === "" ? [] : authority.split(",")) {
    const hasPort = /:[0-9]*$/.test(host) && !host.endsWith("]");
    const parsed = parseAddress(hasPort ? host : `${host}:${ETCD_PORT}`);
    if (parsed.ok) hosts.push(parsed.address);
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
  return { kind: "etcd", hosts, service, connections };
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
