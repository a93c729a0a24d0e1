import type { AttemptEnd, AttemptListener, AttemptRequest, CallHandle } from "../../../call/call.ts";
import { Code } from "../../../core/code.ts";
import { httpReply, messageTooLarge, protocolBroken } from "../attempt-end.ts";
import type { ConnectionOptions } from "../connection.ts";
import { answered } from "./attempt-end.ts";
import { type ReceiveWindow, type SendWindow, STREAM_WINDOW_BYTES } from "./flow-control.ts";
import { DEFAULT_MAX_FRAME_BYTES, ErrorCode, MAX_31_BITS, readUint32 } from "./frame.ts";
import { decompress, PREFIX_BYTES } from "./grpc-message.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import type { Output } from "./output.ts";
import { NO_STATUS, type ReplyHead } from "./reply-head.ts";

/** What a stream needs of the session that it belongs to. */
export interface StreamHost {
  readonly options: ConnectionOptions;
  readonly output: Output;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
  /** It has something to write and waits for the connection's window or for the socket. */
  wants(stream: Stream): void;
  /** What still comes for it does not matter any more; called once, also for one that was never opened. */
  release(stream: Stream): void;
}

/**
 * One attempt as one HTTP/2 stream. It reads messages out of the connection's read buffer where they lie, and writes
 * its request into the connection's slab; only what does not fit either gets a buffer of its own.
 */
export class Stream implements CallHandle {
  /** 0 until it is opened. */
  id = 0;
  request: AttemptRequest | null;
  readonly isQuiet: boolean;
  private readonly host: StreamHost;
  private readonly listener: AttemptListener;

  /** May be negative, after the peer's SETTINGS have made it smaller (RFC 9113, section 6.9.2). */
  private window = 0;
  private outbox: Outbox | null = null;
  private halfClosed = false;
  /** END_STREAM is out. */
  private isSent = false;

  private httpStatus = 0;
  private hasHeaders = false;
  private encoding = "";
  private inbox: Inbox | null = null;
  private isReading = false;
  private paused = false;
  /** Bytes of flow control that came, and how many of them were given back. */
  private received = 0;
  private credited = 0;
  /** What the connection counts as kept for this stream. */
  private kept = 0;

  /** The stream is closed for HTTP/2; its owner may still have messages to take. */
  private isReleased = false;
  private lateEnd: AttemptEnd | null = null;
  /** The owner has been told the end, or does not want to know. */
  private done = false;

  constructor(host: StreamHost, request: AttemptRequest, listener: AttemptListener) {
    this.host = host;
    this.request = request;
    this.isQuiet = request.isQuiet === true;
    this.listener = listener;
  }

  // The session opens it and writes.

  /** Its HEADERS are written; here goes what can of the messages. */
  open(id: number, request: AttemptRequest): void {
    const { sendWindow, output } = this.host;
    this.id = id;
    this.request = null;
    this.window = sendWindow.initialBytes;
    const { message } = request;
    if (message !== null) {
      const length = PREFIX_BYTES + message.length;
      this.halfClosed = true;
      if (length <= this.window && length <= sendWindow.bytes && length <= DEFAULT_MAX_FRAME_BYTES) {
        this.window -= length;
        sendWindow.bytes -= length;
        this.isSent = true;
        output.data(id, message, 0, length, true);
        return;
      }
      this.outbox = new Outbox();
      this.outbox.push(message);
    }
    this.pump();
  }

  /** The peer's window for this stream grows, or shrinks; false where it would become too large. */
  addWindow(increment: number): boolean {
    if (this.window + increment > MAX_31_BITS) return false;
    const wasClosed = this.window <= 0;
    this.window += increment;
    if (wasClosed && this.window > 0 && this.hasMore()) this.host.wants(this);
    return true;
  }

  /** Writes one frame; true where it could write another one, windows and socket of the connection permitting. */
  writeFrame(): boolean {
    const { outbox, host } = this;
    if (outbox === null || outbox.isEmpty || this.isReleased) return false;
    const { sendWindow } = host;
    const length = Math.min(outbox.restBytes, this.window, sendWindow.bytes, DEFAULT_MAX_FRAME_BYTES);
    if (length <= 0) return false;
    const isEnd = this.halfClosed && outbox.isLast && length === outbox.restBytes;
    this.window -= length;
    sendWindow.bytes -= length;
    this.isSent = isEnd;
    host.output.data(this.id, outbox.message, outbox.at, length, isEnd);
    if (outbox.advance(length)) this.listener.onWritable();
    return this.hasMore() && this.window > 0;
  }

