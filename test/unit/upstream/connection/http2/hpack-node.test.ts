import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, sensitiveHeaders } from "node:http2";
import type { Http2Server, OutgoingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import net from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { HpackDecoder } from "../../../../../src/upstream/connection/http2/hpack/decoder.ts";
import { HpackEncoder } from "../../../../../src/upstream/connection/http2/hpack/encoder.ts";

// Our codec in conversation with nghttp2's, which Node's http2 is made of, over a socket.

const Frame = { Headers: 1, RstStream: 3, Settings: 4, GoAway: 7, Continuation: 9 } as const;
const Flag = { EndStream: 1, Ack: 1, EndHeaders: 4 } as const;
const HEADER_TABLE_SIZE = 1;

// GET / over http of the authority "a".
const REQUEST = Buffer.of(0x82, 0x84, 0x86, 0x01, 1, 0x61);

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function settings(tableSize: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(HEADER_TABLE_SIZE, 0);
  payload.writeUInt32BE(tableSize, 2);
  return frame(Frame.Settings, 0, 0, payload);
}

interface Received {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** The least of an HTTP/2 client: frames go out as they are, and come in one by one. */
class RawClient {
  private readonly socket: Socket;
  private readonly frames: AsyncIterator<Received>;

  constructor(port: number, tableSize: number) {
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.socket.write(settings(tableSize));
    this.frames = this.read();
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Gives frames to `take` until it says so. */
  async readUntil(take: (received: Received) => boolean): Promise<void> {
    for (;;) {
      const { value, done } = await this.frames.next();
      assert.ok(!done, "the server ended the connection");
      const { type, flags, payload } = value;
      if (type === Frame.GoAway) assert.fail(`GOAWAY ${payload.readUInt32BE(4)} ${payload.subarray(8).toString()}`);
      if (type === Frame.RstStream) assert.fail(`RST_STREAM ${payload.readUInt32BE(0)}`);
      if (type === Frame.Settings && !(flags & Flag.Ack))
        this.write(frame(Frame.Settings, Flag.Ack, 0, Buffer.alloc(0)));
      if (take(value)) return;
    }
  }

  async close(): Promise<void> {
    const closed = once(this.socket, "close");
    this.socket.destroy();
    await closed;
  }

  private async *read(): AsyncGenerator<Received, undefined> {
    let rest = Buffer.alloc(0);
    for await (const chunk of this.socket as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const end = 9 + rest.readUIntBE(0, 3);
        yield { type: rest[3] ?? 0, flags: rest[4] ?? 0, payload: rest.subarray(9, end) };
        rest = rest.subarray(end);
      }
    }
  }
}

// What nghttp2 refuses in a header has to do with HTTP, not with HPACK: token names, and values that neither begin nor
// end with a space.
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("x-tenant", "x-request-id", "cookie", "authorization", "accept", "via") },
  { weight: 1, arbitrary: fc.stringMatching(/^x-[0-9a-z!#$%&'*+.^_`|~-]{1,40}$/) },
);
const code = fc.oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }));
const value = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom("", "a", "blue", "x".repeat(130), "y".repeat(900)) },
  { weight: 3, arbitrary: fc.array(code, { maxLength: 200 }).map((codes) => String.fromCharCode(...codes)) },
  { weight: 1, arbitrary: fc.nat(30).map((n) => `some words of ${n}`) },
);
const headers = fc.array(fc.tuple(name, value), { maxLength: 12 });
const tableSize = fc.constantFrom(0, 31, 64, 150, 500, 1000, 3000, 4096, 8192);

