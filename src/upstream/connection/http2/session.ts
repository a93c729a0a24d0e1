import type { AttemptEnd, AttemptListener, AttemptRequest, CallHandle } from "../../../call/call.ts";
import { systemClock, type Clock } from "../../../core/clock.ts";
import { connectionLost, notProcessed, protocolBroken } from "../attempt-end.ts";
import type { ConnectionOptions } from "../connection.ts";
import type { ConnectionSession, SessionListener } from "../remade-connection.ts";
import { resetByPeer } from "./attempt-end.ts";
import { ReceiveWindow, SendWindow, STREAM_WINDOW_BYTES } from "./flow-control.ts";
import { FrameBudget } from "./frame-budget.ts";
import { FrameReader, type FrameListener } from "./frame-reader.ts";
import { DEFAULT_MAX_FRAME_BYTES, ErrorCode, Http2Error, MAX_31_BITS, readUint32, Setting } from "./frame.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { HpackError } from "./hpack/hpack-error.ts";
import { Liveness, SUSPICION, type LivenessListener, type LivenessOptions } from "./liveness.ts";
import { Output } from "./output.ts";
import { ReplyHeads } from "./reply-head.ts";
import { RequestHeaders } from "./request-headers.ts";
import { Stream, type StreamHost } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";
import type { Dial, Transport, TransportListener } from "./transport.ts";

export interface SessionOptions {
  readonly dial: Dial;
  readonly scheme: "http" | "https";
  /** Sent as `:authority`; null: the address. */
  readonly authority: string | null;
  readonly userAgent: string;
  readonly keepalive: LivenessOptions | null;
  /** The last stream id to use; 2^31-1 but in tests. */
  readonly lastStreamId: number;
}

const HEADER_TABLE_BYTES = 4_096;
// As much as replies may carry on to clients; counted as HTTP/2 does (RFC 9113, section 6.5.2).
const HEADER_LIST_BYTES = 1 << 16;
const SETTINGS = [
  [Setting.EnablePush, 0],
  [Setting.InitialWindowSize, STREAM_WINDOW_BYTES],
  [Setting.MaxHeaderListSize, HEADER_LIST_BYTES],
] as const;

// Acknowledgements that a peer makes us owe while it takes none of them.
const MAX_OWED_ACKS = 10_000;

/**
 * One HTTP/2 connection (RFC 9113) that carries gRPC calls, from its dial to its end; whoever wants another makes
 * another session.
 */
export class Session implements ConnectionSession, StreamHost, FrameListener, TransportListener, LivenessListener {
  readonly options: ConnectionOptions;
  readonly output: Output;
  readonly sendWindow = new SendWindow();
  readonly receiveWindow: ReceiveWindow;
  private readonly listener: SessionListener;
  private readonly clock: Clock;
  private readonly transport: Transport;
  private readonly reader = new FrameReader(this);
  private readonly decoder = new HpackDecoder({ maxTableBytes: HEADER_TABLE_BYTES, maxListBytes: HEADER_LIST_BYTES });
  private readonly heads = new ReplyHeads();
  private readonly requestHeaders: RequestHeaders;
  private readonly budget: FrameBudget;
  private readonly suspicion: Liveness;
  private readonly keepalive: Liveness | null;

  private readonly streams = new StreamTable();
  /** Calls beyond what the peer takes at once (MAX_CONCURRENT_STREAMS), or that a full socket holds up; in order. */
  private readonly waiting = new Set<Stream>();
  /** Streams with something to write that wait for the connection's window or the socket; in turn. */
  private readonly wanting = new Set<Stream>();
  private nextId = 1;
  private readonly lastId: number;
  private maxStreams = Infinity;

  private readonly dialledMs: number;
  private isReady = false;
  /** Takes no more calls. */
  private isRetired = false;
  private isGoneTold = false;
  /** Nothing goes out or comes in any more. */
  private isEnded = false;
  private isClosed = false;

