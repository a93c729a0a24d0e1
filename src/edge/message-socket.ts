import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Clock } from "../core/clock.ts";
import { gatewayError, type GatewayError } from "../core/errors.ts";
import type { MessageSocket, ReplyListener, SocketListener } from "../exchange/http.ts";

export interface MessageSocketOptions {
  readonly webSocket: WebSocket;
  /** What it runs on. */
  readonly socket: Socket;
  readonly clock: Clock;
  /** How long a client may take nothing, or give no sign of life. */
  readonly stallMs: number;
  readonly maxBodyBytes: number;
  readonly heartbeatMs: number;
  readonly listener: SocketListener;
  readonly replies: ReplyListener;
}

/** A WebSocket of ws as a MessageSocket. */
export class NodeMessageSocket implements MessageSocket {
  readonly protocol: string;
  private readonly options: MessageSocketOptions;
  private messages = 0;
  private isPaused = false;
  private isCorked = false;
  private bytesRead = 0;
  private heardMs = 0;
  private stopHeartbeat: (() => void) | null = null;
  private readonly uncork = (): void => {
    this.isCorked = false;
    this.options.socket.uncork();
  };

  constructor(options: MessageSocketOptions) {
    const { webSocket, socket, listener, replies, clock } = options;
    this.options = options;
    this.protocol = webSocket.protocol;
    webSocket.on("message", (bytes: Buffer, isBinary) => {
      this.messages++;
      listener.onSocketMessage(bytes, !isBinary);
    });
    webSocket.on("error", (error: NodeJS.ErrnoException) => {
      const failure = this.toGatewayError(error);
      if (failure !== null) listener.onSocketBroken(failure);
    });
    webSocket.on("close", () => {
      this.stopHeartbeat?.();
      replies.onClientGone();
    });
    socket.on("drain", () => {
      // A stream may be silent for longer than a client may stall.
      socket.setTimeout(0);
      replies.onDrain();
    });
    socket.on("timeout", () => webSocket.terminate());
    this.heardMs = clock.now();
    if (options.heartbeatMs !== Infinity) this.beat();
  }

  /** Whether either side has said that it ends. */
  get isClosing(): boolean {
    return this.options.webSocket.readyState !== WebSocket.OPEN;
  }

  send(message: string | Buffer, isText: boolean): boolean {
    const { webSocket, socket, stallMs } = this.options;
    if (this.isClosing) return true;
    // Messages of one tick go out in one write.
    if (!this.isCorked) {
      this.isCorked = true;
      socket.cork();
      process.nextTick(this.uncork);
    }
    webSocket.send(message, { binary: !isText });
    if (!socket.writableNeedDrain) return true;
    // Node's timer for idle sockets starts anew whenever some bytes went out.
    socket.setTimeout(stallMs);
    return false;
  }

  pause(): void {
    this.isPaused = true;
    this.options.webSocket.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.options.webSocket.resume();
  }

  close(code: number, reason: string): void {
    const { webSocket } = this.options;
    webSocket.close(code, reason);
    // The client's own close frame must be read.
    if (this.isPaused) this.resume();
  }

  // A client that vanished without a word is found out, and proxies see that the connection is in use.
  private beat(): void {
    const { webSocket, socket, clock, heartbeatMs, stallMs } = this.options;
    this.stopHeartbeat = clock.after(heartbeatMs, () => {
      const isMute = socket.bytesRead === this.bytesRead && !this.isPaused && !socket.writableNeedDrain;
      this.bytesRead = socket.bytesRead;
      if (!isMute) this.heardMs = clock.now();
      else if (clock.now() - this.heardMs >= stallMs) return webSocket.terminate();
      if (!this.isClosing && !socket.writableNeedDrain) webSocket.ping();
      this.beat();
    });
  }

  /** What ws found wrong with what came; it has begun to close the connection. */
  private toGatewayError(error: NodeJS.ErrnoException): GatewayError | null {
    switch (error.code) {
      case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
      case "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH":
        return gatewayError("MESSAGE_TOO_LARGE", { index: this.messages + 1, limit: this.options.maxBodyBytes });
      default:
        // The connection broke: "close" follows. Reasons of ws have no more than numbers of the client's in them.
        return error.code?.startsWith("WS_ERR_") ? gatewayError("WEBSOCKET_PROTOCOL", { reason: error.message }) : null;
    }
  }
}
