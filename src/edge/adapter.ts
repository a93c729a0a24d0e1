import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { gatewayError } from "../core/errors.ts";
import type { BodyListener, HttpExchange, ReplyListener } from "../exchange/http.ts";

/** What the adapter must know of the server it belongs to. */
export interface AdapterState {
  readonly maxBodyBytes: number;
  /** While true, every reply closes its connection. */
  draining: boolean;
}

/** Node's request and response as an HttpExchange. One object a request; it is also the listener of both. */
export class NodeHttpExchange implements HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly rawHeaders: readonly string[];
  readonly remoteAddress: string;
  readonly secure: boolean;
  readonly hasBody: boolean;

  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly state: AdapterState;
  private listener: ReplyListener | null = null;

  /** `target` is the request target in origin form: a path and perhaps a query. */
  constructor(request: IncomingMessage, response: ServerResponse, target: string, state: AdapterState) {
    const queryAt = target.indexOf("?");
    this.method = request.method ?? "";
    this.path = queryAt < 0 ? target : target.slice(0, queryAt);
    this.query = queryAt < 0 ? "" : target.slice(queryAt + 1);
    this.rawHeaders = request.rawHeaders;
    this.remoteAddress = request.socket.remoteAddress ?? "";
    this.secure = isSecure(request.socket);
    const length = request.headers["content-length"];
    this.hasBody = (length !== undefined && length !== "0") || request.headers["transfer-encoding"] !== undefined;
    this.request = request;
    this.response = response;
    this.state = state;
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  listen(listener: ReplyListener): void {
    this.listener = listener;
    this.response.on("close", () => {
      if (!this.response.writableFinished) listener.onClientGone();
    });
  }

  readBody(listener: BodyListener): void {
    const limit = this.state.maxBodyBytes;
    const declared = Number(this.request.headers["content-length"] ?? 0);
    if (declared > limit) return this.refuseBody(listener);
    let first: Buffer | null = null;
    let rest: Buffer[] | null = null;
    let size = 0;
    this.request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        this.request.removeAllListeners("data").removeAllListeners("end");
        return this.refuseBody(listener);
      }
      if (first === null) first = chunk;
      else (rest ??= [first]).push(chunk);
    });
    this.request.on("end", () => listener.onBody(rest === null ? (first ?? EMPTY) : Buffer.concat(rest, size)));
    // The response's "close" tells of a client that went away; without a listener here the error would be thrown.
    this.request.on("error", () => {});
  }

  private refuseBody(listener: BodyListener): void {
    // What is left of the body is not read: the connection cannot carry another request.
    this.response.shouldKeepAlive = false;
    listener.onBodyError(gatewayError("BODY_TOO_LARGE", { limit: this.state.maxBodyBytes }));
  }

  send(status: number, headers: string[], body: string | Buffer): void {
    headers.push("content-length", String(body.length));
    this.writeHead(status, headers);
    if (typeof body === "string") this.response.end(body, "latin1");
    else this.response.end(body);
  }

  begin(status: number, headers: string[]): void {
    this.response.on("drain", () => this.listener?.onDrain());
    this.writeHead(status, headers);
  }

  write(chunk: string | Buffer): boolean {
    return typeof chunk === "string" ? this.response.write(chunk, "latin1") : this.response.write(chunk);
  }

  end(): void {
    this.response.end();
  }

  abort(): void {
    this.response.destroy();
  }

  private writeHead(status: number, headers: string[]): void {
    if (this.state.draining) this.response.shouldKeepAlive = false;
    this.response.writeHead(status, headers);
  }
}

const EMPTY = Buffer.alloc(0);

function isSecure(socket: Socket): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true;
}
