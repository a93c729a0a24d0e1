import type { CallEnd, CallHandle, CallListener, FlatMetadata } from "../call/call.ts";
import { startCall } from "../call/chain.ts";
import type { Clock } from "../core/clock.ts";
import { Code, httpStatusOf } from "../core/code.ts";
import { GatewayError, gatewayError, toGatewayError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { BodyBinders } from "../transcode/binder.ts";
import { sink } from "../transcode/sink.ts";
import { problemForm, statusForm, type ErrorForm } from "../transcode/error-form.ts";
import { writeGatewayError } from "../transcode/status-json.ts";
import { wantsProblem } from "./accept.ts";
import type { ClientAddresses } from "./client-address.ts";
import { bindersFor } from "./content.ts";
import { shorten, writeEndStatus } from "./failure.ts";
import { clientTimeoutMs } from "./grpc-timeout.ts";
import type { BodyListener, HttpExchange, ReplyListener } from "./http.ts";
import type { RequestObserver, RequestRecord } from "./observer.ts";
import { requestId } from "./request-id.ts";
import type { Route } from "./route.ts";
import { Upload, type UploadOwner } from "./upload.ts";

/** What all requests share; made once. */
export interface ExchangeContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: RequestObserver;
  readonly addresses: ClientAddresses;
  /** How failures look that no route's policy speaks of. */
  errorForm(): ErrorForm;
}

const NO_VARIABLES: readonly string[] = [];
export const JSON_TYPE = "application/json";

/**
 * One request from its arrival to its end. The steps stand here in their order; what differs between unary replies and
 * streams is in the subclasses. All fields are set in the constructor and keep their types, so that every exchange has
 * one shape (V8's hidden class), and the exchange itself is the listener of body, call and client: no closure a request.
 */
export abstract class Exchange implements BodyListener, CallListener, ReplyListener, UploadOwner, RequestRecord {
  readonly method: string;
  readonly path: string;
  readonly template: string;
  readonly rpc: string;
  readonly upstream: string;
  status = 0;
  grpcCode = 0;
  errorCode = "";
  cause: unknown = undefined;
  readonly requestId: string;
  clientAddress: string;
  readonly startMs: number;
  endMs = 0;
  callStartMs = NaN;
  bytesIn = 0;
  bytesOut = 0;
  messagesOut = 0;

  protected readonly context: ExchangeContext;
  protected readonly http: HttpExchange;
  protected readonly route: Route | null;
  protected call: CallHandle | null = null;
  protected initialMetadata: FlatMetadata = [];
  /** Ends the wait for the reply to an upload. */
  protected stopReplyTimer: (() => void) | null = null;
  /** Where the request is a stream. */
  private upload: Upload | null = null;
  /** What reads the body, where there is one. */
  private binders: BodyBinders | null = null;
  protected variables: readonly string[] = NO_VARIABLES;
  private extraMetadata: string[];
  protected ended = false;

  constructor(context: ExchangeContext, http: HttpExchange, route: Route | null) {
    this.context = context;
    this.http = http;
    this.route = route;
    this.method = http.method;
    this.path = http.path;
    this.template = route === null ? "" : route.template;
    this.rpc = route === null ? "" : route.rpc;
    this.upstream = route === null ? "" : route.upstream;
    this.startMs = context.clock.now();
    this.requestId = requestId(http.header("x-request-id"));
    const forwarded = context.addresses.resolve(http);
    this.clientAddress = forwarded.client;
    this.extraMetadata = forwarded.metadata;
    this.extraMetadata.push("x-request-id", this.requestId);
    context.observer.requestStarted();
    http.listen(this);
  }

  /** Runs the request of a matched route: body, message, call, reply. */
  run(variables: readonly string[]): void {
    const route = this.route as Route; // given by whoever matched
    this.variables = variables;
    const accept = this.http.header("accept");
    const types = this.negotiate(accept);
    if (types !== null) {
      return this.fail(gatewayError("NOT_ACCEPTABLE", { accept: JSON.stringify(accept?.slice(0, 100)), types }));
    }
    const isStreamed = route.takesBody && (route.kind === "client_stream" || route.kind === "bidi_stream");
    if (!this.http.hasBody && !isStreamed) return this.startRpc(null);
    if (route.takesBody) {
      const binders = bindersFor(route, this.http);
      if (binders instanceof GatewayError) return this.fail(binders);
      this.binders = binders;
    }
    if (isStreamed) this.startUpload(route);
    else this.http.readBody(this);
  }

  onBody(body: Uint8Array): void {
    const route = this.route as Route; // run() was called
    this.bytesIn = body.length;
    if (route.takesBody) return this.startRpc(body);
    if (saysNothing(body)) return this.startRpc(null);
    this.fail(gatewayError("BODY_NOT_ALLOWED", { method: this.method, path: shorten(this.path) }));
  }

  onBodyError(error: GatewayError): void {
    this.fail(error);
  }

  /** The call begins at once, and each message goes on as it comes. */
  private startUpload(route: Route): void {
    const { variables, http } = this;
    try {
      const request = { variables, query: http.query, headers: http, maxBytes: http.maxBodyBytes };
      this.upload = new Upload(http, this, (send) => (this.binders ?? route).bindStream(request, send));
    } catch (error) {
      return this.fail(error);
    }
    const call = this.startStream(route);
    if (call !== null) this.upload.start(call, route.kind === "bidi_stream");
  }

  onPiece(bytes: number): void {
    this.bytesIn += bytes;
  }

  onUploadFailed(error: unknown): void {
    this.call?.cancel();
    this.failLate(error);
  }

