import type { Socket } from "node:net";
import { ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { TlsClient } from "./client.ts";

/**
 * Credentials of a grpc-js channel to `address` that show each socket to `onSocket`, which may throw to give it up, and
 * then make TLS of it where that is asked for. A connection that is still being made is not grpc-js's any more once its
 * channel is closed: a peer that accepts TCP and stays mute would keep one socket for each try (grpc-node #2785). TLS is
 * by our own client, since grpc-js sends the host as server name, which Node refuses where it is an IP address. This is
 * the one place that leans on a method which grpc-js types but calls internal: it gives no other hold on such a socket.
 */
export class SocketCredentials extends ChannelCredentials {
  private readonly address: string;
  private readonly tls: TlsClient | null;
  private readonly onSocket: (socket: Socket) => void;
  private readonly inner = credentials.createInsecure();

  constructor(address: string, tls: TlsClient | null, onSocket: (socket: Socket) => void) {
    super();
    this.address = address;
    this.tls = tls;
    this.onSocket = onSocket;
  }

  override _isSecure(): boolean {
    return this.tls !== null;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    ...args: Parameters<ChannelCredentials["_createSecureConnector"]>
  ): ReturnType<ChannelCredentials["_createSecureConnector"]> {
    const connector = this.inner._createSecureConnector(...args);
    return {
      connect: async (socket) => {
        this.onSocket(socket);
        if (this.tls === null) return connector.connect(socket);
        return { socket: await this.tls.secure(this.address, socket), secure: true };
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }
}
