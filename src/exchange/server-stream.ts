import type { CallEnd, CallHandle, FlatMetadata } from "../call/call.ts";
import { Code } from "../core/code.ts";
import { toGatewayError } from "../core/errors.ts";
import { arrayShape, eventShape, ndjsonShape, rawShape, type StreamShape } from "../transcode/frame.ts";
import { sink } from "../transcode/sink.ts";
import { writeGatewayError } from "../transcode/status-json.ts";
import { Negotiator } from "./accept.ts";
import { Exchange } from "./exchange.ts";
import { writeEndStatus } from "./failure.ts";
import { messageError } from "./message-error.ts";
import type { Route } from "./route.ts";

const SHAPES = new Negotiator([ndjsonShape, arrayShape, eventShape].map((value) => ({ type: value.type, value })));
// Messages of one tick go out in one write; more than this is written at once, to bound memory.
const FLUSH_BYTES = 1 << 16;

/**
 * One JSON request, many messages in the shape that the client asks for. The status goes out with the first message, so
 * that a call which fails at once has its true status. A failure after that never looks like an end. The client's
 * socket holds the upstream back: a full socket pauses the call until it drains.
 */
export class ServerStreamExchange extends Exchange {
  protected shape: StreamShape = ndjsonShape;
  protected type = "";
  private begun = false;
  /** What came before the request was sent whole: the message that was asked for before the pause. */
  private early: Buffer[] | null = null;
  /** The socket has said that it is full. */
  private isFull = false;
  /** Text not yet handed to the socket: as long as all of it is ASCII. */
  private pending = "";
  private flushScheduled = false;
  private readonly flushNow = (): void => {
    this.flushScheduled = false;
    this.flush();
  };
  private lastPushMs = 0;
  private stopHeartbeat: (() => void) | null = null;

  protected negotiate(accept: string | undefined): string | null {
    const shape = SHAPES.choose(accept);
    if (shape === null) return SHAPES.types;
    this.shape = shape === ndjsonShape && this.route !== null ? this.route.ndjson : shape;
    return null;
  }

  protected start(route: Route, message: Buffer | null, metadata: FlatMetadata, clientTimeoutMs: number): CallHandle {
    const call = this.startCall(route, message, metadata, {
      totalMs: Math.min(route.streamTimeoutMs, clientTimeoutMs),
      firstMessageMs: message === null ? Infinity : route.timeoutMs,
      idleMs: route.streamIdleTimeoutMs,
    });
    // Most clients of HTTP/1.1 read no reply before they have sent their request: until then nothing is read for them.
    if (message === null && !this.http.isFullDuplex) {
      this.early = [];
      call.pause();
    }
    return call;
  }

  override onSent(): void {
    if (!this.begun) super.onSent();
    this.tellEarly();
    if (!this.isFull) this.call?.resume();
  }