  /** The request is sent whole: from here on the upstream is waited for. */
  onSent(): void {
    const { timeoutMs } = this.route as Route; // run() was called
    if (this.ended || timeoutMs === Infinity) return;
    this.stopReplyTimer = this.context.clock.after(timeoutMs, () => {
      this.call?.cancel();
      this.fail(gatewayError("DEADLINE_EXCEEDED", { what: "no answer", timeout: timeoutMs }));
    });
  }

  /** Starts a call whose messages are still to come; null where the request was answered with a failure. */
  protected startStream(route: Route): CallHandle | null {
    try {
      const timeoutMs = clientTimeoutMs(this.http);
      this.callStartMs = this.context.clock.now();
      const metadata = route.headers.toMetadata(this.http.rawHeaders, this.extraMetadata);
      this.call = this.start(route, null, metadata, timeoutMs);
    } catch (error) {
      this.fail(error);
      return null;
    }
    return this.call;
  }

  protected startRpc(body: Uint8Array | null): void {
    const route = this.route as Route; // run() was called
    try {
      const message = (this.binders ?? route).bind(this.variables, this.http.query, body, this.http);
      const timeoutMs = clientTimeoutMs(this.http);
      this.callStartMs = this.context.clock.now();
      const metadata = route.headers.toMetadata(this.http.rawHeaders, this.extraMetadata);
      this.call = this.start(route, message, metadata, timeoutMs);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Chooses how the reply is written; where the client takes nothing of it, gives the types that there are. */
  protected abstract negotiate(accept: string | undefined): string | null;

  /**
   * Starts the call with the time limits of its kind; `message` is null where an upload sends them, `clientTimeoutMs`
   * Infinity where the client set none.
   */
  protected abstract start(
    route: Route,
    message: Buffer | null,
    metadata: FlatMetadata,
    clientTimeoutMs: number,
  ): CallHandle;

  protected startCall(
    route: Route,
    message: Buffer | null,
    metadata: FlatMetadata,
    limits: { totalMs: number; firstMessageMs: number; idleMs: number },
  ): CallHandle {
    return startCall(
      {
        target: route.target,
        clock: this.context.clock,
        random: this.context.random,
        path: route.rpcPath,
        metadata,
        message,
        totalTimeoutMs: limits.totalMs,
        firstMessageTimeoutMs: limits.firstMessageMs,
        idleTimeoutMs: limits.idleMs,
        waitForReadyMs: route.waitForReadyMs,
        idempotent: route.idempotent,
        retry: route.retry,
        hedge: route.hedge,
        hashKey: route.hashKey === null ? -1 : route.hashKey(this.http, this.clientAddress, message),
      },
      this,
    );
  }

  onHeaders(metadata: FlatMetadata): void {
    this.initialMetadata = metadata;
  }
  abstract onMessage(bytes: Uint8Array, start: number, end: number): void;
  onWritable(): void {
    this.upload?.onWritable();
  }
  abstract onEnd(end: CallEnd): void;
  onDrain(): void {}

  onShutdown(): void {
    if (this.ended) return;
    this.call?.cancel();
    this.failLate(gatewayError("SHUTTING_DOWN", {}, { retryAfterSeconds: 1 }));
  }

  onClientGone(): void {
    if (this.ended) return;
    this.call?.cancel();
    if (this.status === 0) this.status = 499;
    this.grpcCode = Code.Cancelled;
    this.errorCode = "CLIENT_CLOSED";
    this.finish();
  }

  /** Answers with a failure of the gateway's own. */
  fail(thrown: unknown, headers: string[] = []): void {
    if (this.ended) return;
    const error = toGatewayError(thrown);
    this.errorCode = error.code;
    this.cause = error.cause;
    if (error.retryAfterSeconds !== undefined) headers.push("retry-after", String(error.retryAfterSeconds));
    const form = this.replyForm();
    sink.reset();
    writeGatewayError(error, form, this.requestId);
    this.replyWith(error.http, error.grpc, headers, sink.take(), form.type);
  }

  /** As `fail`, where some of the reply may be out already. */
  protected failLate(thrown: unknown): void {
    this.fail(thrown);
  }

  /** Answers with the failure that a call ended with. */
  protected failCall(end: CallEnd): void {
    if (end.error !== null) return this.fail(end.error);
    const route = this.route as Route; // a call was made
    const status = httpStatusOf(end.code);
    const headers = route.headers.toReplyHeaders(this.initialMetadata, end.trailers);
    const form = this.replyForm();
    sink.reset();
    writeEndStatus(route, end, form, this.requestId);
    this.replyWith(status, end.code, headers, sink.take(), form.type);
  }

  /** How failures look, whatever the client asks for. */
  protected get errorForm(): ErrorForm {
    return this.route === null ? this.context.errorForm() : this.route.errorForm;
  }

  /** What the configuration asks for goes before what the client does. */
  private replyForm(): ErrorForm {
    const { errorForm } = this;
    return errorForm === statusForm && wantsProblem(this.http.header("accept")) ? problemForm : errorForm;
  }

  /** Sends the whole reply, and ends the exchange; `type` is "" where there is no body. */
  protected replyWith(status: number, grpcCode: number, headers: string[], body: string | Buffer, type: string): void {
    this.status = status;
    this.grpcCode = grpcCode;
    this.bytesOut = body.length;
    if (type !== "") headers.push("content-type", type);
    headers.push("x-request-id", this.requestId);
    this.http.send(status, headers, body);
    this.finish();
  }

  protected finish(): void {
    if (this.ended) return;
    this.ended = true;
    this.upload?.stop();
    this.stopReplyTimer?.();
    this.endMs = this.context.clock.now();
    this.context.observer.requestEnded(this);
  }
}

/** Blank or `{}`, which some clients send with every POST. */
function saysNothing(body: Uint8Array): boolean {
  return body.length < 100 && /^\s*(\{\s*\})?\s*$/.test(Buffer.from(body).toString("latin1"));
}