  constructor(address: string, options: ConnectionOptions, session: SessionOptions, listener: SessionListener) {
    this.options = options;
    this.listener = listener;
    this.clock = options.clock ?? systemClock;
    this.dialledMs = this.clock.now();
    this.lastId = session.lastStreamId;
    this.requestHeaders = new RequestHeaders({
      scheme: session.scheme,
      authority: session.authority ?? address,
      userAgent: session.userAgent,
    });
    this.budget = new FrameBudget(this.clock);
    this.suspicion = new Liveness(this.clock, SUSPICION, this);
    this.keepalive = session.keepalive === null ? null : new Liveness(this.clock, session.keepalive, this);
    this.transport = session.dial(address, this);
    this.output = new Output(this.transport);
    this.receiveWindow = new ReceiveWindow(this.output);
  }

  /** Whether its socket still lives. */
  get isOpen(): boolean {
    return !this.isClosed;
  }

  get hasRoom(): boolean {
    return this.streams.size + this.waiting.size < this.maxStreams;
  }

  /** Calls that have not ended, those that wait for their turn included. */
  get inFlight(): number {
    return this.streams.size + this.waiting.size;
  }

  /** Starts one attempt; only once it is ready, and not after `close` or `onGone`. */
  start(request: AttemptRequest, listener: AttemptListener): CallHandle {
    const stream = new Stream(this, request, listener);
    const now = this.clock.now();
    if (!stream.isQuiet) {
      this.suspicion.onCallStarted(now);
      this.keepalive?.onCallStarted(now);
    }
    if (this.waiting.size === 0 && this.mayOpen()) this.open(stream, request, now);
    else this.waiting.add(stream);
    return stream;
  }

  /** Takes no more calls; the socket closes when those in flight have ended. */
  close(): void {
    if (this.isRetired) return;
    this.isRetired = true;
    this.isGoneTold = true;
    if (!this.isReady) this.end(null);
    else this.endIfDrained();
  }

  /** Ends the connection and every call on it now. */
  destroy(): void {
    this.isRetired = true;
    this.isGoneTold = true;
    this.lose("the connection was closed");
  }

  // What streams ask for.

  wants(stream: Stream): void {
    this.wanting.add(stream);
  }

  release(stream: Stream): void {
    if (!stream.isQuiet) {
      this.suspicion.onCallEnded();
      this.keepalive?.onCallEnded();
    }
    this.wanting.delete(stream);
    if (stream.id === 0) this.waiting.delete(stream);
    else this.streams.delete(stream.id);
    if (this.waiting.size > 0) this.openWaiting();
    if (this.isRetired) this.endIfDrained();
  }

  private open(stream: Stream, request: AttemptRequest, nowMs: number): void {
    const id = this.nextId;
    this.nextId += 2;
    this.streams.set(id, stream);
    this.requestHeaders.write(this.output, id, request, request.deadlineMs - nowMs);
    stream.open(id, request);
    // Every id is used once (RFC 9113, section 5.1.1).
    if (this.nextId > this.lastId && !this.isRetired) this.retire("its stream ids are used up", MAX_31_BITS);
  }

  private mayOpen(): boolean {
    return this.streams.size < this.maxStreams && !this.output.isFull && this.nextId <= this.lastId && !this.isEnded;
  }

  private openWaiting(): void {
    for (const stream of this.waiting) {
      if (!this.mayOpen()) return;
      this.waiting.delete(stream);
      if (stream.request !== null) this.open(stream, stream.request, this.clock.now());
    }
  }

  /** One frame of each in turn, so that a large message does not hold up the others. */
  private writeWanting(): void {
    for (const stream of this.wanting) {
      if (this.sendWindow.bytes <= 0 || this.output.isFull) return;
      this.wanting.delete(stream);
      // Added again it comes last, and this loop comes to it again.
      if (stream.writeFrame()) this.wanting.add(stream);
    }
  }

  // What the socket tells.

  onOpen(): void {
    this.suspicion.onConnected(this.clock.now() - this.dialledMs);
    this.output.preface(SETTINGS);
    this.receiveWindow.open();
  }

  onBytes(bytes: Uint8Array, length: number): void {
    if (this.isEnded) return;
    const now = this.clock.now();
    this.suspicion.onBytes(now);
    this.keepalive?.onBytes(now);
    try {
      this.reader.read(bytes, length);
    } catch (error) {
      if (error instanceof Http2Error) this.breakOff(error.code, error.message);
      else if (error instanceof HpackError) this.breakOff(ErrorCode.CompressionError, error.message);
      else throw error;
    }
  }

