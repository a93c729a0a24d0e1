import type { ChannelInterface, Metadata, StatusObject } from "@grpc/grpc-js";
import type { AttemptListener, AttemptRequest, CallHandle } from "../../../call/call.ts";
import { notProcessed } from "../attempt-end.ts";
import type { ConnectionOptions } from "../connection.ts";
import { formatTimeout } from "../metadata-rules.ts";
import { fromGrpcMetadata, toGrpcMetadata } from "./metadata.ts";
import { toAttemptEnd } from "./status.ts";

type GrpcCall = ReturnType<ChannelInterface["createCall"]>;

const CANCELLED = 1;
// Messages that wait to be written: below this `send` says true.
const HIGH_WATER_BYTES = 1 << 16;

/** What an attempt needs of the session that it belongs to. */
export interface AttemptHost {
  readonly channel: ChannelInterface;
  /** Whether it has a socket that still lives. */
  readonly isOpen: boolean;
}

/**
 * One attempt as one call of a grpc-js channel, below grpc-js's client and its interceptors. Each reply message is
 * asked for, so that a paused attempt leaves what it does not read to HTTP/2 flow control. What grpc-js holds unread (up
 * to a flow-control window) it drops when a failed status arrives: a stream that fails while paused loses its last
 * messages, never the status.
 */
export class Attempt implements CallHandle {
  private readonly host: AttemptHost;
  private readonly options: ConnectionOptions;
  private readonly listener: AttemptListener;
  private call: GrpcCall | null = null;
  private done = false;
  private hasHeaders = false;
  private isForeign = false;

  private paused = false;
  /** A message was asked for and has not come. */
  private isReading = false;

  private readonly queue: Buffer[] = [];
  private queuedBytes = 0;
  private isWriting = false;
  private isFull = false;
  private halfClosed = false;

  constructor(host: AttemptHost, options: ConnectionOptions, listener: AttemptListener) {
    this.host = host;
    this.options = options;
    this.listener = listener;
  }

  start(request: AttemptRequest, remainingMs: number): void {
    try {
      this.call = this.host.channel.createCall(request.path, Infinity, null, null, null);
    } catch (error) {
      // The channel was closed between the pick and here.
      queueMicrotask(() => this.fail(error));
      return;
    }
    this.call.start(toGrpcMetadata(request.metadata, formatTimeout(remainingMs)), this);
    this.read();
    if (request.message === null) return;
    this.write(toBuffer(request.message));
    this.halfClose();
  }

  send(message: Uint8Array): boolean {
    if (this.done || this.halfClosed) return true;
    const buffer = toBuffer(message);
    if (!this.isWriting) {
      this.write(buffer);
      return buffer.length < HIGH_WATER_BYTES || this.markFull();
    }
    this.queue.push(buffer);
    this.queuedBytes += buffer.length;
    return this.queuedBytes < HIGH_WATER_BYTES || this.markFull();
  }

  halfClose(): void {
    if (this.halfClosed) return;
    this.halfClosed = true;
    if (this.queue.length === 0) this.call?.halfClose();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.read();
  }

  cancel(): void {
    if (this.done) return;
    this.done = true;
    // Not in the tick of the start: grpc-js (1.14, ResolvingCall.getConfig) then reports the call as cancelled, yet opens
    // its stream a few microtasks later, and nobody ends that.
    setImmediate(() => this.call?.cancelWithStatus(CANCELLED, "cancelled"));
  }

  onReceiveMetadata(metadata: Metadata): void {
    if (this.done) return;
    this.hasHeaders = true;
    const type = metadata.get("content-type")[0];
    if (type !== undefined && !type.toString().startsWith("application/grpc")) {
      this.isForeign = true;
      return;
    }
    this.listener.onHeaders(fromGrpcMetadata(metadata));
  }

  onReceiveMessage(message: Buffer): void {
    this.isReading = false;
    if (this.done) return;
    if (!this.isForeign) this.listener.onMessage(message, 0, message.length);
    this.read();
  }

  onReceiveStatus(status: StatusObject): void {
    if (this.done) return;
    this.done = true;
    const { hasHeaders, isForeign, host } = this;
    this.listener.onEnd(toAttemptEnd(status, { hasHeaders, isForeign, isLost: !host.isOpen }, this.options));
  }

  private read(): void {
    if (this.paused || this.isReading || this.done) return;
    this.isReading = true;
    this.call?.startRead();
  }

  private markFull(): false {
    this.isFull = true;
    return false;
  }

  // One message at a time: until its call has a stream, grpc-js has room for just one.
  private write(message: Buffer): void {
    this.isWriting = true;
    this.call?.sendMessageWithContext({ callback: () => this.onWritten() }, message);
  }

  private onWritten(): void {
    this.isWriting = false;
    if (this.done) return;
    const next = this.queue.shift();
    if (next === undefined) {
      if (this.isFull) {
        this.isFull = false;
        this.listener.onWritable();
      }
      return;
    }
    this.queuedBytes -= next.length;
    this.write(next);
    if (this.queue.length === 0 && this.halfClosed) this.call?.halfClose();
  }

  private fail(cause: unknown): void {
    if (this.done) return;
    this.done = true;
    this.listener.onEnd(notProcessed(this.options, cause));
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
