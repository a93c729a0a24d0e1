import type { CallEnd, CallHandle, FlatMetadata } from "../call/call.ts";
import { Code } from "../core/code.ts";
import { gatewayError } from "../core/errors.ts";
import { sink } from "../transcode/sink.ts";
import { Negotiator } from "./accept.ts";
import { Exchange, JSON_TYPE } from "./exchange.ts";
import { messageError } from "./message-error.ts";
import type { Route } from "./route.ts";

const SHAPES = new Negotiator([{ type: JSON_TYPE, value: true }]);

/** One JSON request, one message, one JSON reply. */
export class UnaryExchange extends Exchange {
  private body: string | Buffer | null = null;
  private writeFailure: unknown = null;
  protected type = JSON_TYPE;

  protected negotiate(accept: string | undefined): string | null {
    // What nearly all clients send; both are settled without a look-up.
    if (accept === undefined || accept === "*/*") return null;
    return SHAPES.choose(accept) === null ? SHAPES.types : null;
  }

  protected start(route: Route, message: Buffer, metadata: FlatMetadata, clientTimeoutMs: number): CallHandle {
    const totalMs = Math.min(route.timeoutMs, clientTimeoutMs);
    return this.startCall(route, message, metadata, { totalMs, firstMessageMs: Infinity, idleMs: Infinity });
  }

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    const route = this.route as Route; // a call was made
    if (this.body !== null) {
      this.writeFailure = gatewayError("UPSTREAM_PROTOCOL", {
        upstream: route.upstream,
        reason: "more than one message in answer to a unary call",
      });
      return;
    }
    try {
      this.body = this.encode(route, bytes, start, end);
    } catch (error) {
      this.body = "";
      this.writeFailure = messageError(route, error);
    }
  }

  /** The message as it goes out. */
  protected encode(route: Route, bytes: Uint8Array, start: number, end: number): string | Buffer {
    sink.reset();
    route.write(bytes, start, end);
    return sink.take();
  }

  onRestart(): void {
    this.body = null;
    this.writeFailure = null;
    this.initialMetadata = [];
  }

  onEnd(end: CallEnd): void {
    if (end.code !== Code.Ok || end.error !== null) return this.failCall(end);
    if (this.writeFailure !== null) return this.fail(this.writeFailure);
    const route = this.route as Route; // a call was made
    if (this.body === null) {
      return this.fail(
        gatewayError("UPSTREAM_PROTOCOL", { upstream: route.upstream, reason: "status OK without a message" }),
      );
    }
    const headers = route.headers.toReplyHeaders(this.initialMetadata, end.trailers);
    this.replyWith(200, Code.Ok, headers, this.body, this.type);
  }
}
