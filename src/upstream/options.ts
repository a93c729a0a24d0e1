import { createPrivateKey, X509Certificate } from "node:crypto";
import { choice, duration, filled, flag, host, section, size, text } from "../core/options.ts";
import type { TlsOptions } from "./connection/tls.ts";

export type BalancerPolicy = "least_request" | "round_robin";

export interface LoadBalancing {
  readonly policy: BalancerPolicy;
}

/** Keys of an upstream that say how its connections are kept and used. */
export const connectionShape = {
  load_balancing: section(
    { docs: "How calls are shared among instances." },
    {
      policy: filled(
        choice({
          docs: "least_request (the less busy of two chosen at random) or round_robin (in turn).",
          of: ["least_request", "round_robin"],
          later: ["p2c", "ewma", "peak_ewma", "random", "weighted", "weighted_round_robin", "ring_hash", "maglev"],
          default: "least_request",
        }),
      ),
    },
  ).prefault({}),
  connect_timeout: filled(
    duration({ docs: "Until TCP and HTTP/2 settings of one connection are done.", default: "3s" }),
  ),
  removal_guard: filled(
    duration({
      docs:
        "How long instances are kept that discovery no longer tells, while they stay connected, where its list is " +
        "empty or halved at once, as after a loss of etcd's data; 0s believes every list.",
      default: "5m",
      min: 0,
    }),
  ),
  limits: section(
    { docs: "How much an instance may send." },
    { message: filled(size({ docs: "Largest message taken from an instance.", default: "4MiB", min: 0 })) },
  ).prefault({}),
  transport: filled(
    choice({
      docs: "Which gRPC client is used: the gateway's own over HTTP/2, at a tenth of the other's CPU, or grpc-js.",
      of: ["http2", "grpc-js"],
      default: "http2",
    }),
  ),
  tls: section(
    {
      docs:
        "TLS to the instances, 1.2 or later, with HTTP/2 chosen by ALPN; `tls: {}` suffices where their certificates " +
        "are signed by an authority that the system trusts. Plaintext without this key. Each value that is a file is " +
        "its path or, as from ${...}, its PEM text; files are read when the configuration is.",
      check({ cert, key }, complain) {
        if (key !== undefined && cert === undefined) complain(["key"], "belongs to a cert, which is missing");
        if (cert !== undefined && key === undefined) complain(["cert"], "needs its key");
      },
    },
    {
      ca: pem("Authorities that sign the instances' certificates, instead of the system's."),
      cert: pem("The gateway's own certificate, its chain behind it, for instances that ask for one."),
      key: pem("The key of cert, not encrypted."),
      server_name: host({
        docs: "The name in the instances' certificates, where it is not the host of their address; sent as SNI and :authority.",
      }).optional(),
    },
  ).optional(),
  keepalive: section(
    {
      docs:
        "Pings on silent connections, for what drops them while idle, such as a NAT; off by default. " +
        "Servers may hang up on a client that pings too often: grpc-go wants 5m, unless told otherwise. Of http2 only.",
    },
    {
      time: duration({ docs: "Silence of the instance after which it is pinged.", min: 1000 }),
      timeout: filled(duration({ docs: "How long its answer may take.", default: "20s" })),
      permit_without_calls: filled(flag({ docs: "Whether to ping also while no call is in flight.", default: false })),
    },
  ).optional(),
};

function pem(docs: string) {
  return text({ docs, what: "a file's path or PEM text" }).optional();
}

interface ParsedTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly server_name?: string | undefined;
}

/**
 * Null for plaintext. `read` gives a file's text and throws where there is none; `complain` is told what is wrong with a
 * key's value.
 */
export function toTls(
  parsed: ParsedTls | undefined,
  read: (path: string) => string,
  complain: (key: "ca" | "cert" | "key", message: string) => void,
): TlsOptions | null {
  if (parsed === undefined) return null;
  const take = <T>(key: "ca" | "cert" | "key", parse: (pem: string) => T, expected: string) => {
    const value = parsed[key];
    if (value === undefined) return null;
    try {
      const pem = value.includes("-----BEGIN") ? value : read(value);
      return { pem, parsed: attempt(() => parse(pem)) ?? void complain(key, `expected ${expected}`) };
    } catch (error) {
      complain(key, `file "${value}" cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
      return null;
    }
  };
  const ca = take("ca", (pem) => new X509Certificate(pem), "certificates in PEM form");
  const cert = take("cert", (pem) => new X509Certificate(pem), "a certificate in PEM form");
  const key = take("key", (pem) => createPrivateKey(pem), "a private key in PEM form, not encrypted");
  if (cert?.parsed && key?.parsed && !cert.parsed.checkPrivateKey(key.parsed)) {
    complain("key", "is not the key of cert");
  }
  return {
    ca: ca?.pem ?? null,
    identity: cert && key ? { cert: cert.pem, key: key.pem } : null,
    serverName: parsed.server_name ?? null,
  };
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    // What OpenSSL says of a wrong file names neither the file nor what was expected.
    return undefined;
  }
}

/** Pings of a connection that is silent, against what drops it while idle. */
export interface Keepalive {
  /** Silence of the peer after which it is pinged. grpc-go's servers want five minutes at least, unless told so. */
  readonly timeMs: number;
  /** How long its answer may take. */
  readonly timeoutMs: number;
  /** Whether to ping also while no call is in flight. */
  readonly permitWithoutCalls: boolean;
}

interface ParsedKeepalive {
  readonly time: number;
  readonly timeout: number;
  readonly permit_without_calls: boolean;
}

/** Null where nothing is to be pinged. */
export function toKeepalive(parsed: ParsedKeepalive | undefined): Keepalive | null {
  if (parsed === undefined) return null;
  return { timeMs: parsed.time, timeoutMs: parsed.timeout, permitWithoutCalls: parsed.permit_without_calls };
}

/** Keys of an upstream of a later version. */
export const laterUpstreamKeys = ["outlier_detection", "health_check", "breaker", "zone"];
