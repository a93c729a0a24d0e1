import type { CallEnd, CallHandle, FlatMetadata } from "../call/call.ts";
import { Code } from "../core/code.ts";
import { gatewayError, toGatewayError, type GatewayError } from "../core/errors.ts";
import { IdleTimer } from "../core/idle-timer.ts";
import { ofMessage } from "../transcode/message-stream.ts";
import { isBlank } from "../transcode/bind.ts";
import { sink } from "../transcode/sink.ts";
import { writeGatewayError } from "../transcode/status-json.ts";
import { Exchange, type ExchangeContext } from "./exchange.ts";
import { shorten, writeEndStatus } from "./failure.ts";
import { dataOf } from "./http-body.ts";
import type { HttpUpgrade, MessageSocket, SocketListener } from "./http.ts";
import { messageError } from "./message-error.ts";
import type { Route } from "./route.ts";

/** The only subprotocol: what is spoken without one, too. */
const PROTOCOLS = ["json"];

// RFC 6455, 7.4.1. A call that failed closes with its gRPC code above 4000, which are for applications (7.4.2).
const CLOSE_OK = 1000;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_FAILED = 4000;
const MAX_REASON_BYTES = 123;

/**
 * One call over a WebSocket: each message of the client is a request message, and each reply a message of its own, so
 * that a stream both ways is full-duplex. An empty message ends the client's part, since WebSocket has no half-close;
 * closing ends the call. What is wrong with path, query or headers refuses the upgrade with an HTTP status; from then
 * on a failure is a last text message, `{"error": google.rpc.Status}`, and the close code behind it. Each side holds the
 * other back: a client that does not read pauses the call, and a call that takes no more pauses the client.
 */
export class WebSocketExchange extends Exchange implements SocketListener {
  private readonly upgrade: HttpUpgrade;
  private socket: MessageSocket | null = null;
  /** What the client's next message is. */
  private input: "message" | "request" | "unexpected" = "unexpected";
  private messagesIn = 0;
  /** Messages that came while the call could take no more, and whether the end of input came behind them. */
  private waiting: Buffer[] = [];
  private isCallFull = false;
  private isInputEnded = false;
  /** The only reply to a client stream: it is one only when the call has ended well. */
  private reply: string | Buffer | null = null;
  private isSocketFull = false;
  /** Null without a limit, and before the upgrade. */
  private idle: IdleTimer | null = null;

  constructor(context: ExchangeContext, http: HttpUpgrade, route: Route) {
    super(context, http, route);
    this.upgrade = http;
  }

  override run(variables: readonly string[]): void {
    const route = this.route as Route; // given by whoever matched
    this.variables = variables;
    if (route.kind === "server_stream" && !route.takesBody) return this.startRpc(null);
    try {
      // What can be known to be wrong before the first message refuses the upgrade.
      route.bindMessage(variables, this.http.query, null, this.http);
    } catch (error) {
      return this.fail(error);
    }
    if (route.kind === "server_stream") {
      this.input = "request";
      this.open(route);
    } else {
      this.input = "message";
      this.startStream(route);
    }
  }

  protected negotiate(): null {
    return null;
  }

  protected start(route: Route, message: Buffer | null, metadata: FlatMetadata, clientTimeoutMs: number): CallHandle {
    this.open(route);
    const call = this.startCall(route, message, metadata, {
      totalMs: Math.min(route.streamTimeoutMs, clientTimeoutMs),
      firstMessageMs: message === null ? Infinity : route.timeoutMs,
      idleMs: Infinity,
    });
    // The client had gone when it was to be told yes.
    if (this.ended) call.cancel();
    return call;
  }

  /** Grants the upgrade. */
  private open(route: Route): void {
    if (this.socket !== null) return;
    const { heartbeatMs } = route;
    const headers = ["x-request-id", this.requestId];
    this.socket = this.upgrade.accept({ headers, protocols: PROTOCOLS, heartbeatMs }, this);
    if (this.socket === null) return this.onClientGone();
    this.status = 101;
    this.watchIdle(route.streamIdleTimeoutMs);
  }

  // What the client sends.

  onSocketMessage(bytes: Buffer): void {
    if (this.ended) return;
    this.bytesIn += bytes.length;
    this.idle?.touch();
    if (this.isEnd(bytes)) return this.endInput();
    switch (this.input) {
      case "request":
        this.input = "unexpected";
        return this.startRpc(bytes);
      case "message":
        if (!this.isCallFull) return this.sendMessage(bytes);
        // What the socket had read before it was paused.
        this.waiting.push(bytes);
        return;
      case "unexpected":
        return this.refuseMessage();
      default:
        this.input satisfies never;
    }
  }

  onSocketBroken(error: GatewayError): void {
    if (this.ended) return;
    this.endWith(error.grpc, error);
  }

  /** Tools that send what is typed send a line end with it. */
  private isEnd(bytes: Buffer): boolean {
    const { takesHttpBody } = this.route as Route; // given by whoever matched
    return bytes.length === 0 || (!takesHttpBody && isBlank(bytes));
  }

  private endInput(): void {
    if (this.input === "request") this.startRpc(null);
    this.input = "unexpected";
    this.isInputEnded = true;
    this.halfCloseOnceSent();
  }

  private halfCloseOnceSent(): void {
    if (!this.isInputEnded || this.waiting.length > 0) return;
    const { kind } = this.route as Route; // a call was made
    if (kind === "server_stream") return;
    this.call?.halfClose();
    if (this.messagesOut === 0) this.onSent();
  }

