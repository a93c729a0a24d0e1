import type { SecureContextOptions } from "node:tls";

/** What the gateway shows to clients over TLS, and asks of them. Certificates and key are PEM texts. */
export interface ServerTls {
  /** The certificate, its chain behind it. */
  readonly cert: string;
  readonly key: string;
  /** Of an encrypted key. */
  readonly passphrase: string | null;
  /** Authorities of which each client must show a certificate; null: clients are asked for none. */
  readonly clientCa: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** OpenSSL's names, joined by colons; null: Node's. */
  readonly ciphers: string | null;
}

/** The same as Node takes it; throws where OpenSSL takes any of it for wrong. */
export function secureContextOptions(tls: ServerTls): SecureContextOptions {
  return {
    cert: tls.cert,
    key: tls.key,
    minVersion: tls.minVersion,
    ...(tls.passphrase === null ? {} : { passphrase: tls.passphrase }),
    ...(tls.clientCa === null ? {} : { ca: tls.clientCa }),
    ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
  };
}

/**
 * What takes the place of `inForce` without a restart; null where that cannot be: TLS is switched on or off, or clients
 * begin or end to be asked for certificates.
 */
export function renewedTls(inForce: ServerTls | null, wanted: ServerTls | null): ServerTls | null {
  if (inForce === null || wanted === null) return null;
  return (inForce.clientCa === null) === (wanted.clientCa === null) ? wanted : null;
}
