import { DEFAULT_WINDOW_BYTES, ErrorCode, Http2Error, MAX_31_BITS } from "./frame.ts";
import type { Output } from "./output.ts";

/** What a stream may have sent us that its owner has not read: 1 MiB carries 8 Gbit/s at a round trip of 1 ms. */
export const STREAM_WINDOW_BYTES = 1 << 20;
/** The same for all streams of a connection. */
export const CONNECTION_WINDOW_BYTES = 1 << 24;
// Paused streams keep what they have not read. Up to this much of it the connection's window is given back all the
// same, so that they do not starve the others; beyond it the connection waits for them, so that memory stays bounded.
const MAX_BUFFERED_BYTES = 1 << 23;

/** Our side of the connection's flow control: what the peer may send. */
export class ReceiveWindow {
  private readonly output: Output;
  /** Received and not given back. */
  private owed = 0;
  /** Kept by paused streams. */
  private buffered = 0;

  constructor(output: Output) {
    this.output = output;
  }

  /** Makes the window of 65,535 bytes, with which HTTP/2 begins, as large as ours. */
  open(): void {
    this.output.windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
  }

  received(bytes: number): void {
    this.owed += bytes;
    if (this.owed > CONNECTION_WINDOW_BYTES) {
      throw new Http2Error(ErrorCode.FlowControlError, "more data than the connection's window allows");
    }
    if (this.owed >= CONNECTION_WINDOW_BYTES / 4) this.giveBack();
  }

  /** A stream keeps that much more, or less, than before. */
  keep(bytes: number): void {
    this.buffered += bytes;
    if (bytes < 0 && this.owed >= CONNECTION_WINDOW_BYTES / 4) this.giveBack();
  }

  private giveBack(): void {
    if (this.buffered > MAX_BUFFERED_BYTES) return;
    this.output.windowUpdate(0, this.owed);
    this.owed = 0;
  }
}

/** The peer's side: what we may send, on the connection and on a new stream. */
export class SendWindow {
  /** Of the connection; never negative. */
  bytes = DEFAULT_WINDOW_BYTES;
  /** Of each stream at its beginning. */
  initialBytes = DEFAULT_WINDOW_BYTES;

  add(increment: number): void {
    if (this.bytes + increment > MAX_31_BITS) {
      throw new Http2Error(ErrorCode.FlowControlError, "a window larger than 2^31-1");
    }
    this.bytes += increment;
  }
}
