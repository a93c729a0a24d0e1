import { Client, credentials, Metadata, type ClientDuplexStream, type ServiceError } from "@grpc/grpc-js";
import { Code } from "../../core/code.ts";
import { parseAddress, quote } from "../address.ts";
import type { Rpc } from "./rpc.ts";

/** A connection to one member of an etcd cluster, made by the first call and never re-made: open another instead. */
export interface EtcdClient {
  /** Rejects with an `EtcdError`; one of DEADLINE_EXCEEDED after `timeoutMs`, which covers the connecting too. */
  call<Request, Response>(rpc: Rpc<Request, Response>, request: Request, timeoutMs: number): Promise<Response>;
  /**
   * Opens a stream that etcd ends as soon as its member has no leader, so that a member cut off from the others is
   * noticed.
   */
  stream<Request, Response>(rpc: Rpc<Request, Response>, listener: EtcdStreamListener<Response>): EtcdStream<Request>;
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

  constructor(code: number, message: string) {
    super(message);
    this.name = "EtcdError";
    this.code = code;
  }

  /** Whether another connection may do better; otherwise etcd itself answered, and said no. */
  get isConnectionLost(): boolean {
    return CONNECTION_CODES.has(this.code);
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

/** `host:port` of each endpoint. Throws an Error that names one which cannot be read, and where there is none. */
export function parseEtcdEndpoints(texts: readonly string[]): readonly string[] {
  if (texts.length === 0) throw new Error("etcd has no endpoints; expected http://host:port");
  return texts.map(parseEtcdEndpoint);
}

/** Reads an endpoint as etcd's tools write it: `http://host:port` or `host:port`. */
function parseEtcdEndpoint(text: string): string {
  const [, scheme = "http", rest = ""] = /^(?:([a-z]+):\/\/)?(.*?)\/?$/i.exec(text) ?? [];
  if (scheme.toLowerCase() === "https") throw new Error(`etcd endpoint ${quote(text)}: TLS is not supported yet`);
  if (scheme.toLowerCase() !== "http") {
    throw new Error(`etcd endpoint ${quote(text)}: the scheme ${scheme} is unknown; expected http://host:port`);
  }
  const parsed = parseAddress(rest);
  if (!parsed.ok) throw new Error(`etcd endpoint ${parsed.reason}`);
  return parsed.address;
}

/** A client for the member at `address` (`host:port`). */
export function openEtcd(address: string): EtcdClient {
  return new GrpcEtcdClient(address);
}

class GrpcEtcdClient implements EtcdClient {
  readonly #client: Client;
  /** Cancels what is under way: `Client.close` alone leaves calls to end by themselves. */
  readonly #cancels = new Set<() => void>();
  #closed = false;

  constructor(address: string) {
    this.#client = new Client(`dns:${address}`, credentials.createInsecure(), {
      // The shared pool would hand the next client this one's broken connection, with its growing reconnect delay.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      "grpc.enable_channelz": 0,
      // grpc-js obeys http_proxy; a proxy for the web is never meant for etcd.
      "grpc.enable_http_proxy": 0,
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    });
  }

  call<Request, Response>(rpc: Rpc<Request, Response>, request: Request, timeoutMs: number): Promise<Response> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        rpc.path,
        rpc.requestSerialize,
        rpc.responseDeserialize,
        request,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          this.#cancels.delete(cancel);
          if (error === null && response !== undefined) resolve(response);
          else reject(toEtcdError(error, timeoutMs));
        },
      );
      const cancel = (): void => call.cancel();
      this.#cancels.add(cancel);
    });
  }

  stream<Request, Response>(rpc: Rpc<Request, Response>, listener: EtcdStreamListener<Response>): EtcdStream<Request> {
    const metadata = new Metadata();
    metadata.set("hasleader", "true");
    const stream: ClientDuplexStream<Request, Response> = this.#client.makeBidiStreamRequest(
      rpc.path,
      rpc.requestSerialize,
      rpc.responseDeserialize,
      metadata,
    );
    const cancel = (): void => stream.cancel();
    this.#cancels.add(cancel);
    stream.on("data", (message: Response) => {
      if (!this.#closed) listener.onMessage(message);
    });
    // "status" follows every end; "error" repeats it for all but OK and would crash the process if nobody listened.
    stream.on("error", () => {});
    stream.on("status", ({ code, details }) => {
      this.#cancels.delete(cancel);
      listener.onEnd(new EtcdError(code, code === Code.Ok ? "etcd ended the stream" : tidy(details)));
    });
    return { send: (request) => void stream.write(request) };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
    this.#client.close();
  }
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

/** grpc-js's words for a connection that was not made, down to what the system said. */
function tidy(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (?:Error: )?/, "")
    .replace(/\.? Resolution note: $/, "")
    .trim();
}
