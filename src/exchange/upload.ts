import type { CallHandle } from "../call/call.ts";
import { GatewayError } from "../core/errors.ts";
import { JsonSplitter } from "../transcode/json-split.ts";
import { isLines } from "./content.ts";
import type { BodyStreamListener, HttpExchange } from "./http.ts";

/** What an upload needs of the exchange that it belongs to. */
export interface UploadOwner {
  /** One JSON text as a message. */
  bind(json: Uint8Array): Buffer;
  onPiece(bytes: number): void;
  /** All messages were given to the call. */
  onSent(): void;
  /** The body cannot be read any further; nothing follows. */
  onFailed(error: unknown): void;
}

/**
 * The messages of a client stream, on their way from the body to the call: NDJSON, an array, or texts one behind the
 * other. A call that can take no more holds back the client.
 */
export class Upload implements BodyStreamListener {
  private readonly http: HttpExchange;
  private readonly call: CallHandle;
  private readonly owner: UploadOwner;
  private readonly splitter: JsonSplitter;
  private messages = 0;
  private isWritable = true;
  private isPaused = false;
  private isDone = false;

  constructor(http: HttpExchange, call: CallHandle, owner: UploadOwner) {
    this.http = http;
    this.call = call;
    this.owner = owner;
    const mayBeArray = !isLines(http.header("content-type") ?? "");
    this.splitter = new JsonSplitter({ maxBytes: http.maxBodyBytes, mayBeArray }, (json) => this.send(json));
  }

  begin(): void {
    if (this.http.hasBody) this.http.streamBody(this);
    else this.onBodyEnd();
  }

  onBodyPiece(piece: Uint8Array): void {
    if (this.isDone) return;
    this.owner.onPiece(piece.length);
    try {
      this.splitter.push(piece);
    } catch (error) {
      return this.failed(error);
    }
    if (this.isWritable || this.isDone) return;
    this.isPaused = true;
    this.http.pauseBody();
  }

  onBodyEnd(): void {
    if (this.isDone) return;
    try {
      this.splitter.end();
    } catch (error) {
      return this.failed(error);
    }
    this.isDone = true;
    this.call.halfClose();
    this.owner.onSent();
  }

  onBodyError(error: GatewayError): void {
    if (!this.isDone) this.failed(error);
  }

  /** The call takes more. */
  onWritable(): void {
    this.isWritable = true;
    this.goOn();
  }

  /** The exchange is over: what still comes is thrown away. */
  stop(): void {
    this.isDone = true;
    this.goOn();
  }

  private send(json: Uint8Array): void {
    // The call may have ended while this piece was cut up.
    if (this.isDone) return;
    this.messages++;
    if (!this.call.send(this.owner.bind(json))) this.isWritable = false;
  }

  private failed(error: unknown): void {
    this.isDone = true;
    this.owner.onFailed(ofMessage(error, this.messages));
  }

  private goOn(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.http.resumeBody();
  }
}

/** The failure to read a message, which is told by its number; 1 for the first. Other failures as they are. */
export function ofMessage(error: unknown, index: number): unknown {
  if (!(error instanceof GatewayError) || index === 0 || error.violations.length === 0) return error;
  const { violations, cause } = error;
  return new GatewayError(error.code, `message ${index}: ${error.message}`, { violations, cause });
}
