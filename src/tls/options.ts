import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { z } from "zod";
import { choice, filled, host, section, text } from "../core/options.ts";
import type { TlsOptions } from "./client.ts";
import { pemTaker, type ReadFile } from "./pem.ts";
import { secureContextOptions, type ServerTls } from "./server.ts";

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

function pemText(docs: string) {
  return text({ docs, what: "a file's path or PEM text" });
}

function pem(docs: string) {
  return pemText(docs).optional();
}

interface ParsedTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly server_name?: string | undefined;
}

/** Null for plaintext; `complain` is told what is wrong with a key's value. */
export function toTls(
  parsed: ParsedTls | undefined,
  read: ReadFile,
  complain: (key: "ca" | "cert" | "key", message: string) => void,
): TlsOptions | null {
  if (parsed === undefined) return null;
  const take = pemTaker(parsed, read, complain);
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

/** `tls:` of a port that the gateway listens on. */
export const serverTlsSection = section(
  {
    docs:
      "TLS for clients, with HTTP/2 or HTTP/1.1 chosen by ALPN; plaintext and HTTP/1.1 without this key. Each value " +
      "that is a file is its path or, as from ${...}, its PEM text. Files are read when the configuration is: SIGHUP " +
      "takes up renewed ones for new connections, and leaves those that are open.",
  },
  {
    cert: pemText("The certificate that clients see, its chain behind it."),
    key: pemText("The key of cert."),
    passphrase: text({ docs: "What key is encrypted with; best as ${...}.", what: "a passphrase" }).optional(),
    client_ca: pem("Authorities of clients. With it a connection needs a certificate that one of them has signed."),
    min_version: filled(
      choice({ docs: "The oldest version of TLS that is spoken.", of: ["TLSv1.2", "TLSv1.3"], default: "TLSv1.2" }),
    ),
    ciphers: text({
      docs: "Cipher suites by OpenSSL's names, joined by colons, in the order of preference; Node's without it.",
      what: "names of cipher suites such as TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    }).optional(),
  },
);

type ServerTlsKey = "cert" | "key" | "client_ca" | "ciphers";

/** Null for plaintext; `refuse` is told what is wrong with a key's value, `warn` of what may be meant so. */
export function toServerTls(
  parsed: z.output<typeof serverTlsSection> | undefined,
  read: ReadFile,
  refuse: (key: ServerTlsKey, message: string) => void,
  warn: (key: ServerTlsKey, message: string) => void,
): ServerTls | null {
  if (parsed === undefined) return null;
  let isWrong = false;
  const complain = (key: ServerTlsKey, message: string): void => {
    isWrong = true;
    refuse(key, message);
  };
  const take = pemTaker(parsed, read, complain);
  const { passphrase } = parsed;
  const cert = take("cert", (pem) => new X509Certificate(pem), "a certificate in PEM form");
  const key = take(
    "key",
    (pem) => createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) }),
    passphrase === undefined
      ? "a private key in PEM form; one that is encrypted needs its passphrase"
      : "a private key in PEM form that passphrase opens",
  );
  const clientCa = take("client_ca", (pem) => new X509Certificate(pem), "certificates in PEM form");
  if (cert?.parsed && key?.parsed && !cert.parsed.checkPrivateKey(key.parsed))
    complain("key", "is not the key of cert");
  if (cert?.parsed && cert.parsed.validToDate.getTime() < Date.now()) {
    warn("cert", `the certificate has expired, on ${cert.parsed.validToDate.toISOString()}`);
  }
  const tls: ServerTls = {
    cert: cert?.pem ?? "",
    key: key?.pem ?? "",
    passphrase: passphrase ?? null,
    clientCa: clientCa?.pem ?? null,
    minVersion: parsed.min_version,
    ciphers: parsed.ciphers ?? null,
  };
  if (isWrong) return tls;
  try {
    createSecureContext(secureContextOptions(tls));
  } catch (error) {
    // Each file is fine by itself. An elliptic key with ciphers for RSA only is no error here, but a failed handshake.
    const [at, expected] = /cipher/i.test(String(error))
      ? (["ciphers", "expected names of cipher suites that OpenSSL knows"] as const)
      : (["cert", "OpenSSL does not take this certificate"] as const);
    complain(at, `${expected} (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
  return tls;
}
