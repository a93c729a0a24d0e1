// A gRPC server that costs next to nothing, so that on two cores the gateway is what is measured: HTTP/2 frames by
// hand, headers never decoded. Which workload a call belongs to is seen from the bytes of its request message. Not a
// server for anything else. Prints its port.
import net from "node:net";
import { requestKey, workloads } from "./workloads.ts";

const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const PING = 6;
const WINDOW_UPDATE = 8;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const MAX_FRAME = 16_384;
const PREFACE_BYTES = 24;

// HPACK without a table: 0x88 is ":status: 200" of the static table; the rest are literals that are never indexed.
const HEAD = Buffer.concat([Buffer.from([0x88]), literal("content-type", "application/grpc")]);
const TRAILERS = literal("grpc-status", "0");

function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(9 + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(stream, 5);
  out.set(payload, 9);
  return out;
}

/** The messages of one answer with their gRPC prefixes, cut to the size of a frame. */
function cut(messages: readonly Uint8Array[]): readonly Buffer[] {
  const all = Buffer.concat(
    messages.flatMap((message) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      return [prefix, message];
    }),
  );
  const count = Math.ceil(all.length / MAX_FRAME);
  return Array.from({ length: count }, (_, i) => all.subarray(i * MAX_FRAME, (i + 1) * MAX_FRAME));
}

interface Stream {
  readonly id: number;
  readonly request: Buffer[];
  window: number;
  answer: readonly Buffer[];
  next: number;
}

class Session {
  private readonly socket: net.Socket;
  private readonly answers: ReadonlyMap<string, readonly Buffer[]>;
  private input: Buffer = Buffer.alloc(0);
  private greeted = false;
  private window = 65_535;
  private initialWindow = 65_535;
  private readonly streams = new Map<number, Stream>();
  private received = 0;

  constructor(socket: net.Socket, answers: ReadonlyMap<string, readonly Buffer[]>) {
    this.socket = socket;
    this.answers = answers;
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      socket.cork();
      this.read(this.input.length === 0 ? chunk : Buffer.concat([this.input, chunk]));
      socket.uncork();
    });
    socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)));
  }

  private read(bytes: Buffer): void {
    let at = 0;
    if (!this.greeted && bytes.length >= PREFACE_BYTES) {
      this.greeted = true;
      at = PREFACE_BYTES;
    }
    while (this.greeted && bytes.length - at >= 9) {
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < 9 + length) break;
      const payload = bytes.subarray(at + 9, at + 9 + length);
      this.onFrame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, bytes.readUInt32BE(at + 5), payload);
      at += 9 + length;
    }
    this.input = Buffer.from(bytes.subarray(at));
  }

  private onFrame(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === HEADERS) {
      this.streams.set(id, { id, request: [], window: this.initialWindow, answer: [], next: 0 });
    } else if (type === DATA) {
      const stream = this.streams.get(id);
      if (stream === undefined) return;
      stream.request.push(Buffer.from(payload));
      this.giveBack(payload.length);
      if ((flags & END_STREAM) !== 0) this.answer(stream);
    } else if (type === SETTINGS && (flags & ACK) === 0) {
      for (let at = 0; at + 6 <= payload.length; at += 6) {
        if (payload.readUInt16BE(at) === 4) this.initialWindow = payload.readUInt32BE(at + 2);
      }
      this.socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    } else if (type === PING && (flags & ACK) === 0) {
      this.socket.write(frame(PING, ACK, 0, payload));
    } else if (type === WINDOW_UPDATE) {
      const stream = this.streams.get(id);
      if (id === 0) this.window += payload.readUInt32BE(0);
      else if (stream !== undefined) stream.window += payload.readUInt32BE(0);
      for (const waiting of this.streams.values()) this.send(waiting);
    }
  }

  /** Requests are small, so the connection's window is all that must be kept open. */
  private giveBack(bytes: number): void {
    this.received += bytes;
    if (this.received < 32_768) return;
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(this.received);
    this.received = 0;
    this.socket.write(frame(WINDOW_UPDATE, 0, 0, increment));
  }

  private answer(stream: Stream): void {
    const answer = this.answers.get(requestKey(Buffer.concat(stream.request).subarray(5)));
    if (answer === undefined) throw new Error("a request of no workload");
    stream.answer = answer;
    this.socket.write(frame(HEADERS, END_HEADERS, stream.id, HEAD));
    this.send(stream);
  }

  private send(stream: Stream): void {
    while (stream.next < stream.answer.length) {
      const payload = stream.answer[stream.next] ?? Buffer.alloc(0);
      if (payload.length > this.window || payload.length > stream.window) return;
      this.window -= payload.length;
      stream.window -= payload.length;
      stream.next++;
      this.socket.write(frame(DATA, 0, stream.id, payload));
      if (stream.next < stream.answer.length) continue;
      this.socket.write(frame(HEADERS, END_HEADERS | END_STREAM, stream.id, TRAILERS));
      this.streams.delete(stream.id);
    }
  }
}

const answers = new Map(workloads().map((workload) => [workload.requestKey, cut(workload.reply)]));
const server = net.createServer((socket) => new Session(socket, answers));
server.listen(0, "127.0.0.1", () => console.log((server.address() as net.AddressInfo).port));
process.on("disconnect", () => process.exit());
