import { createPrivateKey, X509Certificate } from "node:crypto";
import { host, section, text } from "../core/options.ts";
import type { TlsOptions } from "./client.ts";

/** `tls:` of whatever is reached over TLS; `peers` are those that are reached, for the docs. */
export function tlsSection({ docs, peers }: { readonly docs: string; readonly peers: string }) {
  return section(
    {
      docs,
      check({ cert, key }, complain) {
        if (key !== undefined && cert === undefined) complain(["key"], "belongs to a cert, which is missing");
        if (cert !== undefined && key === undefined) complain(["cert"], "needs its key");
      },
    },
    {
      ca: pem(`Authorities that sign the ${peers}' certificates, instead of the system's.`),
      cert: pem(`The gateway's own certificate, its chain behind it, for ${peers} that ask for one.`),
      key: pem("The key of cert, not encrypted."),
      server_name: host({
        docs: `The name in the ${peers}' certificates, where it is not the host of their address; sent as SNI and :authority.`,
      }).optional(),
    },
  );
}

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
