import type { AttemptEnd, AttemptRequest } from "../../src/call/call.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { ConnectionOptions } from "../../src/upstream/connection/connection.ts";
import { Session, type SessionOptions } from "../../src/upstream/connection/http2/session.ts";
import type { Transport, TransportListener } from "../../src/upstream/connection/http2/transport.ts";
import { Recorder } from "./grpc-calls.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** A frame's bytes; `length` may lie. */
export function frame(type: number, flags: number, id: number, payload: Uint8Array | readonly number[] = []): Buffer {
  const out = Buffer.alloc(9 + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(id, 5);
  out.set(payload, 9);
  return out;
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}

export function settings(...pairs: readonly (readonly [name: number, value: number])[]): Buffer {
  return frame(
    4,
    0,
    0,
    Buffer.concat(pairs.map(([name, value]) => Buffer.concat([Buffer.from([0, name]), uint32(value)]))),
  );
}

/** A header block of literals that touch no table. */
export function block(...headers: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

function text(value: string): Buffer {
  const length = [Math.min(value.length, 127)];
  if (value.length >= 127) {
    let rest = value.length - 127;
    for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(value, "latin1")]);
}

/** A message with its gRPC prefix. */
export function message(content: string | Uint8Array, flag = 0): Buffer {
  return Buffer.concat([Buffer.from([flag]), uint32(content.length), Buffer.from(content)]);
}

export const HEADERS = block([":status", "200"], ["content-type", "application/grpc"]);
export const OK = block(["grpc-status", "0"]);

/** The frames of a whole reply. */
export function reply(id: number, content = "pong", trailers = OK): Buffer {
  return Buffer.concat([frame(1, 4, id, HEADERS), frame(0, 0, id, message(content)), frame(1, 5, id, trailers)]);
}

/** The other end of a session: sees the frames that are written, and writes any bytes itself. No socket in between. */
export class Http2Peer implements Transport {
  /** A socket that takes nothing has some. */
  pendingBytes = 0;
  closed: "in order" | "at once" | null = null;
  readonly session: Session;
  readonly events: string[] = [];
  private bytes = Buffer.alloc(0);
  private taken = 0;
  private listener: TransportListener | null = null;

  constructor(clock: Clock, options: Partial<ConnectionOptions> = {}, session: Partial<SessionOptions> = {}) {
    this.session = new Session(
      "10.0.0.5:50051",
      { upstream: "lab", connectTimeoutMs: 2_000, maxMessageBytes: 4 << 20, clock, ...options },
      {
        dial: (_, listener) => {
          this.listener = listener;
          return this;
        },
        scheme: "http",
        authority: null,
        userAgent: "sluice",
        keepalive: null,
        lastStreamId: 2 ** 31 - 1,
        ...session,
      },
      {
        onReady: () => this.events.push("ready"),
        onGone: (reason) => this.events.push(`gone: ${reason}`),
        onSuspect: (isSuspect) => this.events.push(isSuspect ? "suspect" : "not suspect"),
        onClosed: () => this.events.push("closed"),
      },
    );
    this.listener?.onOpen();
  }

  write(bytes: Uint8Array): void {
    if (this.closed === null) this.bytes = Buffer.concat([this.bytes, bytes]);
  }

  end(): void {
    this.closed ??= "in order";
  }

  destroy(): void {
    this.closed ??= "at once";
  }

  /** Sends bytes, in one piece or in pieces of a size. */
  send(bytes: Uint8Array, pieceBytes = bytes.length): void {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
      this.listener?.onBytes(piece, piece.length);
      // As a socket's read buffer, it is used again.
      piece.fill(0xee);
    }
  }

  drain(): void {
    this.pendingBytes = 0;
    this.listener?.onDrain();
  }

  /** The socket is closed from the other side. */
  cut(reason = ""): void {
    this.listener?.onClosed(reason);
  }

  /** The frames written since the last time, after the turn of the event loop in which they are. */
  async frames(): Promise<Frame[]> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.taken === 0) this.taken = 24;
    const found: Frame[] = [];
    while (this.taken + 9 <= this.bytes.length) {
      const length = this.bytes.readUIntBE(this.taken, 3);
      const payload = this.bytes.subarray(this.taken + 9, this.taken + 9 + length);
      const id = this.bytes.readUInt32BE(this.taken + 5);
      found.push({ type: this.bytes[this.taken + 3] ?? 0, flags: this.bytes[this.taken + 4] ?? 0, id, payload });
      this.taken += 9 + length;
    }
    return found;
  }

  call(
    content: Uint8Array | string | null = "ping",
    { metadata = [], deadlineMs = Infinity, path = "/test.Lab/Echo" }: Partial<AttemptRequest> = {},
    recorder = new Recorder<AttemptEnd>(),
  ) {
    const request = { path, metadata, message: content === null ? null : Buffer.from(content), deadlineMs };
    return { recorder, handle: this.session.start(request, recorder) };
  }
}

/** A session past its SETTINGS, with all that it has written so far taken away. */
export async function openPeer(...args: ConstructorParameters<typeof Http2Peer>): Promise<Http2Peer> {
  const peer = new Http2Peer(...args);
  peer.send(settings());
  await peer.frames();
  return peer;
}