describe("HpackEncoder, read by nghttp2", () => {
  let server: Http2Server;
  let port: number;
  const sessions: ServerHttp2Session[] = [];
  const requests: (readonly string[])[] = [];

  before(async () => {
    server = createServer({ settings: { maxHeaderListSize: 1 << 20 } });
    server.on("session", (session) => sessions.push(session));
    server.on("stream", (stream: ServerHttp2Stream, _headers, _flags, raw: string[]) => {
      requests.push([...raw]);
      stream.respond({ ":status": 200 }, { endStream: true });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ route: fc.nat(5), headers, sizes: fc.constant([] as number[]) }) },
    {
      weight: 1,
      arbitrary: fc.record({ route: fc.nat(5), headers, sizes: fc.array(tableSize, { minLength: 1, maxLength: 3 }) }),
    },
  );

  it("tells every list, at any table size", async () => {
    let count = 0;
    const conversation = fc.array(step, { minLength: 1, maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(conversation, async (steps) => {
        const client = new RawClient(port, 4096);
        const encoder = new HpackEncoder();
        const prepared = Array.from({ length: 6 }, (_, i) => {
          const path = `/shop.v1.Shop/Method${i}${"x".repeat(i * 100)}`;
          const fixed = [":method", "POST", ":scheme", "http", ":path", path, ":authority", "a.example:1"];
          return encoder.prepare([...fixed, "te", "trailers", "content-type", "application/grpc"]);
        });
        let stream = 1;
        let settingsSeen = 0;
        const take = ({ type, flags, payload }: Received): void => {
          if (type !== Frame.Settings || flags & Flag.Ack) return;
          settingsSeen++;
          for (let at = 0; at < payload.length; at += 6) {
            if (payload.readUInt16BE(at) === HEADER_TABLE_SIZE) encoder.setPeerTableSize(payload.readUInt32BE(at + 2));
          }
        };
        try {
          await client.readUntil((received) => (take(received), settingsSeen === 1));
          for (const { route, headers, sizes } of steps) {
            const session = sessions.at(-1);
            const settingsDue = settingsSeen + sizes.length;
            for (const headerTableSize of sizes) session?.settings({ headerTableSize });
            if (sizes.length > 0) await client.readUntil((received) => (take(received), settingsSeen === settingsDue));
            const handle = prepared[route];
            assert.ok(handle);
            const flat = headers.flat();
            const out = Buffer.alloc(handle.maxBytes + HpackEncoder.maxEncodedBytes(flat));
            const end = encoder.encode(flat, out, encoder.encodePrepared(handle, out, 0));
            client.write(frame(Frame.Headers, Flag.EndHeaders | Flag.EndStream, stream, out.subarray(0, end)));
            await client.readUntil(({ type }) => type === Frame.Headers);
            stream += 2;
            count++;
            const expected = [...handle.fields.flatMap(({ name, value }) => [name.text, value]), ...flat];
            assert.deepEqual(requests.pop(), expected);
          }
        } finally {
          await client.close();
        }
      }),
      { numRuns: 50, timeout: 5000, interruptAfterTimeLimit: 20_000 },
    );
    assert.ok(count > 100, `${count} requests`);
  });
});

describe("HpackDecoder, given nghttp2's blocks", () => {
  let server: Http2Server;
  let port: number;
  let reply: OutgoingHttpHeaders = {};

  before(async () => {
    server = createServer({ maxDeflateDynamicTableSize: 65_536 } as object);
    server.on("stream", (stream: ServerHttp2Stream) =>
      stream.respond(reply, { endStream: true, sendDate: false } as object),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());

  const step = fc.record({
    status: fc.constantFrom(200, 204, 302, 404, 500, 503),
    headers,
    // Announced before the request, none above the first.
    sizes: fc.oneof(
      { weight: 5, arbitrary: fc.constant([] as number[]) },
      { weight: 1, arbitrary: fc.array(tableSize, { minLength: 1, maxLength: 3 }) },
    ),
  });

  it("reads every list, at any table size", async () => {
    let count = 0;
    const conversation = fc.array(step, { minLength: 1, maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0, 100, 1000, 4096, 65_536), conversation, async (maxTableBytes, steps) => {
        const client = new RawClient(port, maxTableBytes);
        const decoder = new HpackDecoder({ maxTableBytes, maxListBytes: 1e6 });
        let stream = 1;
        try {
          for (const { status, headers, sizes } of steps) {
            const lists = new Map<string, string[]>();
            for (const [name, value] of headers) lists.set(name, [...(lists.get(name) ?? []), value]);
            // Some names may come once alone.
            const sent = [...lists].map(([name, values]): [string, string[]] => [
              name,
              values.slice(0, name === "authorization" ? 1 : undefined),
            ]);
            reply = { ":status": status, ...Object.fromEntries(sent), [sensitiveHeaders]: ["authorization"] };
            for (const size of sizes) client.write(settings(Math.min(size, maxTableBytes)));
            client.write(frame(Frame.Headers, Flag.EndHeaders | Flag.EndStream, stream, REQUEST));
            const blocks: Buffer[] = [];
            await client.readUntil(({ type, flags, payload }) => {
              if (type !== Frame.Headers && type !== Frame.Continuation) return false;
              blocks.push(payload);
              return (flags & Flag.EndHeaders) !== 0;
            });
            stream += 2;
            count++;
            const block = Buffer.concat(blocks);
            const expected = sent.flatMap(([name, values]) => values.flatMap((one) => [name, one]));
            assert.deepEqual(decoder.decode(block, 0, block.length), [":status", String(status), ...expected]);
          }
        } finally {
          await client.close();
        }
      }),
      { numRuns: 50, timeout: 5000, interruptAfterTimeLimit: 20_000 },
    );
    assert.ok(count > 100, `${count} replies`);
  });
});
