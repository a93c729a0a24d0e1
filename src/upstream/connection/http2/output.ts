import {
  DEFAULT_MAX_FRAME_BYTES,
  FRAME_HEADER_BYTES,
  Flag,
  FrameType,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import type { Transport } from "./transport.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const SLAB_BYTES = 1 << 16;
// Grows to the above where more is written in a turn: most of very many connections have little to say.
const FIRST_SLAB_BYTES = 1 << 9;
// With this much waiting for the socket, streams stop handing over more.
const FULL_BYTES = 1 << 18;

/**
 * Everything that goes out on one connection. Frames of all streams are written into one slab, which goes to the socket
 * once per turn of the event loop: one system call carries the frames of all calls made in it, and that, measured, is a
 * third of the cost of one write per call.
 */
export class Output {
  readonly transport: Transport;
  /** Acknowledgements that wait for a socket which takes nothing: a peer that makes us owe them without end is hostile. */
  owedAcks = 0;
  /** Where frames are written; what the transport still holds of an earlier slab is not touched again. */
  private slab = Buffer.allocUnsafeSlow(FIRST_SLAB_BYTES);
  /** `slab[from, at)` is written and not yet handed over. */
  private from = 0;
  private at = 0;
  private isScheduled = false;
  private readonly onTurn = (): void => {
    this.isScheduled = false;
    this.flush();
  };

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Whether messages should wait for `onDrain` of the transport. */
  get isFull(): boolean {
    return this.transport.pendingBytes > FULL_BYTES;
  }

  flush(): void {
    if (this.at === this.from) return;
    // All that was written before is taken; a TLS socket never has it by the end of this.
    if (this.transport.pendingBytes === 0) this.owedAcks = 0;
    this.transport.write(
      this.from === 0 && this.at === this.slab.length ? this.slab : this.slab.subarray(this.from, this.at),
    );
    this.from = this.at;
    if (this.transport.pendingBytes > 0) return;
    // The system has copied it all.
    this.from = this.at = 0;
  }

  preface(settings: readonly (readonly [name: number, value: number])[]): void {
    const length = settings.length * 6;
    const slab = this.reserve(PREFACE.length + FRAME_HEADER_BYTES + length);
    slab.set(PREFACE, this.at);
    let at = writeFrameHeader(slab, this.at + PREFACE.length, length, FrameType.Settings, 0, 0);
    for (const [name, value] of settings) {
      slab[at] = name >>> 8;
      slab[at + 1] = name;
      writeUint32(slab, at + 2, value);
      at += 6;
    }
    this.commit(at);
  }

  settingsAck(): void {
    const slab = this.reserve(FRAME_HEADER_BYTES);
    this.owedAcks++;
    this.commit(writeFrameHeader(slab, this.at, 0, FrameType.Settings, Flag.Ack, 0));
  }

  /** An answer to a ping: its 8 bytes from `start`. */
  pingAck(bytes: Uint8Array, start: number): void {
    const slab = this.reserve(FRAME_HEADER_BYTES + 8);
    this.owedAcks++;
    const at = writeFrameHeader(slab, this.at, 8, FrameType.Ping, Flag.Ack, 0);
    slab.set(bytes.subarray(start, start + 8), at);
    this.commit(at + 8);
  }

  ping(): void {
    const slab = this.reserve(FRAME_HEADER_BYTES + 8);
    const at = writeFrameHeader(slab, this.at, 8, FrameType.Ping, 0, 0);
    slab.fill(0, at, at + 8);
    this.commit(at + 8);
  }

  windowUpdate(id: number, increment: number): void {
    this.oneNumber(FrameType.WindowUpdate, id, increment);
  }

  reset(id: number, code: number): void {
    this.oneNumber(FrameType.RstStream, id, code);
  }

  goaway(code: number): void {
    const slab = this.reserve(FRAME_HEADER_BYTES + 8);
    const at = writeFrameHeader(slab, this.at, 8, FrameType.Goaway, 0, 0);
    // The last stream that the peer opened: none, for it cannot push.
    writeUint32(slab, at, 0);
    writeUint32(slab, at + 4, code);
    this.commit(at + 8);
  }

  /**
   * Room for a header block of up to `maxBytes`; the caller encodes it into the result from `headersAt` and then calls
   * `endHeaders`, with nothing written in between.
   */
  beginHeaders(maxBytes: number): Buffer {
    const pieces = Math.ceil(maxBytes / DEFAULT_MAX_FRAME_BYTES) + 1;
    return this.reserve(maxBytes + pieces * FRAME_HEADER_BYTES);
  }

  get headersAt(): number {
    return this.at + FRAME_HEADER_BYTES;
  }

  /** Ends the block that was encoded up to `end`: one HEADERS frame, and CONTINUATION frames where it is larger. */
  endHeaders(id: number, end: number, isEnd: boolean): void {
    const { slab, at } = this;
    const length = end - at - FRAME_HEADER_BYTES;
    const flags = isEnd ? Flag.EndStream : 0;
    if (length <= DEFAULT_MAX_FRAME_BYTES) {
      writeFrameHeader(slab, at, length, FrameType.Headers, flags | Flag.EndHeaders, id);
      this.commit(end);
      return;
    }
    // Makes room for a header before each further piece, last piece first.
    const pieces = Math.ceil(length / DEFAULT_MAX_FRAME_BYTES);
    const start = at + FRAME_HEADER_BYTES;
    for (let i = pieces - 1; i > 0; i--) {
      const from = start + i * DEFAULT_MAX_FRAME_BYTES;
      const size = Math.min(DEFAULT_MAX_FRAME_BYTES, end - from);
      const to = from + i * FRAME_HEADER_BYTES;
      slab.copyWithin(to, from, from + size);
      const last = i === pieces - 1 ? Flag.EndHeaders : 0;
      writeFrameHeader(slab, to - FRAME_HEADER_BYTES, size, FrameType.Continuation, last, id);
    }
    writeFrameHeader(slab, at, DEFAULT_MAX_FRAME_BYTES, FrameType.Headers, flags, id);
    this.commit(end + (pieces - 1) * FRAME_HEADER_BYTES);
  }

  /**
   * A DATA frame with `length` bytes of a framed message (its 5 bytes of prefix, then itself), from `offset` of it.
   * At most DEFAULT_MAX_FRAME_BYTES.
   */
  data(id: number, message: Uint8Array, offset: number, length: number, isEnd: boolean): void {
    const slab = this.reserve(FRAME_HEADER_BYTES + length);
    let at = writeFrameHeader(slab, this.at, length, FrameType.Data, isEnd ? Flag.EndStream : 0, id);
    const end = at + length;
    // Never compressed: the first byte of the prefix is 0 (gRPC over HTTP/2, "Length-Prefixed-Message").
    for (; offset < 5 && at < end; offset++, at++) {
      slab[at] = offset === 0 ? 0 : message.length >>> (8 * (4 - offset));
    }
    const from = offset - 5;
    const size = end - at;
    // A loop beats the call of `set` and its view up to about this size (bench/micro).
    if (size <= 48)
      for (let i = 0; i < size; i++) slab[at + i] = message[from + i] as number; // below both lengths
    else if (size === message.length) slab.set(message, at);
    else slab.set(message.subarray(from, from + size), at);
    this.commit(end);
  }

  /** The half-close where there is no message left to carry it. */
  endData(id: number): void {
    const slab = this.reserve(FRAME_HEADER_BYTES);
    this.commit(writeFrameHeader(slab, this.at, 0, FrameType.Data, Flag.EndStream, id));
  }

  private oneNumber(type: number, id: number, value: number): void {
    const slab = this.reserve(FRAME_HEADER_BYTES + 4);
    const at = writeFrameHeader(slab, this.at, 4, type, 0, id);
    writeUint32(slab, at, value);
    this.commit(at + 4);
  }

  /** Makes sure that `bytes` fit behind `at`. */
  private reserve(bytes: number): Buffer {
    if (this.at + bytes > this.slab.length) {
      this.flush();
      const { length } = this.slab;
      if (length !== SLAB_BYTES || this.at + bytes > length) {
        this.slab = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(SLAB_BYTES, length * 8)));
        this.from = this.at = 0;
      }
    }
    return this.slab;
  }

  private commit(at: number): void {
    this.at = at;
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(this.onTurn);
  }
}
