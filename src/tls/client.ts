import { isIP, type Socket } from "node:net";
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  getCACertificates,
  type ConnectionOptions,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { splitAddress } from "../core/address.ts";

/** How the instances of an upstream are reached over TLS. Certificates and key are PEM texts. */
export interface TlsOptions {
  /** Authorities that are trusted; null: those of the system. */
  readonly ca: string | null;
  /** The gateway's own certificate, its chain behind it, and its key, for instances that ask for one. */
  readonly identity: { readonly cert: string; readonly key: string } | null;
  /** The name in the instances' certificates, also sent as SNI and `:authority`; null: the host of each address. */
  readonly serverName: string | null;
}

// Instances come and go; the sessions of those that are gone are of no use.
const MAX_SESSIONS = 1_000;

/** The client's side of TLS for one upstream: HTTP/2 by ALPN, TLS 1.2 or later, sessions resumed. */
export class TlsClient {
  readonly serverName: string | null;
  private readonly context: SecureContext;
  /** The newest of each address, by which the next handshake there is shorter. */
  private readonly sessions = new Map<string, Buffer>();

  constructor({ ca, identity, serverName }: TlsOptions) {
    this.serverName = serverName;
    this.context = createSecureContext({ ca: ca ?? systemAuthorities(), ...identity, minVersion: "TLSv1.2" });
  }

  /** What `tls.connect` needs besides where to. */
  optionsFor(address: string): ConnectionOptions {
    const name = this.serverName ?? splitAddress(address).host;
    const session = this.sessions.get(address);
    return {
      secureContext: this.context,
      ALPNProtocols: ["h2"],
      // RFC 6066 has no addresses in SNI.
      servername: isIP(name) === 0 ? name : "",
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      ...(session === undefined ? {} : { session }),
    };
  }

  /** Keeps the sessions that the peer offers on this socket. */
  keepSessions(address: string, socket: TLSSocket): void {
    socket.on("session", (session) => {
      this.sessions.delete(address);
      this.sessions.set(address, session);
      const [oldest] = this.sessions.keys();
      if (this.sessions.size > MAX_SESSIONS && oldest !== undefined) this.sessions.delete(oldest);
    });
  }

  /** TLS over a socket that is connected; rejects with a reason for the log. */
  secure(address: string, socket: Socket): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const secured = connect({ ...this.optionsFor(address), socket });
      this.keepSessions(address, secured);
      secured.on("error", (error) => reject(new Error(tlsReason(error) ?? error.message)));
      secured.once("close", () => reject(new Error("the connection was closed in the TLS handshake")));
      secured.once("secureConnect", () => {
        if (secured.alpnProtocol === "h2") {
          resolve(secured);
          return;
        }
        reject(new Error(NO_HTTP2));
        secured.destroy();
      });
    });
  }
}

let authorities: readonly string[] | null = null;

/** Those that come with Node and those of the machine. Read once: a process's life is short against theirs. */
function systemAuthorities(): string[] {
  authorities ??= [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
  return [...authorities];
}

/** What the handshake came to where ALPN chose nothing. */
export const NO_HTTP2 = "TLS: the instance does not offer HTTP/2 (ALPN h2)";

// By Node's code for what is wrong with the instance's certificate, and by OpenSSL's words for what it said or sent.
const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^CERT_HAS_EXPIRED /, "the instance's certificate has expired"],
  [/^CERT_NOT_YET_VALID /, "the instance's certificate is not valid yet"],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+) /,
    "no authority that is trusted here (tls.ca) has signed the instance's certificate",
  ],
  [/wrong version number|packet length too long|record layer failure/i, "the instance does not speak TLS"],
  [/alert no application protocol/i, "the instance does not offer HTTP/2 (ALPN h2)"],
  [/alert protocol version|unsupported protocol/i, "the instance speaks no TLS 1.2 or later"],
  [/alert certificate required/i, "the instance asks for a client certificate (tls.cert)"],
  [/alert (?:unknown ca|bad certificate|certificate \w+)/i, "the instance refuses the client certificate (tls.cert)"],
];

/** A sentence for the log on an error of a TLS socket; null where TLS is not what it is about. */
export function tlsReason(error: Error): string | null {
  const { code = "", reason = "" } = error as Error & { code?: string; reason?: string };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `TLS: the instance's certificate is for another name: ${reason}`;
  // `write EPROTO 0A:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/…`
  const said = reason || (/:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):/.exec(error.message)?.[1] ?? "");
  const known = REASONS.find(([pattern]) => pattern.test(`${code} ${said}`));
  if (known !== undefined) return `TLS: ${known[1]}`;
  return said === "" ? null : `TLS: ${said}`;
}
