import net from "node:net";
import tls from "node:tls";
import { splitAddress } from "../../../core/address.ts";
import { NO_HTTP2, tlsReason, type TlsClient } from "../../../tls/client.ts";

/** A byte stream to an instance: what a session needs of a socket, TCP or TLS. */
export interface Transport {
  /** Bytes written that the system has not taken yet. */
  readonly pendingBytes: number;
  /** `bytes` belong to the transport until `pendingBytes` is 0. */
  write(bytes: Uint8Array): void;
  /** Closes once what was written is out. */
  end(): void;
  /** Closes now. */
  destroy(): void;
}

export interface TransportListener {
  onOpen(): void;
  /** `bytes[0, length)`, valid only during the call. */
  onBytes(bytes: Uint8Array, length: number): void;
  /** `pendingBytes` had grown large, and is 0 again. */
  onDrain(): void;
  /** Exactly once, whoever closed it. `reason` is for the log; empty where the peer closed it in order. */
  onClosed(reason: string): void;
}

/** `address` is `host:port`, IPv6 in brackets. */
export type Dial = (address: string, listener: TransportListener) => Transport;

// One read takes at most this much, into one buffer for all connections: what is read is used before the next read.
const READ_BUFFER = Buffer.allocUnsafeSlow(1 << 16);
// TLS hands on a record at a time, and while it does may be asked to write: a buffer of each connection's own.
const RECORD_BYTES = 1 << 14;
// Finds a peer that vanished without a word while nothing is asked of it, where a NAT or a firewall allows.
const TCP_KEEPALIVE_DELAY_MS = 30_000;

// How long a peer that takes nothing may hold up what is left to write before the end.
const END_TIMEOUT_MS = 5_000;

/** Plain TCP. */
export const dialTcp: Dial = (address, listener) =>
  new SocketTransport(
    net.connect({ ...splitAddress(address), onread: readInto(READ_BUFFER, listener) }),
    "connect",
    listener,
  );

/** TLS over TCP. */
export function dialTls(client: TlsClient): Dial {
  return (address, listener) => {
    const options: tls.ConnectionOptions & { onread: net.OnReadOpts } = {
      ...client.optionsFor(address),
      ...splitAddress(address),
      onread: readInto(Buffer.allocUnsafeSlow(RECORD_BYTES), listener),
    };
    const socket = tls.connect(options);
    client.keepSessions(address, socket);
    return new SocketTransport(socket, "secureConnect", {
      onOpen() {
        if (socket.alpnProtocol === "h2") listener.onOpen();
        else socket.destroy(new Error(NO_HTTP2));
      },
      onBytes: (bytes, length) => listener.onBytes(bytes, length),
      onDrain: () => listener.onDrain(),
      onClosed: (reason) => listener.onClosed(reason),
    });
  };
}

/** Reads go into a buffer that stays instead of one made per chunk. */
function readInto(buffer: Buffer, listener: TransportListener): net.OnReadOpts {
  return {
    buffer,
    callback: (length, bytes) => {
      listener.onBytes(bytes, length);
      return true;
    },
  };
}

class SocketTransport implements Transport {
  private readonly socket: net.Socket;

  /** `opened` is the event from which on bytes may go out. */
  constructor(socket: net.Socket, opened: "connect" | "secureConnect", listener: TransportListener) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE_DELAY_MS);
    let reason = "";
    socket.once(opened, () => listener.onOpen());
    socket.on("drain", () => listener.onDrain());
    socket.on("error", (error) => (reason = tlsReason(error) ?? messageOf(error)));
    // The peer sends nothing more, so no call can be answered here.
    socket.once("end", () => socket.destroy());
    socket.once("close", () => listener.onClosed(reason));
  }

  get pendingBytes(): number {
    return this.socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  end(): void {
    this.socket.setTimeout(END_TIMEOUT_MS, () => this.socket.destroy());
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

// A name with several addresses fails with one error per address and no message of its own.
function messageOf(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : error.message;
}
