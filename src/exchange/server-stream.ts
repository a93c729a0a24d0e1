import type { CallEnd, CallHandle, FlatMetadata } from "../call/call.ts";
import { Code } from "../core/code.ts";
import type { GatewayError } from "../core/errors.ts";
import { sink } from "../transcode/sink.ts";
import { writeGatewayError } from "../transcode/status-json.ts";
import { Exchange, writeEndStatus } from "./exchange.ts";
import { messageError } from "./message-error.ts";
import type { Route } from "./route.ts";

const STREAM_TYPE = "application/x-ndjson";
// Lines of one tick go out in one write; more than this is written at once, to bound memory.
const FLUSH_BYTES = 1 << 16;

/**
 * One JSON request, many messages as NDJSON: `{"result":…}` lines, and after a failure a last line `{"error":…}`, as
 * grpc-gateway writes them. The status goes out with the first message, so that a call which fails at once has its
 * true status. The client's socket holds the upstream back: a full socket pauses the call until it drains.
 */
export class ServerStreamExchange extends Exchange {
  private begun = false;
  /** Lines not yet handed to the socket: text as long as all of it is ASCII. */
  private pending = "";
  private flushScheduled = false;
  private readonly flushNow = (): void => {
    this.flushScheduled = false;
    this.flush();
  };

  protected start(route: Route, message: Buffer, metadata: FlatMetadata, clientTimeoutMs: number): CallHandle {
    return this.startCall(route, message, metadata, {
      totalMs: Math.min(route.streamTimeoutMs, clientTimeoutMs),
      firstMessageMs: route.timeoutMs,
      idleMs: route.streamIdleTimeoutMs,
    });
  }

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    const route = this.route as Route; // a call was made
    sink.reset();
    sink.text(`{"result":`);
    try {
      route.write(bytes, start, end);
    } catch (error) {
      this.call?.cancel();
      return this.failLate(messageError(route, error));
    }
    sink.text("}\n");
    const line = sink.take();
    this.begin();
    if (this.method === "HEAD") return this.endHead();
    this.messagesOut++;
    this.push(line);
  }

  onEnd(end: CallEnd): void {
    if (end.code === Code.Ok && end.error === null) {
      this.begin();
      this.flush();
      this.http.end();
      return this.finish();
    }
    if (!this.begun) return this.failCall(end);
    if (end.error !== null) return this.failLate(end.error);
    sink.reset();
    sink.text(`{"error":`);
    writeEndStatus(this.route as Route, end); // a call was made
    this.endWithError(end.code);
  }

  override onDrain(): void {
    this.call?.resume();
  }

  protected override failLate(error: GatewayError): void {
    if (!this.begun) return this.fail(error);
    this.errorCode = error.code;
    this.cause = error.cause;
    sink.reset();
    sink.text(`{"error":`);
    writeGatewayError(error);
    this.endWithError(error.grpc);
  }

  /** What the headers say is known with the first message; nobody waits for the others. */
  private endHead(): void {
    this.call?.cancel();
    this.http.end();
    this.finish();
  }

  private endWithError(grpcCode: number): void {
    sink.text("}\n");
    this.grpcCode = grpcCode;
    this.push(sink.take());
    this.flush();
    this.http.end();
    this.finish();
  }

  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.status = 200;
    const route = this.route as Route; // a call was made
    const headers = route.headers.toReplyHeaders(this.initialMetadata, []);
    // Proxies must hand the lines on as they come (nginx: X-Accel-Buffering).
    headers.push("content-type", STREAM_TYPE, "x-request-id", this.requestId, "x-accel-buffering", "no");
    this.http.begin(200, headers);
  }

  private push(line: string | Buffer): void {
    this.bytesOut += line.length;
    if (typeof line === "string") {
      this.pending += line;
      if (this.pending.length >= FLUSH_BYTES) return this.flush();
      if (this.flushScheduled) return;
      this.flushScheduled = true;
      setImmediate(this.flushNow);
      return;
    }
    this.flush();
    this.hand(line);
  }

  private flush(): void {
    if (this.pending === "") return;
    const lines = this.pending;
    this.pending = "";
    this.hand(lines);
  }

  private hand(chunk: string | Buffer): void {
    if (!this.http.write(chunk)) this.call?.pause();
  }
}
