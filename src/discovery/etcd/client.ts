import type { Socket } from "node:net";
import { Client, Metadata, type ClientDuplexStream, type ServiceError } from "@grpc/grpc-js";
import { Code } from "../../core/code.ts";
import { tlsReason, type TlsClient } from "../../tls/client.ts";
import { SocketCredentials } from "../../tls/grpc-credentials.ts";
import type { Rpc } from "./rpc.ts";

/** A connection to one member of an etcd cluster, made by the first call and never re-made: open another instead. */
export interface EtcdClient {
  /**
   * Rejects with an `EtcdError`; one of DEADLINE_EXCEEDED after `timeoutMs`, which covers the connecting too. `token` is
   * that of an authenticated user; "" and none are the same.
   */
  call<Request, Response>(
    rpc: Rpc<Request, Response>,
    request: Request,
    timeoutMs: number,
    token?: string,
  ): Promise<Response>;
  /**
   * Opens a stream that etcd ends as soon as its member has no leader, so that a member cut off from the others is
   * noticed.
   */
  stream<Request, Response>(
    rpc: Rpc<Request, Response>,
    listener: EtcdStreamListener<Response>,
    token?: string,
  ): EtcdStream<Request>;
  /** Ends all calls, which reject, and streams, which tell no more messages. */
  close(): void;
}

export interface EtcdStreamListener<Response> {
  onMessage(message: Response): void;
  /** The last that is told, also after `close` of the client. */
  onEnd(error: EtcdError): void;
}

export interface EtcdStream<Request> {
  send(request: Request): void;
}

/** A call that failed, at etcd or on the way; the message is for logs. */
export class EtcdError extends Error {
  readonly code: number;
  /** The connection is fine, but another has to authenticate anew. */
  readonly isTokenRefused: boolean;

  constructor(code: number, message: string, isTokenRefused = false) {
    super(message);
    this.name = "EtcdError";
    this.code = code;
    this.isTokenRefused = isTokenRefused;
  }

  static tokenRefused(message: string): EtcdError {
    return new EtcdError(Code.Unauthenticated, message, true);
  }

  /** Whether another connection may do better; otherwise etcd itself answered, and said no. */
  get isConnectionLost(): boolean {
    return this.isTokenRefused || CONNECTION_CODES.has(this.code);
  }
}

const CONNECTION_CODES: ReadonlySet<number> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Cancelled,
  Code.Internal,
  Code.Unknown,
]);

// One page of a list, or one event with the largest value that etcd takes by default, stays far below.
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** A client for the member at `address` (`host:port`); `tls` null: plaintext. */
export function openEtcd(address: string, tls: TlsClient | null = null): EtcdClient {
  return new GrpcEtcdClient(address, tls);
}

class GrpcEtcdClient implements EtcdClient {
  private readonly client: Client;
  private readonly sockets = new SocketKeeper();
  /** Cancels what is under way: `Client.close` alone leaves calls to end by themselves. */
  private readonly cancels = new Set<() => void>();
  private closed = false;

  constructor(address: string, tls: TlsClient | null) {
    const shown = new SocketCredentials(address, tls, (socket) => this.sockets.add(socket));
    this.client = new Client(`dns:${address}`, shown, {
      // The shared pool would hand the next client this one's broken connection, with its growing reconnect delay.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      "grpc.enable_channelz": 0,
      // grpc-js obeys http_proxy; a proxy for the web is never meant for etcd.
      "grpc.enable_http_proxy": 0,
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      ...(tls?.serverName ? { "grpc.default_authority": tls.serverName } : {}),
    });
  }

  call<Request, Response>(
    rpc: Rpc<Request, Response>,
    request: Request,
    timeoutMs: number,
    token = "",
  ): Promise<Response> {
    if (this.closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const call = this.client.makeUnaryRequest(
        rpc.path,
        rpc.requestSerialize,
        rpc.responseDeserialize,
        request,
        metadataOf(token),
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          this.cancels.delete(cancel);
          if (error === null && response !== undefined) resolve(response);
          else reject(toEtcdError(error, timeoutMs));
        },
      );
      const cancel = (): void => call.cancel();
      this.cancels.add(cancel);
    });
  }

  stream<Request, Response>(
    rpc: Rpc<Request, Response>,
    listener: EtcdStreamListener<Response>,
    token = "",
  ): EtcdStream<Request> {
    if (this.closed) {
      queueMicrotask(() => listener.onEnd(closedError()));
      return { send: () => {} };
    }
    const metadata = metadataOf(token);
    metadata.set("hasleader", "true");
    const stream: ClientDuplexStream<Request, Response> = this.client.makeBidiStreamRequest(
      rpc.path,
      rpc.requestSerialize,
      rpc.responseDeserialize,
      metadata,
    );
    const cancel = (): void => stream.cancel();
    this.cancels.add(cancel);
    stream.on("data", (message: Response) => {
      if (!this.closed) listener.onMessage(message);
    });
    // "status" follows every end; "error" repeats it for all but OK and would crash the process if nobody listened.
    stream.on("error", () => {});
    stream.on("status", ({ code, details }) => {
      this.cancels.delete(cancel);
      listener.onEnd(new EtcdError(code, code === Code.Ok ? "etcd ended the stream" : tidy(details)));
    });
    return { send: (request) => void stream.write(request) };
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const cancel of this.cancels) cancel();
    this.cancels.clear();
    this.client.close();
    this.sockets.close();
  }
}

/** The sockets of a client, closed with it even where one is still being connected. */
class SocketKeeper {
  private readonly sockets = new Set<Socket>();
  private isClosed = false;

  add(socket: Socket): void {
    this.sockets.add(socket);
    socket.once("close", () => this.sockets.delete(socket));
    if (this.isClosed) socket.destroy();
  }

  close(): void {
    this.isClosed = true;
    for (const socket of this.sockets) socket.destroy();
  }
}

function metadataOf(token: string): Metadata {
  const metadata = new Metadata();
  if (token !== "") metadata.set("token", token);
  return metadata;
}

function toEtcdError(error: ServiceError | null, timeoutMs: number): EtcdError {
  if (error === null) return new EtcdError(Code.Unknown, "etcd answered nothing");
  // grpc-js tells at length where the time went, which varies from try to try.
  const message = error.code === Code.DeadlineExceeded ? `no answer within ${timeoutMs} ms` : tidy(error.details);
  return new EtcdError(error.code, message);
}

function closedError(): EtcdError {
  return new EtcdError(Code.Cancelled, "the client is closed");
}

/** grpc-js's words for a connection that was not made, down to what the system, or TLS, said. */
function tidy(details: string): string {
  const said = details
    .replace(/^No connection established\. Last error: (?:Error: )?/, "")
    .replace(/\.? Resolution note: $/, "")
    .trim();
  // That, and the time, is all there is where a member that wants TLS closes a connection without it.
  if (said.startsWith("Failed to connect (")) return "the member closes the connection; does it want https?";
  return tlsReason(new Error(said)) ?? said;
}
