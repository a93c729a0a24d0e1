import {
  DEFAULT_MAX_FRAME_BYTES,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  Http2Error,
  readUint31,
} from "./frame.ts";

/** What a session does with each kind of frame; all of them are well-formed. May throw Http2Error. */
export interface FrameListener {
  /** `bytes[start, end)` is the data without padding; `flowBytes` is what it takes of the windows, padding included. */
  onData(id: number, bytes: Uint8Array, start: number, end: number, flowBytes: number, isEnd: boolean): void;
  /** A whole header block, continuations included. */
  onHeaderBlock(id: number, bytes: Uint8Array, start: number, end: number, isEnd: boolean): void;
  onReset(id: number, code: number): void;
  /** Pairs of 2 bytes of name and 4 of value. */
  onSettings(bytes: Uint8Array, start: number, end: number): void;
  onSettingsAck(): void;
  /** 8 bytes from `start`. */
  onPing(bytes: Uint8Array, start: number): void;
  onPingAck(): void;
  onGoaway(lastId: number, code: number): void;
  /** `id` is 0 for the connection. */
  onWindowUpdate(id: number, increment: number): void;
  /** PRIORITY, and types that nobody knows (RFC 9113, section 5.5). */
  onIgnored(): void;
}

// A block as a whole must be decoded even where its list is too large for us, because later blocks refer to it. Beyond
// this, or in more pieces than anyone needs for it, it is an attack (CVE-2024-27983 and its likes).
const MAX_BLOCK_BYTES = 1 << 19;
const MAX_CONTINUATIONS = 64;

const NOTHING = Buffer.alloc(0);

// "HTT" where a frame's length should stand: the usual sign of a port that is some other server's.
const HTTP_1 = 0x485454;

/**
 * Cuts a byte stream into frames, checks them by RFC 9113, section 6, and hands them on. Frames are read in place; only
 * one that arrives in pieces is put together in a buffer of the reader's own.
 */
export class FrameReader {
  private readonly listener: FrameListener;
  /** The frame that has arrived in part, its header included. */
  private partial: Buffer = NOTHING;
  private partialBytes = 0;
  private isStopped = false;
  private isFirst = true;

  /** The header block that goes on in CONTINUATION frames: its stream, or 0. */
  private blockId = 0;
  private blockIsEnd = false;
  private block: Buffer | null = null;
  private blockBytes = 0;
  private continuations = 0;

  constructor(listener: FrameListener) {
    this.listener = listener;
  }

