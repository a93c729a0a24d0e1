import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { WebSocketServer, type ServerOptions as WsOptions, type WebSocket } from "ws";
import { gatewayError, GatewayError } from "../core/errors.ts";
import { ServerResponse, STATUS_CODES } from "../core/node-http.ts";
import type { HttpExchange, HttpUpgrade, MessageSocket, ReplyListener, UpgradeOptions } from "../exchange/http.ts";
import type { SocketListener } from "../exchange/http.ts";
import { currentExchange, NodeHttpExchange, type AdapterState } from "./adapter.ts";
import { linger } from "./linger.ts";
import { NodeMessageSocket } from "./message-socket.ts";
import type { WebSocketOptions } from "./options.ts";
import { compileOrigins, type OriginCheck } from "./origin.ts";
import { originTarget } from "./request-target.ts";

export interface UpgradeHandlers {
  onUpgrade(http: HttpUpgrade): void;
  onRefused(http: HttpExchange, error: GatewayError): void;
}

/** Whether a request asks for a WebSocket, and not behind one that has no reply yet. */
export function isWebSocketUpgrade(request: IncomingMessage): boolean {
  if (request.method !== "GET" || request.headers.upgrade?.toLowerCase() !== "websocket") return false;
  // RFC 9110, 7.8: not from HTTP/1.0.
  return request.httpVersion === "1.1" && currentExchange(request.socket)?.isReplied !== false;
}

// A message of 4 MiB comes in some 3000 pieces; very many more are sent to cost memory.
const MAX_PIECES = 1 << 14;

/** Takes the requests for WebSockets of one server. */
export class WebSocketDoor {
  private readonly state: AdapterState;
  private readonly handlers: UpgradeHandlers;
  private readonly maxConnections: number;
  private readonly isAllowed: OriginCheck;
  private readonly server: WebSocketServer;
  /** Looked up while ws writes the handshake. */
  private readonly accepted = new WeakMap<IncomingMessage, UpgradeOptions>();
  private open = 0;

  constructor(options: WebSocketOptions, state: AdapterState, handlers: UpgradeHandlers) {
    this.state = state;
    this.handlers = handlers;
    this.maxConnections = options.maxConnections;
    this.isAllowed = compileOrigins(options.allowedOrigins);
    const wsOptions: WsOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      // Compression takes some 300 KB for each connection, and puts secrets beside what strangers send.
      perMessageDeflate: false,
      // 0 would be no limit.
      maxPayload: Math.max(1, state.maxBodyBytes),
      maxBufferedChunks: MAX_PIECES,
      maxFragments: MAX_PIECES,
      // In which a slow client reads what was sent ahead of the close frame, too.
      closeTimeout: state.stallMs,
      handleProtocols: (offered, request) =>
        [...offered].find((name) => this.accepted.get(request)?.protocols.includes(name)) ?? false,
    };
    this.server = new WebSocketServer(wsOptions);
    this.server.on("headers", (lines, request) => {
      const headers = this.accepted.get(request)?.headers ?? [];
      for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
    });
  }

  /** As Node's event: the HTTP parser has let go of the socket; `head` is what it had read beyond the request. */
  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // A connection that breaks is seen by its "close"; without a listener the error would be thrown.
    socket.on("error", () => {});
    if (socket.writableEnded) return void socket.destroy();
    const target = originTarget(request);
    const { state } = this;
    const http = (path: string): NodeHttpUpgrade =>
      new NodeHttpUpgrade({
        request,
        socket,
        target: path,
        state,
        accept: (options) => this.accept(request, socket, head, options),
      });
    if (target instanceof GatewayError) return this.handlers.onRefused(http(request.url ?? ""), target);
    const refusal = this.check(request);
    if (refusal !== null) return this.handlers.onRefused(http(target), refusal);
    this.handlers.onUpgrade(http(target));
  }

  /** Why no WebSocket is opened, whatever its path; null where one may be. */
  private check({ headers }: IncomingMessage): GatewayError | null {
    const version = headers["sec-websocket-version"] ?? "";
    if (version !== "13") return gatewayError("WEBSOCKET_VERSION", { version: JSON.stringify(version.slice(0, 20)) });
    if (!KEY.test(headers["sec-websocket-key"] ?? "")) return malformed("Sec-WebSocket-Key is not 16 bytes in base64");
    const protocols = headers["sec-websocket-protocol"];
    if (protocols !== undefined && !isListOfTokens(protocols)) {
      return malformed("Sec-WebSocket-Protocol is no list of different names");
    }
    const length = headers["content-length"];
    if ((length !== undefined && length !== "0") || headers["transfer-encoding"] !== undefined) {
      return malformed("a body behind a request for a WebSocket");
    }
    const { origin } = headers;
    if (origin !== undefined && !this.isAllowed(origin, headers.host ?? "")) {
      return gatewayError("ORIGIN_NOT_ALLOWED", { origin: JSON.stringify(origin.slice(0, 200)) });
    }
    if (this.open < this.maxConnections) return null;
    return gatewayError("WEBSOCKET_LIMIT", { limit: this.maxConnections }, { retryAfterSeconds: 1 });
  }

  private accept(request: IncomingMessage, socket: Socket, head: Buffer, options: UpgradeOptions): WebSocket | null {
    this.accepted.set(request, options);
    let accepted: WebSocket | null = null;
    // Calls back at once, or, where the client has gone, not at all: what it would refuse was refused by `check`.
    this.server.handleUpgrade(request, socket, head, (webSocket) => (accepted = webSocket));
    if (accepted === null) return null;
    this.open++;
    socket.once("close", () => this.open--);
    return accepted;
  }
}