  private sendMessage(json: Buffer): void {
    const route = this.route as Route; // a call was made
    this.messagesIn++;
    let message: Buffer;
    try {
      message = route.bindMessage(this.variables, this.http.query, json, this.http);
    } catch (error) {
      return this.fail(ofMessage(error, this.messagesIn));
    }
    if (this.call?.send(message) === false) {
      this.isCallFull = true;
      this.socket?.pause();
    }
  }

  override onWritable(): void {
    if (this.ended || !this.isCallFull) return;
    this.isCallFull = false;
    const { waiting } = this;
    this.waiting = [];
    let sent = 0;
    while (sent < waiting.length && !this.isCallFull && !this.ended) this.sendMessage(waiting[sent++] as Buffer); // in range
    if (this.ended) return;
    if (sent < waiting.length) this.waiting = waiting.slice(sent);
    if (this.isCallFull) return;
    this.socket?.resume();
    this.halfCloseOnceSent();
  }

  private refuseMessage(): void {
    const isOver = this.isInputEnded || (this.route as Route).takesBody; // a call was made
    const reason = isOver ? "the input has ended" : `${shorten(this.path)} takes none`;
    this.fail(gatewayError("MESSAGE_UNEXPECTED", { reason }));
  }

  // What the call gives.

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    const route = this.route as Route; // a call was made
    let message: string | Buffer;
    try {
      message = encode(route, bytes, start, end);
    } catch (error) {
      return this.fail(messageError(route, error));
    }
    this.idle?.touch();
    this.stopReplyTimer?.();
    if (route.kind !== "client_stream") return this.sendReply(route, message);
    if (this.reply !== null) return this.failProtocol(route, "more than one message in answer to a client stream");
    this.reply = message;
  }

  private sendReply(route: Route, message: string | Buffer): void {
    this.messagesOut++;
    this.push(message, route.readHttpBody === null);
  }

  private push(message: string | Buffer, isText: boolean): void {
    this.bytesOut += message.length;
    if (this.socket?.send(message, isText) !== false) return;
    this.isSocketFull = true;
    // Time in which the client does not read is no silence of the stream's.
    this.idle?.stop();
    this.call?.pause();
  }

  override onDrain(): void {
    if (!this.isSocketFull) return;
    this.isSocketFull = false;
    this.idle?.start();
    this.call?.resume();
  }

  onEnd(end: CallEnd): void {
    if (end.code !== Code.Ok || end.error !== null) return this.failCall(end);
    const route = this.route as Route; // a call was made
    if (route.kind === "client_stream") {
      if (this.reply === null) return this.failProtocol(route, "status OK without a message");
      this.sendReply(route, this.reply);
    }
    this.socket?.close(CLOSE_OK, "");
    this.finish();
  }

  // How it ends.

  override fail(thrown: unknown, headers: string[] = []): void {
    if (this.ended) return;
    this.call?.cancel();
    if (this.socket === null) return super.fail(thrown, headers);
    const error = toGatewayError(thrown);
    this.tellFailure(() => writeGatewayError(error, this.errorForm, this.requestId));
    const closeCode = error.code === "SHUTTING_DOWN" ? CLOSE_GOING_AWAY : CLOSE_FAILED + error.grpc;
    this.socket.close(closeCode, cutReason(error.message));
    this.endWith(error.grpc, error);
  }

  protected override failCall(end: CallEnd): void {
    if (end.error !== null) return this.fail(end.error);
    const route = this.route as Route; // a call was made
    this.tellFailure(() => writeEndStatus(route, end, this.errorForm, this.requestId));
    this.socket?.close(CLOSE_FAILED + end.code, cutReason(end.message));
    this.endWith(end.code, null);
  }

  private failProtocol(route: Route, reason: string): void {
    this.fail(gatewayError("UPSTREAM_PROTOCOL", { upstream: route.upstream, reason }));
  }

  private tellFailure(writeStatus: () => void): void {
    sink.reset();
    sink.text(`{"error":`);
    writeStatus();
    sink.text("}");
    this.push(sink.take(), true);
  }

  private endWith(grpcCode: number, error: GatewayError | null): void {
    this.call?.cancel();
    this.grpcCode = grpcCode;
    if (error !== null) {
      this.errorCode = error.code;
      this.cause = error.cause;
    }
    this.finish();
  }

  protected override finish(): void {
    this.idle?.stop();
    this.waiting = [];
    super.finish();
  }

  private watchIdle(limitMs: number): void {
    if (limitMs === Infinity) return;
    this.idle = new IdleTimer(this.context.clock, limitMs, (timeout) =>
      this.fail(gatewayError("STREAM_IDLE", { timeout })),
    );
    this.idle.start();
  }
}

/** One message as it goes out: the bytes of a google.api.HttpBody, else JSON. */
function encode(route: Route, bytes: Uint8Array, start: number, end: number): string | Buffer {
  if (route.readHttpBody !== null) return dataOf(route, bytes, start, end);
  sink.reset();
  if (route.wrapsMessages) sink.text(`{"result":`);
  route.write(bytes, start, end);
  if (route.wrapsMessages) sink.text("}");
  return sink.take();
}

/** As much of a text as a close frame holds, in whole characters. */
function cutReason(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_REASON_BYTES) return text;
  let end = MAX_REASON_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