  onDrain(): void {
    if (this.isEnded) return;
    this.writeWanting();
    this.openWaiting();
  }

  onClosed(reason: string): void {
    this.isClosed = true;
    this.lose(this.isReady ? "the connection broke" : reason || "the connection was closed before SETTINGS", reason);
    this.listener.onClosed();
  }

  // Frames.

  onData(id: number, bytes: Uint8Array, start: number, end: number, flowBytes: number, isEnd: boolean): void {
    this.receiveWindow.received(flowBytes);
    const stream = this.streamOf(id);
    if ((flowBytes === 0 && !isEnd) || stream === undefined) this.count();
    if (stream === undefined) return;
    this.suspicion.onReply();
    stream.onData(bytes, start, end, flowBytes, isEnd);
  }

  onHeaderBlock(id: number, bytes: Uint8Array, start: number, end: number, isEnd: boolean): void {
    // Also for a stream that is gone, because the decoder's table goes on.
    const list = this.decoder.decode(bytes, start, end);
    const stream = this.streamOf(id);
    if (stream === undefined) {
      this.count();
      return;
    }
    this.suspicion.onReply();
    if (list === null) {
      stream.onHeadTooLarge();
      return;
    }
    const head = this.heads.of(list);
    if (head.httpStatus > 0 && head.httpStatus < 200) this.count();
    stream.onHead(head, isEnd);
  }

  onReset(id: number, code: number): void {
    const stream = this.streamOf(id);
    if (stream === undefined) this.count();
    else stream.onLost(resetByPeer(this.options, code, stream.hasReplied));
  }