// RFC 6455, 4.1 (key), 4.2.1 (protocols: RFC 9110's tokens, none of them twice).
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

function isListOfTokens(header: string): boolean {
  const names = header.split(",").map((name) => name.trim());
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length;
}

function malformed(reason: string): GatewayError {
  return gatewayError("HTTP_MALFORMED", { reason });
}

interface UpgradeParts {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** In origin form. */
  readonly target: string;
  readonly state: AdapterState;
  readonly accept: (options: UpgradeOptions) => WebSocket | null;
}

/** A request for a WebSocket. It is refused on the bare socket: Node's HTTP server has let go of it. */
class NodeHttpUpgrade extends NodeHttpExchange implements HttpUpgrade {
  private readonly parts: UpgradeParts;
  private messages: NodeMessageSocket | null = null;
  private readonly onClose = (): void => this.listener?.onClientGone();

  constructor(parts: UpgradeParts) {
    const { request, target, state } = parts;
    super(request, new ServerResponse(request), target, state, false);
    this.parts = parts;
  }

  override listen(listener: ReplyListener): void {
    this.listener = listener;
    this.parts.socket.once("close", this.onClose);
  }

  accept(options: UpgradeOptions, listener: SocketListener): MessageSocket | null {
    const { accept, socket, state } = this.parts;
    const webSocket = accept(options);
    if (webSocket === null) return null;
    socket.off("close", this.onClose);
    const { clock, stallMs, maxBodyBytes } = state;
    const { heartbeatMs } = options;
    const replies = this.listener as ReplyListener; // an exchange listens from its begin
    this.messages = new NodeMessageSocket({
      webSocket,
      socket,
      clock,
      stallMs,
      maxBodyBytes,
      heartbeatMs,
      listener,
      replies,
    });
    return this.messages;
  }

  override send(status: number, headers: string[], body: string | Buffer): void {
    const { socket, state } = this.parts;
    socket.off("close", this.onClose);
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
    for (let i = 0; i + 1 < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    // RFC 6455, 4.4; it may stand in any refusal.
    head += `sec-websocket-version: 13\r\ndate: ${new Date().toUTCString()}\r\n`;
    socket.write(`${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n`, "latin1");
    socket.write(typeof body === "string" ? Buffer.from(body, "latin1") : body);
    linger(socket, state.clock);
  }

  override get isReplied(): boolean {
    const { socket } = this.parts;
    return socket.writableLength === 0 && (this.messages?.isClosing ?? socket.writableEnded);
  }

  override onShutdown(): void {
    this.listener?.onShutdown();
  }
}