  /** Reads `bytes[0, length)`; throws Http2Error where the peer breaks the protocol. */
  read(bytes: Uint8Array, length: number): void {
    let at = 0;
    if (this.partialBytes > 0) at = this.complete(bytes, length);
    while (!this.isStopped && length - at >= FRAME_HEADER_BYTES) {
      const size = this.sizeOf(bytes, at);
      const end = at + FRAME_HEADER_BYTES + size;
      if (end > length) break;
      this.onFrame(bytes, at, end);
      at = end;
    }
    if (this.isStopped || at >= length) return;
    // Made when it is first needed: most of very many connections never do.
    if (this.partial === NOTHING) this.partial = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + DEFAULT_MAX_FRAME_BYTES);
    this.partial.set(bytes.subarray(at, length), this.partialBytes);
    this.partialBytes += length - at;
  }

  /** Hands on nothing more, also of what is being read. */
  stop(): void {
    this.isStopped = true;
  }

  /** Brings the frame that came in part to its end, if its rest is here; returns the place behind what was taken. */
  private complete(bytes: Uint8Array, length: number): number {
    const { partial } = this;
    let at = 0;
    if (this.partialBytes < FRAME_HEADER_BYTES) {
      at = this.take(bytes, at, length, FRAME_HEADER_BYTES);
      if (this.partialBytes < FRAME_HEADER_BYTES) return at;
    }
    const total = FRAME_HEADER_BYTES + this.sizeOf(partial, 0);
    at = this.take(bytes, at, length, total);
    if (this.partialBytes < total) return at;
    this.partialBytes = 0;
    this.onFrame(partial, 0, total);
    return at;
  }

  private take(bytes: Uint8Array, at: number, length: number, until: number): number {
    const end = Math.min(length, at + until - this.partialBytes);
    this.partial.set(bytes.subarray(at, end), this.partialBytes);
    this.partialBytes += end - at;
    return end;
  }

  private sizeOf(bytes: Uint8Array, at: number): number {
    const size = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    if (size > DEFAULT_MAX_FRAME_BYTES) {
      if (this.isFirst && size === HTTP_1) throw protocolError("it answers in HTTP/1");
      throw sizeError(`a frame of ${size} bytes`);
    }
    return size;
  }

  private onFrame(bytes: Uint8Array, at: number, end: number): void {
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    const id = readUint31(bytes, at + 5);
    const start = at + FRAME_HEADER_BYTES;
    if (this.isFirst) {
      if (type !== FrameType.Settings || (flags & Flag.Ack) !== 0) throw protocolError("no SETTINGS at the beginning");
      this.isFirst = false;
    }
    if (this.blockId !== 0 && (type !== FrameType.Continuation || id !== this.blockId)) {
      throw protocolError("a header block that is interrupted");
    }
    switch (type) {
      case FrameType.Data:
        return this.onData(bytes, start, end, flags, id);
      case FrameType.Headers:
        return this.onHeaders(bytes, start, end, flags, id);
      case FrameType.Continuation:
        return this.onContinuation(bytes, start, end, flags, id);
      case FrameType.RstStream:
        needStream(id, "RST_STREAM");
        needSize(end - start === 4, "RST_STREAM");
        return this.listener.onReset(id, readUint31(bytes, start));
      case FrameType.Settings:
        return this.onSettings(bytes, start, end, flags, id);
      case FrameType.PushPromise:
        throw protocolError("PUSH_PROMISE, which was turned off");
      case FrameType.Ping:
        needConnection(id, "PING");
        needSize(end - start === 8, "PING");
        return (flags & Flag.Ack) !== 0 ? this.listener.onPingAck() : this.listener.onPing(bytes, start);
      case FrameType.Goaway:
        needConnection(id, "GOAWAY");
        needSize(end - start >= 8, "GOAWAY");
        return this.listener.onGoaway(readUint31(bytes, start), readUint31(bytes, start + 4));
      case FrameType.WindowUpdate:
        needSize(end - start === 4, "WINDOW_UPDATE");
        return this.listener.onWindowUpdate(id, readUint31(bytes, start));
      case FrameType.Priority:
        needStream(id, "PRIORITY");
        return this.listener.onIgnored();
      default:
        return this.listener.onIgnored();
    }
  }

  private onData(bytes: Uint8Array, start: number, end: number, flags: number, id: number): void {
    needStream(id, "DATA");
    const flowBytes = end - start;
    if ((flags & Flag.Padded) !== 0) {
      end -= paddingOf(bytes, start, end);
      start++;
    }
    this.listener.onData(id, bytes, start, end, flowBytes, (flags & Flag.EndStream) !== 0);
  }

  private onHeaders(bytes: Uint8Array, start: number, end: number, flags: number, id: number): void {
    needStream(id, "HEADERS");
    if ((flags & Flag.Padded) !== 0) {
      end -= paddingOf(bytes, start, end);
      start++;
    }
    if ((flags & Flag.Priority) !== 0) start += 5;
    if (start > end) throw sizeError("HEADERS of a wrong length");
    const isEnd = (flags & Flag.EndStream) !== 0;
    if ((flags & Flag.EndHeaders) !== 0) {
      this.listener.onHeaderBlock(id, bytes, start, end, isEnd);
      return;
    }
    this.blockId = id;
    this.blockIsEnd = isEnd;
    this.continuations = 0;
    this.blockBytes = 0;
    this.keepBlock(bytes, start, end);
  }

  private onContinuation(bytes: Uint8Array, start: number, end: number, flags: number, id: number): void {
    if (this.blockId === 0) throw protocolError("CONTINUATION without HEADERS");
    if (++this.continuations > MAX_CONTINUATIONS) {
      throw new Http2Error(ErrorCode.EnhanceYourCalm, "a header block in too many pieces");
    }
    const block = this.keepBlock(bytes, start, end);
    if ((flags & Flag.EndHeaders) === 0) return;
    this.blockId = 0;
    this.block = null;
    this.listener.onHeaderBlock(id, block, 0, this.blockBytes, this.blockIsEnd);
  }

  private keepBlock(bytes: Uint8Array, start: number, end: number): Buffer {
    const total = this.blockBytes + end - start;
    if (total > MAX_BLOCK_BYTES) throw new Http2Error(ErrorCode.EnhanceYourCalm, "a header block that is too large");
    let { block } = this;
    if (block === null || block.length < total) {
      const larger = Buffer.allocUnsafeSlow(Math.max(total, 2 * DEFAULT_MAX_FRAME_BYTES, 2 * (block?.length ?? 0)));
      if (block !== null) larger.set(block.subarray(0, this.blockBytes));
      this.block = block = larger;
    }
    block.set(bytes.subarray(start, end), this.blockBytes);
    this.blockBytes = total;
    return block;
  }

  private onSettings(bytes: Uint8Array, start: number, end: number, flags: number, id: number): void {
    needConnection(id, "SETTINGS");
    if ((flags & Flag.Ack) !== 0) {
      needSize(end === start, "SETTINGS");
      this.listener.onSettingsAck();
      return;
    }
    needSize((end - start) % 6 === 0, "SETTINGS");
    this.listener.onSettings(bytes, start, end);
  }
}

/** How many bytes at a frame's end are padding. */
function paddingOf(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) throw sizeError("a padded frame without a length of padding");
  const padding = bytes[start] ?? 0;
  if (padding >= end - start) throw protocolError("padding that is longer than its frame");
  return padding;
}

function needStream(id: number, frame: string): void {
  if (id === 0) throw protocolError(`${frame} on stream 0`);
}

function needConnection(id: number, frame: string): void {
  if (id !== 0) throw protocolError(`${frame} on a stream`);
}

function needSize(isRight: boolean, frame: string): void {
  if (!isRight) throw sizeError(`${frame} of a wrong length`);
}

function protocolError(reason: string): Http2Error {
  return new Http2Error(ErrorCode.ProtocolError, reason);
}

function sizeError(reason: string): Http2Error {
  return new Http2Error(ErrorCode.FrameSizeError, reason);
}
