import type { CallEnd, CallHandle, FlatMetadata } from "../call/call.ts";
import { Code } from "../core/code.ts";
import { gatewayError } from "../core/errors.ts";
import { prettyJson } from "../transcode/json-pretty.ts";
import { sink } from "../transcode/sink.ts";
import { Negotiator } from "./accept.ts";
import { entityTag, matchesTag } from "./etag.ts";
import { Exchange, JSON_TYPE } from "./exchange.ts";
import { messageError } from "./message-error.ts";
import { isBodiless } from "./reply-head.ts";
import type { Route } from "./route.ts";

/** Whether it is for human eyes. */
const SHAPES = new Negotiator([
  { type: JSON_TYPE, value: false },
  { type: JSON_TYPE, parameter: "indent=2", value: true },
]);

const NO_HEADERS: readonly string[] = [];

/** One JSON request, one message, one JSON reply. */
export class UnaryExchange extends Exchange {
  private body: string | Buffer | null = null;
  private writeFailure: unknown = null;
  private isPretty = false;
  /** From fields of the message. */
  private ownHeaders: readonly string[] = NO_HEADERS;
  protected type = JSON_TYPE;

  protected negotiate(accept: string | undefined): string | null {
    // What nearly all clients send; both are settled without a look-up.
    if (accept === undefined || accept === "*/*") return null;
    const isPretty = SHAPES.choose(accept);
    if (isPretty === null) return SHAPES.types;
    this.isPretty = isPretty;
    return null;
  }

  protected start(route: Route, message: Buffer | null, metadata: FlatMetadata, clientTimeoutMs: number): CallHandle {
    // Where the client still sends, its time for that is another's to limit.
    const totalMs = Math.min(message === null ? route.streamTimeoutMs : route.timeoutMs, clientTimeoutMs);
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
      if (route.replyHead !== null) this.ownHeaders = route.replyHead.read(bytes, start, end);
    } catch (error) {
      this.body = "";
      this.writeFailure = messageError(route, error);
    }
  }

  /** The message as it goes out. */
  protected encode(route: Route, bytes: Uint8Array, start: number, end: number): string | Buffer {
    sink.reset();
    route.write(bytes, start, end);
    return this.isPretty ? prettyJson(sink.take()) : sink.take();
  }

  onRestart(): void {
    this.body = null;
    this.writeFailure = null;
    this.ownHeaders = NO_HEADERS;
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
    const { initialMetadata, ownHeaders } = this;
    const status = route.replyHead?.complete(headers, ownHeaders, initialMetadata, end.trailers) ?? 200;
    if (isBodiless(status)) return this.replyWith(status, Code.Ok, headers, "", "");
    if (
      status === 200 &&
      route.etag &&
      (this.method === "GET" || this.method === "HEAD") &&
      this.isKnown(headers, this.body)
    ) {
      return this.replyWith(304, Code.Ok, headers, "", "");
    }
    this.replyWith(status, Code.Ok, headers, this.body, this.type);
  }

  /** Adds the reply's entity tag, where the upstream gave none; whether it is one that the client has. */
  private isKnown(headers: string[], body: string | Buffer): boolean {
    const at = headers.indexOf("etag");
    const tag = at >= 0 ? (headers[at + 1] as string) : entityTag(body); // a name is followed by its value
    if (at < 0) headers.push("etag", tag);
    headers.push("vary", "accept");
    const known = this.http.header("if-none-match");
    return known !== undefined && matchesTag(known, tag);
  }
}