  private hasMore(): boolean {
    return this.outbox !== null && !this.outbox.isEmpty && !this.isReleased;
  }

  private pump(): void {
    if (this.id === 0 || this.isReleased) return;
    const { sendWindow, output } = this.host;
    while (this.hasMore() && this.window > 0) {
      if (sendWindow.bytes <= 0 || output.isFull) {
        this.host.wants(this);
        return;
      }
      this.writeFrame();
    }
    if (this.halfClosed && !this.isSent && !this.hasMore()) {
      this.isSent = true;
      output.endData(this.id);
    }
  }

  // What the owner does.

  send(message: Uint8Array): boolean {
    if (this.halfClosed || this.isReleased) return true;
    const outbox = (this.outbox ??= new Outbox());
    const mustWait = !outbox.isEmpty;
    outbox.push(message);
    // What waits already is written in its turn.
    if (!mustWait) this.pump();
    return outbox.accepts();
  }

  halfClose(): void {
    if (this.halfClosed || this.isReleased) return;
    this.halfClosed = true;
    if (!this.hasMore()) this.pump();
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    // Within onMessage the reader settles it when it returns.
    if (!this.isReading) this.settle();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.isReading) this.readInbox();
  }

  cancel(): void {
    if (this.done) return;
    this.done = true;
    this.leave(ErrorCode.Cancel);
  }

  // What the peer sends.

  onData(bytes: Uint8Array, start: number, end: number, flowBytes: number, isEnd: boolean): void {
    if (!this.hasHeaders) {
      this.fail(protocolBroken(this.host.options, "data before headers"));
      return;
    }
    this.received += flowBytes;
    if (this.received - this.credited > STREAM_WINDOW_BYTES) {
      this.fail(protocolBroken(this.host.options, "more data than the window allows"), ErrorCode.FlowControlError);
      return;
    }
    if (!this.paused && (this.inbox === null || this.inbox.isEmpty)) {
      const rest = this.readMessages(bytes, start, end);
      if (rest < end && !this.done) this.keepRest(bytes, rest, end);
    } else {
      this.inbox ??= new Inbox(STREAM_WINDOW_BYTES);
      this.inbox.append(bytes, start, end);
      if (!this.paused) this.readInbox();
    }
    if (isEnd) this.onEndOfStream(null);
    else this.settle();
  }

  onHead(head: ReplyHead, isEnd: boolean): void {
    const { options } = this.host;
    if (this.hasHeaders) {
      if (isEnd) this.onEndOfStream(head);
      else this.fail(protocolBroken(options, "headers in the middle of a reply"));
      return;
    }
    const { httpStatus } = head;
    if (httpStatus < 200) {
      // Informational ones go before the others (RFC 9110, section 15.2).
      if (httpStatus < 100 || isEnd) this.fail(protocolBroken(options, "a reply without an HTTP status"));
      return;
    }
    this.httpStatus = httpStatus;
    if (isEnd) {
      this.onEndOfStream(head);
      return;
    }
    if (!head.isGrpc) {
      this.fail(httpStatus === 200 ? notGrpc(options) : httpReply(options, httpStatus));
      return;
    }
    this.hasHeaders = true;
    this.encoding = head.encoding;
    this.listener.onHeaders(head.metadata);
  }

  /** Its header list was larger than what is taken. */
  onHeadTooLarge(): void {
    this.fail(protocolBroken(this.host.options, "headers larger than what was announced as the limit"));
  }

  /** The peer, or the session, ended it: nothing more comes, and nothing is sent. */
  onLost(end: AttemptEnd): void {
    this.leave(null);
    this.finish(end);
  }

  /** The session waits for a sign of life. */
  onStalled(): void {
    if (!this.done) this.listener.onStalled?.();
  }

  get hasReplied(): boolean {
    return this.hasHeaders;
  }

  /** Breaks it off because of what the peer did with it. */
  fail(end: AttemptEnd, code: ErrorCode = ErrorCode.ProtocolError): void {
    if (this.done) return;
    this.done = true;
    this.leave(code);
    this.listener.onEnd(end);
  }

  // Reading.

  /** Hands on the whole messages in `bytes[at, end)`; returns the place behind the last. */
  private readMessages(bytes: Uint8Array, at: number, end: number): number {
    const { options } = this.host;
    this.isReading = true;
    while (end - at >= PREFIX_BYTES && !this.paused && !this.done) {
      const length = readUint32(bytes, at + 1);
      const start = at + PREFIX_BYTES;
      const flag = bytes[at];
      if (length > options.maxMessageBytes) this.fail(messageTooLarge(options), ErrorCode.Cancel);
      else if (flag !== 0 && flag !== 1) this.fail(protocolBroken(options, "a message that cannot be read"));
      else if (end - start < length) break;
      else {
        at = start + length;
        if (flag === 0) this.listener.onMessage(bytes, start, at);
        else this.readCompressed(bytes.subarray(start, at));
      }
    }
    this.isReading = false;
    return at;
  }

  private readCompressed(bytes: Uint8Array): void {
    const message = decompress(bytes, this.encoding, this.host.options);
    if (message instanceof Uint8Array) this.listener.onMessage(message, 0, message.length);
    else this.fail(message, ErrorCode.Cancel);
  }

  private readInbox(): void {
    const { inbox } = this;
    if (inbox !== null && !this.done) {
      inbox.start = this.readMessages(inbox.bytes, inbox.start, inbox.end);
      if (this.done || (inbox.isEmpty && !inbox.reset())) this.inbox = null;
    }
    this.settle();
    const { lateEnd } = this;
    if (lateEnd !== null && !this.paused) this.finish(lateEnd);
  }

  private keepRest(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start < PREFIX_BYTES ? 0 : PREFIX_BYTES + readUint32(bytes, start + 1);
    this.inbox ??= new Inbox(length);
    this.inbox.append(bytes, start, end);
  }

  /**
   * Brings flow control up to date: what a paused owner has not read is not given back, all else is. A message that is
   * larger than the window could never arrive otherwise.
   */
  private settle(): void {
    const { receiveWindow, output } = this.host;
    const kept = this.paused && this.inbox !== null ? this.inbox.length : 0;
    if (kept !== this.kept) {
      receiveWindow.keep(kept - this.kept);
      this.kept = kept;
    }
    const credit = this.received - kept - this.credited;
    if (credit < STREAM_WINDOW_BYTES / 2 || this.isReleased) return;
    this.credited += credit;
    output.windowUpdate(this.id, credit);
  }

  // Ends.

  /** The reply is complete; `trailers` is null where it ended with DATA. */
  private onEndOfStream(trailers: ReplyHead | null): void {
    if (this.done) return;
    // The peer does not want the rest of the request.
    this.leave(this.isSent ? null : ErrorCode.NoError);
    this.finish(this.judge(trailers));
  }

  private judge(trailers: ReplyHead | null): AttemptEnd {
    const { options } = this.host;
    if (trailers !== null && trailers.grpcStatus !== NO_STATUS) {
      return answered(trailers.grpcStatus, trailers.grpcMessage, trailers.metadata);
    }
    if (this.httpStatus !== 200) return httpReply(options, this.httpStatus);
    if (trailers !== null && !trailers.isGrpc) return notGrpc(options);
    return protocolBroken(options, "the reply has no grpc-status");
  }

  /** Tells the end, after the messages that a paused owner has not taken yet. */
  private finish(end: AttemptEnd): void {
    if (this.done) return;
    if (this.paused && this.hasWholeMessage()) {
      this.lateEnd = end;
      return;
    }
    this.done = true;
    const isCut = this.inbox !== null && !this.inbox.isEmpty && end.code === Code.Ok;
    this.inbox = null;
    this.settle();
    this.listener.onEnd(isCut ? protocolBroken(this.host.options, "the last message is incomplete") : end);
  }

  private hasWholeMessage(): boolean {
    const { inbox } = this;
    if (inbox === null || inbox.length < PREFIX_BYTES) return false;
    const length = readUint32(inbox.bytes, inbox.start + 1);
    // One that is too large ends the attempt as soon as it is looked at.
    return inbox.length - PREFIX_BYTES >= length || length > this.host.options.maxMessageBytes;
  }

  /** Ends its part in the session, with RST_STREAM where a code is given. */
  private leave(code: ErrorCode | null): void {
    const wasReleased = this.isReleased;
    this.isReleased = true;
    // What is being read right now is let go by the reader.
    if (this.done && !this.isReading) this.inbox = null;
    this.settle();
    if (wasReleased) return;
    this.outbox = null;
    if (code !== null && this.id !== 0) this.host.output.reset(this.id, code);
    this.host.release(this);
  }
}

function notGrpc(options: ConnectionOptions): AttemptEnd {
  return protocolBroken(options, "content-type is not gRPC's");
}
