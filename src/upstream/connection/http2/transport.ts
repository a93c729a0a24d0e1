import net from "node:net";

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

// One read takes at most this much; the buffer stays for the connection's life.
const READ_BUFFER_BYTES = 1 << 16;
// Finds a peer that vanished without a word while nothing is asked of it, where a NAT or a firewall allows.
const TCP_KEEPALIVE_DELAY_MS = 30_000;

/** Plain TCP. */
export const dialTcp: Dial = (address, listener) => new TcpTransport(address, listener);

class TcpTransport implements Transport {
  private readonly socket: net.Socket;

  constructor(address: string, listener: TransportListener) {
    const { host, port } = splitAddress(address);
    this.socket = net.connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEPALIVE_DELAY_MS,
      // Reads go into one buffer instead of one made per chunk.
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
        callback: (length, bytes) => {
          listener.onBytes(bytes, length);
          return true;
        },
      },
    });
    let reason = "";
    this.socket.once("connect", () => listener.onOpen());
    this.socket.on("drain", () => listener.onDrain());
    this.socket.on("error", (error) => (reason = messageOf(error)));
    // The peer sends nothing more, so no call can be answered here.
    this.socket.once("end", () => this.socket.destroy());
    this.socket.once("close", () => listener.onClosed(reason));
  }

  get pendingBytes(): number {
    return this.socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  end(): void {
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port: Number(address.slice(colon + 1)) };
}

// A name with several addresses fails with one error per address and no message of its own.
function messageOf(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : error.message;
}
