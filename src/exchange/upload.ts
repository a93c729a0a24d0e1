import type { CallHandle } from "../call/call.ts";
import type { GatewayError } from "../core/errors.ts";
import type { MessageStream } from "../transcode/binder.ts";
import type { BodyStreamListener, HttpExchange } from "./http.ts";

/** What an upload needs of the exchange that it belongs to. */
export interface UploadOwner {
  onPiece(bytes: number): void;
  /** All messages were given to the call. */
  onSent(): void;
  /** The body cannot be read any further; nothing follows. */
  onUploadFailed(error: unknown): void;
}

/**
 * The messages of a client stream, on their way from the body to the call. A call that can take no more holds back the
 * client.
 */
export class Upload implements BodyStreamListener {
  private readonly http: HttpExchange;
  private readonly owner: UploadOwner;
  private readonly stream: MessageStream;
  private call: CallHandle | null = null;
  private isWritable = true;
  private isPaused = false;
  private isDone = false;

  /** `begin` makes what reads the body; what it throws comes out of here. */
  constructor(http: HttpExchange, owner: UploadOwner, begin: (send: (message: Buffer) => void) => MessageStream) {
    this.http = http;
    this.owner = owner;
    this.stream = begin((message) => this.send(message));
  }

  /** `isOpenEnded`: the body may come for as long as the call goes on. */
  start(call: CallHandle, isOpenEnded: boolean): void {
    this.call = call;
    if (this.http.hasBody) this.http.streamBody(this, isOpenEnded);
    else this.onBodyEnd();
  }

  onBodyPiece(piece: Uint8Array): void {
    if (this.isDone) return;
    this.owner.onPiece(piece.length);
    try {
      this.stream.push(piece);
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
      this.stream.end();
    } catch (error) {
      return this.failed(error);
    }
    if (this.isDone) return;
    this.isDone = true;
    this.call?.halfClose();
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

  private send(message: Buffer): void {
    // The call may have ended while this piece was read.
    if (!this.isDone && this.call?.send(message) === false) this.isWritable = false;
  }

  private failed(error: unknown): void {
    this.isDone = true;
    this.owner.onUploadFailed(error);
  }

  private goOn(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.http.resumeBody();
  }
}
