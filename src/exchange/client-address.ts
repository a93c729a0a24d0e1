import { isIP } from "node:net";
import { compile } from "@fastify/proxy-addr";
import type { HttpExchange } from "./http.ts";

/** Where a request comes from, as far as it can be believed. */
export interface ClientAddress {
  /** The client's IP address, for the access log; `unknown` where the peer has none (it has gone, or a UNIX socket). */
  readonly client: string;
  /** `x-forwarded-for`, `-proto` and `-host` as flat metadata for the upstream; the caller's to keep. */
  readonly metadata: string[];
}

export interface ClientAddresses {
  resolve(http: Pick<HttpExchange, "remoteAddress" | "secure" | "header">): ClientAddress;
}

/**
 * Reads `x-forwarded-*` by trust: what an untrusted peer says is replaced, what a trusted proxy says is kept, and in
 * `x-forwarded-for` appended to. The client is the last address of that chain which is no trusted proxy.
 *
 * @param trustedProxies addresses, CIDR blocks, `loopback`, `linklocal`, `uniquelocal`; throws TypeError for others
 */
export function compileClientAddresses(trustedProxies: readonly string[]): ClientAddresses {
  const isTrusted = trustedProxies.length === 0 ? null : remember(compile([...trustedProxies]));
  return {
    resolve(http) {
      const peer = plainAddress(http.remoteAddress);
      const proto = http.secure ? "https" : "http";
      const host = http.header("host") ?? "";
      if (isTrusted === null || !isTrusted(peer)) return { client: peer, metadata: metadata(peer, proto, host) };
      const chain = http.header("x-forwarded-for") ?? "";
      return {
        client: firstUntrusted(peer, chain, isTrusted),
        metadata: metadata(
          chain === "" ? peer : `${chain}, ${peer}`,
          believedProto(http.header("x-forwarded-proto")) ?? proto,
          believedHost(http.header("x-forwarded-host")) ?? host,
        ),
      };
    },
  };
}

function metadata(chain: string, proto: string, host: string): string[] {
  const list = ["x-forwarded-for", chain, "x-forwarded-proto", proto];
  if (host !== "") list.push("x-forwarded-host", host);
  return list;
}

/** From the peer backwards through the chain: the first address that no trusted proxy has, or the last that is one. */
function firstUntrusted(peer: string, chain: string, isTrusted: (address: string) => boolean): string {
  let client = peer;
  let end = chain.length;
  while (end > 0) {
    const comma = chain.lastIndexOf(",", end - 1);
    const address = chainAddress(chain.slice(comma + 1, end).trim());
    // What is no address cannot be judged, nor can anything to the left of it.
    if (address === null) return client;
    client = address;
    if (!isTrusted(address)) return client;
    end = comma;
  }
  return client;
}

/** An entry of `x-forwarded-for` without the port that some proxies add: `1.2.3.4:5678`, `[::1]:5678`. */
function chainAddress(entry: string): string | null {
  if (isIP(entry) !== 0) return plainAddress(entry);
  const bare = /^\[([0-9A-Fa-f:.]+)\](?::\d+)?$/.exec(entry) ?? /^([0-9.]+):\d+$/.exec(entry);
  const address = bare?.[1] ?? "";
  return isIP(address) === 0 ? null : plainAddress(address);
}

/** An IPv4 address that came over an IPv6 socket (`::ffff:1.2.3.4`) is written as what it is. */
function plainAddress(address: string): string {
  if (address === "") return "unknown";
  const mapped = address.startsWith("::ffff:") ? address.slice(7) : "";
  return isIP(mapped) === 4 ? mapped : address;
}

// The nearest proxy, which is the trusted one, writes last.
function lastEntry(value: string): string {
  return value.slice(value.lastIndexOf(",") + 1).trim();
}

function believedProto(value: string | undefined): string | undefined {
  const proto = value === undefined ? "" : lastEntry(value).toLowerCase();
  return proto === "http" || proto === "https" ? proto : undefined;
}

function believedHost(value: string | undefined): string | undefined {
  const host = value === undefined ? "" : lastEntry(value);
  return /^[\w.:[\]-]+$/.test(host) ? host : undefined;
}

// A connection brings its peer's address with every request, and to parse one takes some microseconds.
const MAX_REMEMBERED_ADDRESSES = 1000;

function remember(trust: (address: string, index: number) => boolean): (address: string) => boolean {
  const known = new Map<string, boolean>();
  return (address) => {
    const before = known.get(address);
    if (before !== undefined) return before;
    const trusted = trust(address, 0);
    if (known.size >= MAX_REMEMBERED_ADDRESSES) known.clear();
    known.set(address, trusted);
    return trusted;
  };
}