  onSettings(bytes: Uint8Array, start: number, end: number): void {
    this.count();
    for (let at = start; at < end; at += 6) {
      this.onSetting(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0), readUint32(bytes, at + 2));
    }
    this.acknowledge();
    this.output.settingsAck();
    if (!this.isReady) {
      this.isReady = true;
      this.listener.onReady();
    }
    this.writeWanting();
    this.openWaiting();
  }

  onSettingsAck(): void {
    this.count();
  }

  onPing(bytes: Uint8Array, start: number): void {
    this.count();
    this.acknowledge();
    this.output.pingAck(bytes, start);
  }

  onPingAck(): void {
    this.count();
  }

  onGoaway(lastId: number, code: number): void {
    this.count();
    const text = code === ErrorCode.NoError ? "(GOAWAY)" : `(GOAWAY with HTTP/2 code ${code})`;
    // RFC 9113, section 6.8: streams above the last id were not, and will not be, processed.
    this.retire(`the instance ends the connection ${text}`, lastId);
  }

  onWindowUpdate(id: number, increment: number): void {
    if (id === 0) {
      if (increment === 0) throw new Http2Error(ErrorCode.ProtocolError, "a WINDOW_UPDATE of 0");
      this.sendWindow.add(increment);
    } else {
      const stream = this.streamOf(id);
      if (stream === undefined) this.count();
      else if (increment === 0) stream.fail(protocolBroken(this.options, "a WINDOW_UPDATE of 0"));
      else if (!stream.addWindow(increment)) {
        stream.fail(protocolBroken(this.options, "a window larger than 2^31-1"), ErrorCode.FlowControlError);
      }
    }
    if (this.wanting.size > 0) this.writeWanting();
  }

  onIgnored(): void {
    this.count();
  }

  private onSetting(name: number, value: number): void {
    switch (name) {
      case Setting.HeaderTableSize:
        this.requestHeaders.setPeerTableSize(value);
        return;
      case Setting.EnablePush:
        // RFC 9113, section 6.5.2: nothing else may come from a server.
        if (value !== 0) throw new Http2Error(ErrorCode.ProtocolError, "SETTINGS_ENABLE_PUSH of a server");
        return;
      case Setting.MaxConcurrentStreams:
        this.maxStreams = value;
        return;
      case Setting.InitialWindowSize:
        this.onInitialWindow(value);
        return;
      case Setting.MaxFrameSize:
        // More than the default is never used.
        if (value < DEFAULT_MAX_FRAME_BYTES || value > 2 ** 24 - 1) {
          throw new Http2Error(ErrorCode.ProtocolError, `SETTINGS_MAX_FRAME_SIZE of ${value}`);
        }
        return;
      default:
    }
  }

  private onInitialWindow(bytes: number): void {
    if (bytes > MAX_31_BITS) throw new Http2Error(ErrorCode.FlowControlError, "a window larger than 2^31-1");
    const delta = bytes - this.sendWindow.initialBytes;
    this.sendWindow.initialBytes = bytes;
    for (const stream of this.streams.values()) {
      if (!stream.addWindow(delta)) throw new Http2Error(ErrorCode.FlowControlError, "a window larger than 2^31-1");
    }
  }

  /** A call's stream; undefined where it has ended. Streams that never were opened are an error (section 5.1). */
  private streamOf(id: number): Stream | undefined {
    const stream = this.streams.get(id);
    if (stream === undefined && ((id & 1) === 0 || id >= this.nextId)) {
      throw new Http2Error(ErrorCode.ProtocolError, `a frame for stream ${id}, which was never opened`);
    }
    return stream;
  }

  private acknowledge(): void {
    if (this.output.owedAcks < MAX_OWED_ACKS) return;
    throw new Http2Error(ErrorCode.EnhanceYourCalm, "too much to acknowledge");
  }

  /** A frame that brings nothing. */
  private count(): void {
    if (!this.budget.take()) throw new Http2Error(ErrorCode.EnhanceYourCalm, "a flood of frames that bring nothing");
  }

  // Ends.

  ping(): void {
    this.output.ping();
  }

  onSuspect(isSuspect: boolean): void {
    // Before calls are told, so that none of them is made again here.
    if (!this.isGoneTold) this.listener.onSuspect(isSuspect);
    if (!isSuspect) return;
    for (const stream of this.waiting) stream.onStalled();
    for (const stream of this.streams.values()) stream.onStalled();
  }

  onDead(reason: string): void {
    this.lose("the connection broke", reason);
  }

  /** Takes no more calls; those above `lastId` are over, and it ends when the others are. */
  private retire(reason: string, lastId: number): void {
    this.isRetired = true;
    // Before calls end, so that none of them is tried again here.
    this.tellGone(reason);
    const end = notProcessed(this.options, reason);
    for (const stream of this.waiting) stream.onLost(end);
    for (const stream of this.streams.values()) if (stream.id > lastId) stream.onLost(end);
    this.endIfDrained();
  }

  private endIfDrained(): void {
    if (this.inFlight === 0) this.end(ErrorCode.NoError);
  }

  /** The peer broke HTTP/2: it is told, and all calls here fail by its fault. */
  private breakOff(code: ErrorCode, reason: string): void {
    if (this.isEnded) return;
    this.end(code);
    this.tellGone(`the instance broke HTTP/2: ${reason}`);
    this.failAll(protocolBroken(this.options, reason));
  }

  private lose(reason: string, detail = ""): void {
    this.end(null);
    this.tellGone(detail === "" || detail === reason ? reason : `${reason}: ${detail}`);
    if (this.inFlight > 0) this.failAll(connectionLost(this.options, detail || reason));
  }

  private failAll(end: AttemptEnd): void {
    if (this.waiting.size > 0) {
      const unsent = notProcessed(this.options, "the connection ended before this call");
      for (const stream of this.waiting) stream.onLost(unsent);
    }
    for (const stream of this.streams.values()) stream.onLost(end);
  }

  private tellGone(reason: string): void {
    if (this.isGoneTold) return;
    this.isGoneTold = true;
    this.isRetired = true;
    this.listener.onGone(reason);
  }

  /** Closes the socket: with GOAWAY and in order where there is a code, at once without. */
  private end(code: ErrorCode | null): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.reader.stop();
    this.suspicion.stop();
    this.keepalive?.stop();
    if (code === null) {
      this.transport.destroy();
      return;
    }
    const isTaking = this.transport.pendingBytes === 0;
    this.output.goaway(code);
    this.output.flush();
    // A peer that takes nothing more would keep the socket.
    if (isTaking) this.transport.end();
    else this.transport.destroy();
  }
}