  private tellEarly(): void {
    const messages = this.early ?? [];
    this.early = null;
    for (const message of messages) if (!this.ended) this.onMessage(message, 0, message.length);
  }

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    const route = this.route as Route; // a call was made
    if (this.early !== null) return void this.early.push(Buffer.from(bytes.subarray(start, end)));
    let chunk: string | Buffer;
    try {
      chunk = this.encode(route, bytes, start, end);
    } catch (error) {
      this.call?.cancel();
      return this.failLate(messageError(route, error));
    }
    this.begin();
    if (this.method === "HEAD") return this.endHead();
    this.messagesOut++;
    this.push(chunk);
  }

  /** One message as it goes out. */
  protected encode(route: Route, bytes: Uint8Array, start: number, end: number): string | Buffer {
    const { shape } = this;
    const isFirst = this.messagesOut === 0;
    const head = shape === eventShape && route.eventHead !== null ? route.eventHead(bytes, start, end, isFirst) : "";
    sink.reset();
    if (head !== "") sink.text(head);
    sink.text(isFirst ? shape.first : shape.next);
    route.write(bytes, start, end);
    sink.text(shape.after);
    return sink.take();
  }

  onEnd(end: CallEnd): void {
    this.tellEarly();
    if (this.ended) return;
    if (end.code === Code.Ok && end.error === null) {
      this.begin();
      this.push(this.messagesOut === 0 ? this.shape.empty : this.shape.end);
      this.flush();
      this.http.end();
      return this.finish();
    }
    if (!this.begun) return this.failCall(end);
    if (end.error !== null) return this.failLate(end.error);
    const route = this.route as Route; // a call was made
    this.endWithFailure(end.code, () => writeEndStatus(route, end, this.errorForm, this.requestId));
  }

  override onDrain(): void {
    this.isFull = false;
    this.call?.resume();
  }

  protected override failLate(thrown: unknown): void {
    if (!this.begun) return this.fail(thrown);
    if (this.ended) return;
    const error = toGatewayError(thrown);
    this.errorCode = error.code;
    this.cause = error.cause;
    this.endWithFailure(error.grpc, () => writeGatewayError(error, this.errorForm, this.requestId));
  }

  protected override finish(): void {
    this.stopHeartbeat?.();
    super.finish();
  }

  /** What the headers say is known with the first message; nobody waits for the others. */
  private endHead(): void {
    this.call?.cancel();
    this.http.end();
    this.finish();
  }

  private endWithFailure(grpcCode: number, writeStatus: () => void): void {
    const { failure } = this.shape;
    this.grpcCode = grpcCode;
    if (failure !== null) {
      sink.reset();
      sink.text(failure.before);
      writeStatus();
      sink.text(failure.after);
      this.push(sink.take());
    }
    this.flush();
    if (failure === null) this.http.abort();
    else this.http.end();
    this.finish();
  }

  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.stopReplyTimer?.();
    this.status = 200;
    const route = this.route as Route; // a call was made
    const headers = route.headers.toReplyHeaders(this.initialMetadata, []);
    // Proxies must hand the messages on as they come (nginx: X-Accel-Buffering).
    headers.push(
      "content-type",
      this.type || this.shape.type,
      "x-request-id",
      this.requestId,
      "x-accel-buffering",
      "no",
    );
    if (this.shape !== rawShape) headers.push("vary", "accept");
    if (this.shape === eventShape && !headers.includes("cache-control")) headers.push("cache-control", "no-cache");
    this.http.begin(200, headers);
    if (this.shape.heartbeat !== null && route.heartbeatMs !== Infinity) {
      this.beatAfter(route.heartbeatMs, route.heartbeatMs, this.shape.heartbeat);
    }
  }

  // One timer looks how long ago the last message was, because moving a timer with every message would cost more.
  private beatAfter(waitMs: number, everyMs: number, heartbeat: string): void {
    const { clock } = this.context;
    this.stopHeartbeat = clock.after(waitMs, () => {
      const restMs = this.lastPushMs + everyMs - clock.now();
      if (restMs > 0) return this.beatAfter(restMs, everyMs, heartbeat);
      // A client that takes nothing needs no sign of life.
      if (!this.isFull) this.push(heartbeat);
      this.beatAfter(everyMs, everyMs, heartbeat);
    });
  }

  private push(text: string | Buffer): void {
    if (text.length === 0) return;
    if (this.stopHeartbeat !== null) this.lastPushMs = this.context.clock.now();
    if (typeof text === "string") {
      this.pending += text;
      if (this.pending.length >= FLUSH_BYTES) return this.flush();
      if (this.flushScheduled) return;
      this.flushScheduled = true;
      setImmediate(this.flushNow);
      return;
    }
    this.flush();
    this.hand(text);
  }

  private flush(): void {
    if (this.pending === "") return;
    const text = this.pending;
    this.pending = "";
    this.hand(text);
  }

  private hand(chunk: string | Buffer): void {
    this.bytesOut += chunk.length;
    if (this.http.write(chunk)) return;
    this.isFull = true;
    this.call?.pause();
  }
}
