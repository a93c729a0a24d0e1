import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { Code } from "../../src/core/code.ts";
import type { ConnectionFactory } from "../../src/upstream/connection/connection.ts";
import { securedConnections } from "../support/connections.ts";
import { TestConnection } from "../support/grpc-calls.ts";
import { startGrpcServer, type GrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { createH2Server, createRawServer } from "../support/tls.ts";
import { until } from "../support/until.ts";

const opened: TestConnection[] = [];

type Options = ConstructorParameters<typeof TestConnection>[2];

function open(factory: ConnectionFactory, address: string, options?: Options): TestConnection {
  const test = new TestConnection(factory, address, options);
  opened.push(test);
  return test;
}

async function connect(factory: ConnectionFactory, address: string, options?: Options): Promise<TestConnection> {
  const test = open(factory, address, options);
  test.connection.connect();
  await test.until("ready");
  return test;
}

afterEach(() => {
  for (const test of opened.splice(0)) test.connection.destroy();
});

for (const [name, factory, identity] of securedConnections)
  describe(`${name} connection: an attempt`, () => {
    let server: GrpcServer;
    let received: Metadata;
    before(async () => {
      server = await startGrpcServer(
        {
          ...labMethods("a"),
          "/test.Lab/Metadata": {
            kind: "unary",
            handle: (call, reply) => {
              received = call.metadata;
              const initial = new Metadata();
              initial.set("x-initial", "i");
              initial.set("x-initial-bin", Buffer.from([0, 255]));
              call.sendMetadata(initial);
              const trailing = new Metadata();
              trailing.set("x-trailing", "t");
              reply(null, Buffer.from("ok"), trailing);
            },
          },
          "/test.Lab/HeadersThenFail": {
            kind: "server_stream",
            handle: (call) => {
              call.write(Buffer.from("one"));
              call.once("drain", () => {});
              setImmediate(() => call.emit("error", { code: Code.Internal, details: "mine" }));
            },
          },
        },
        { identity },
      );
    });
    after(() => server.destroy());

    it("gives the message and OK", async () => {
      const test = await connect(factory, server.address);
      const { messages, end } = await test.run("Echo", "hello");
      assert.deepEqual(messages, ["hello"]);
      // grpc-js's server says OK in words, too.
      assert.deepEqual(end, { code: Code.Ok, message: "OK", trailers: [], error: null, outcome: "answered" });
      assert.deepEqual(test.states, ["connecting", "ready"]);
    });

    it("reaches an address by name", async () => {
      const test = await connect(factory, `localhost:${server.port}`);
      assert.deepEqual((await test.run("Name")).messages, ["a"]);
    });

    it("carries metadata both ways, binary values in base64", async () => {
      const test = await connect(factory, server.address);
      const { headers, end } = await test.run("Metadata", "", {
        metadata: ["x-a", "1", "x-a", "2", "x-b-bin", "AP8=", "x-c-bin", "AQ==,Ag"],
      });
      assert.deepEqual(received.get("x-a"), ["1, 2"]); // grpc-js's server joins them
      assert.deepEqual(received.get("x-b-bin"), [Buffer.from([0, 255])]);
      assert.deepEqual(received.get("x-c-bin"), [Buffer.from([1]), Buffer.from([2])]);
      assert.match(String(received.get("user-agent")[0]), /^sluice\b/);
      const flat = headers ?? [];
      assert.equal(flat[flat.indexOf("x-initial") + 1], "i");
      assert.equal(flat[flat.indexOf("x-initial-bin") + 1], "AP8=");
      assert.deepEqual(end.trailers, ["x-trailing", "t"]);
    });

    it("leaves out metadata that HTTP/2 or the message would break on, and keeps the connection", async () => {
      const test = await connect(factory, server.address);
      const names = Object.entries(http2.constants).flatMap(([key, name]) =>
        key.startsWith("HTTP2_HEADER_") ? [String(name)] : [],
      );
      assert.ok(names.length > 50);
      const twice = names.flatMap((name) => [name, "1", name, "2"]);
      const bad = [
        "a b",
        "x",
        "x-ctl",
        "a\nb",
        "x-utf8",
        "\u00e9",
        "a:b",
        "x",
        "",
        "x",
        "x-space",
        " y ",
        "grpc-timeout",
        "1n",
      ];
      const { end } = await test.run("Metadata", "", { metadata: [...twice, ...bad] });
      assert.equal(end.code, Code.Ok, end.message);
      assert.deepEqual(received.get("authorization"), ["1, 2"]);
      assert.deepEqual(received.get("x-space"), ["y"]);
      for (const name of ["connection", "a b", "x-ctl", "x-utf8", "a:b"]) assert.deepEqual(received.get(name), []);
      assert.equal((await test.run("Echo", "still there")).end.code, Code.Ok);
      assert.deepEqual(test.states, ["connecting", "ready"]);
    });

    it("passes on the status of the upstream as it is, also where grpc-js would give such a one itself", async () => {
      const test = await connect(factory, server.address);
      for (const [code, text] of [
        [Code.NotFound, "no such book"],
        [Code.Internal, "Received RST_STREAM with code 2 (Internal server error)"],
        [Code.Unavailable, "Stream refused by server"],
        [Code.Unavailable, "Connection dropped"],
        [Code.ResourceExhausted, "Received message larger than max (9 vs 1)"],
        [Code.DeadlineExceeded, "mine"],
      ] as const) {
        const { end } = await test.run("Fail", `${code} ${text}`);
        assert.equal(end.code, code);
        assert.equal(end.message, text);
        assert.equal(end.error, null);
        assert.equal(end.outcome, "answered");
        assert.equal(end.trailers[end.trailers.indexOf("x-reason") + 1], "asked for");
      }
    });

    it("takes an INTERNAL after a message for the upstream's own", async () => {
      const test = await connect(factory, server.address);
      const { end } = await test.run("HeadersThenFail");
      assert.deepEqual([end.code, end.message, end.error, end.outcome], [Code.Internal, "mine", null, "answered"]);
    });

    it("refuses a message larger than the limit", async () => {
      const test = await connect(factory, server.address, { maxMessageBytes: 1_000 });
      assert.equal((await test.run("Chunks", "1 1000")).end.code, Code.Ok);
      const { end } = await test.run("Chunks", "1 1001");
      assert.equal(end.error?.code, "UPSTREAM_MESSAGE_TOO_LARGE");
      assert.equal(end.error?.message, "upstream lab sent a message larger than 1000 bytes");
      assert.equal(end.outcome, "unknown");
    });

    it("streams both ways and ends with the half-close", async () => {
      const test = await connect(factory, server.address);
      const { recorder, handle } = test.start("Bidi", null);
      const sent = Array.from({ length: 50 }, (_, i) => `message ${i}`);
      for (const message of sent) handle.send(Buffer.from(message));
      handle.halfClose();
      const end = await recorder.ended;
      assert.equal(end.code, Code.Ok, end.message);
      assert.deepEqual(recorder.messages, sent);
    });

    it("tells when its sender is full and when it may go on", async () => {
      const test = await connect(factory, server.address);
      const { recorder, handle } = test.start("Bidi", null);
      assert.equal(handle.send(Buffer.alloc(10)), true);
      handle.pause();
      let sends = 0;
      // The server stops reading when its own writes stall, because nobody reads them here.
      while (handle.send(Buffer.alloc(10_000))) sends++;
      assert.ok(sends < 100);
      handle.resume();
      await until("it may be written to", () => recorder.writable > 0);
      handle.halfClose();
      assert.equal((await recorder.ended).code, Code.Ok);
      assert.equal(recorder.bytes, 10 + (sends + 1) * 10_000);
    });

    it("holds the upstream back while paused, without keeping what is not read", async () => {
      const test = await connect(factory, server.address);
      const { recorder, handle } = test.start("Chunks", "800 65536"); // 50 MiB
      recorder.onEach = () => handle.pause();
      await until("a message", () => recorder.bytes > 0);
      const before = process.memoryUsage();
      for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
      const held = process.memoryUsage();
      assert.equal(recorder.bytes, 65_536);
      // Server and client share this process: what is in flight is some windows and buffers, not the stream.
      assert.ok(held.arrayBuffers + held.external - before.arrayBuffers - before.external < 8 << 20);
      recorder.onEach = null;
      handle.resume();
      assert.equal((await recorder.ended).code, Code.Ok);
      assert.equal(recorder.bytes, 800 * 65_536);
    });

    it("is seen as cancelled by the upstream, and tells nothing more", async () => {
      let cancelled: () => void = () => {};
      const seen = new Promise<void>((resolve) => (cancelled = resolve));
      let begun: () => void = () => {};
      const started = new Promise<void>((resolve) => (begun = resolve));
      const slow = await startGrpcServer(
        {
          "/test.Lab/Hang": {
            kind: "unary",
            handle: (call) => {
              call.on("cancelled", cancelled);
              begun();
            },
          },
        },
        { identity },
      );
      try {
        const test = await connect(factory, slow.address);
        const { recorder, handle } = test.start("Hang");
        await started;
        handle.cancel();
        handle.cancel();
        await seen;
        assert.equal(recorder.ends, 0);
      } finally {
        slow.destroy();
      }
    });

    it("leaves no call at the upstream where it is cancelled as soon as it starts", async () => {
      const open = new Set<unknown>();
      const slow = await startGrpcServer(
        {
          "/test.Lab/Hang": {
            kind: "client_stream",
            handle: (call) => {
              open.add(call);
              call.on("cancelled", () => open.delete(call));
            },
          },
          "/test.Lab/Echo": { kind: "unary", handle: (call, reply) => reply(null, call.request) },
        },
        { identity },
      );
      try {
        const test = await connect(factory, slow.address);
        const { recorder, handle } = test.start("Hang", null);
        handle.cancel();
        // It comes behind on the same connection.
        assert.equal((await test.run("Echo", "x")).end.code, Code.Ok);
        await until("no call is open", () => open.size === 0);
        assert.equal(recorder.ends, 0);
      } finally {
        slow.destroy();
      }
    });

    it("does not start on a connection that is not ready", async () => {
      const test = open(factory, server.address);
      const { end } = await test.run("Echo", "x");
      assert.equal(end.outcome, "not_processed");
      assert.equal(end.error?.code, "UPSTREAM_CONNECTION_LOST");
    });

    it("ends by itself after close(), and at once after destroy()", async () => {
      const closing = await connect(factory, server.address);
      const closed = closing.start("Sleep", "50");
      const destroyed = await connect(factory, server.address);
      const cut = destroyed.start("Sleep", "60000");
      await new Promise((resolve) => setImmediate(resolve));
      closing.connection.close();
      assert.equal(closing.connection.state, "closed");
      assert.equal((await closing.run("Echo", "x")).end.outcome, "not_processed");
      assert.equal((await closed.recorder.ended).code, Code.Ok);
      destroyed.connection.destroy();
      const end = await cut.recorder.ended;
      assert.equal(end.error?.code, "UPSTREAM_CONNECTION_LOST");
    });
  });

for (const [name, factory, identity] of securedConnections)
  describe(`${name} connection: a peer that misbehaves`, () => {
    const servers: { close(): void }[] = [];
    const sockets = new Set<Socket>();
    afterEach(() => {
      for (const socket of sockets) socket.destroy();
      for (const server of servers.splice(0)) server.close();
    });

    async function listen(server: net.Server | http2.Http2Server): Promise<string> {
      servers.push(server);
      (server as net.Server).on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      return `127.0.0.1:${(server.address() as AddressInfo).port}`;
    }

    function h2(onStream: (stream: http2.ServerHttp2Stream) => void): Promise<string> {
      const server = createH2Server(identity);
      server.on("stream", (stream: http2.ServerHttp2Stream) => {
        stream.on("error", () => {});
        onStream(stream);
      });
      server.on("sessionError", () => {});
      return listen(server);
    }

    const grpc = { ":status": 200, "content-type": "application/grpc" } as const;

    for (const [what, onStream, expected] of [
      [
        "RST_STREAM with INTERNAL_ERROR before a status",
        (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
        { code: 13, error: "UPSTREAM_PROTOCOL", outcome: "unknown" },
      ],
      [
        "RST_STREAM with PROTOCOL_ERROR after headers",
        (stream) => {
          stream.respond(grpc);
          setImmediate(() => stream.close(http2.constants.NGHTTP2_PROTOCOL_ERROR));
        },
        { code: 13, error: "UPSTREAM_PROTOCOL", outcome: "unknown" },
      ],
      [
        "a refused stream",
        (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM),
        { code: 14, error: "UPSTREAM_CONNECTION_LOST", outcome: "not_processed" },
      ],
      [
        "ENHANCE_YOUR_CALM, which is nobody's fault but asks for less",
        (stream) => stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM),
        { code: 8, error: undefined, outcome: "unknown" },
      ],
      [
        "CANCEL, which nobody here asked for",
        (stream) => stream.close(http2.constants.NGHTTP2_CANCEL),
        { code: 14, error: "UPSTREAM_CANCELLED", outcome: "unknown" },
      ],
      [
        "a reply that ends without a status",
        (stream) => {
          stream.respond(grpc);
          stream.end();
        },
        { code: 13, error: "UPSTREAM_PROTOCOL", outcome: "unknown" },
      ],
      [
        "an HTML page with 503",
        (stream) => {
          stream.respond({ ":status": 503, "content-type": "text/html" });
          stream.end("<html>the proxy has no backend</html>");
        },
        { code: 14, error: "UPSTREAM_HTTP", outcome: "answered" },
      ],
      [
        "401 without a body",
        (stream) => stream.respond({ ":status": 401 }, { endStream: true }),
        { code: 16, error: "UPSTREAM_HTTP", outcome: "answered" },
      ],
      [
        "an HTML page with 200",
        (stream) => {
          stream.respond({ ":status": 200, "content-type": "text/html" });
          stream.end("<html>hello</html>");
        },
        { code: 13, error: "UPSTREAM_PROTOCOL", outcome: "unknown" },
      ],
      [
        "200 without a body",
        (stream) => stream.respond({ ":status": 200 }, { endStream: true }),
        { code: 13, error: "UPSTREAM_PROTOCOL", outcome: "unknown" },
      ],
      [
        "a message that says it is compressed and is not",
        (stream) => {
          stream.respond(grpc, { waitForTrailers: true });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
          stream.end(Buffer.from([1, 0, 0, 0, 2, 65, 66]));
        },
        { code: 13, error: "UPSTREAM_PROTOCOL", outcome: "unknown" },
      ],
      [
        "gzip that is none",
        (stream) => {
          stream.respond({ ...grpc, "grpc-encoding": "gzip" }, { waitForTrailers: true });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
          stream.end(Buffer.from([1, 0, 0, 0, 2, 65, 66]));
        },
        { code: 13, error: "UPSTREAM_PROTOCOL", outcome: "unknown" },
      ],
      [
        "a grpc-status that is no number",
        (stream) => stream.respond({ ...grpc, "grpc-status": "bad" }, { endStream: true }),
        { code: 2, error: undefined, outcome: "answered" },
      ],
      [
        "a socket that is cut after the request",
        (stream) => void stream.session?.socket.destroy(),
        { code: 14, error: "UPSTREAM_CONNECTION_LOST", outcome: "unknown" },
      ],
      [
        "a socket that is cut after a message",
        (stream) => {
          stream.respond(grpc);
          stream.write(Buffer.from([0, 0, 0, 0, 1, 65]), () => setImmediate(() => stream.session?.destroy()));
        },
        { code: 14, error: "UPSTREAM_CONNECTION_LOST", outcome: "unknown" },
      ],
    ] as readonly (readonly [string, (stream: http2.ServerHttp2Stream) => void, unknown])[]) {
      it(`says what became of the attempt: ${what}`, async () => {
        const address = await h2(onStream);
        const test = await connect(factory, address);
        const { end } = await test.run("Echo", "x");
        assert.deepEqual({ code: end.code, error: end.error?.code, outcome: end.outcome }, expected);
        // Addresses stay out of what a client may see.
        assert.doesNotMatch(`${end.message} ${end.error?.message}`, /127\.0\.0\.1|:\d{4,5}/);
      });
    }

    it("gives up on a peer that accepts TCP and stays mute, closes the socket, and tries again", async () => {
      let accepted = 0;
      let closed = 0;
      const address = await listen(
        net.createServer((socket) => {
          accepted++;
          socket.on("error", () => {});
          socket.on("close", () => closed++);
          socket.resume();
        }),
      );
      const test = open(factory, address, { connectTimeoutMs: 50 });
      test.connection.connect();
      await test.until("backoff");
      assert.deepEqual(test.reasons, ["no connection within 50 ms"]);
      await test.until("connecting");
      await test.until("backoff");
      assert.ok(accepted >= 2);
      await until("both sockets closed", () => closed >= 2);
      assert.ok(!test.states.includes("ready"));
    });

    it("backs off from an address where nothing listens, with the reason, until connect() cuts the wait short", async () => {
      const server = net.createServer();
      const address = await listen(server);
      server.close();
      await once(server, "close");
      const test = open(factory, address);
      test.connection.connect();
      await test.until("backoff");
      assert.match(test.reasons[0] ?? "", /^connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
      test.connection.connect();
      assert.equal(test.connection.state, "connecting");
    });

    it("does not call without a pause where each connection is hung up on at once", async () => {
      const address = await h2((stream) => stream.session?.socket.destroy());
      const test = await connect(factory, address);
      await test.run("Echo", "x");
      await test.until("backoff");
      await test.until("ready");
    });

    it("moves to a new connection on GOAWAY, and lets what runs on the old one end", async () => {
      const sessions: http2.ServerHttp2Session[] = [];
      const streams: http2.ServerHttp2Stream[] = [];
      const server = createH2Server(identity);
      server.on("session", (session) => sessions.push(session));
      server.on("stream", (stream: http2.ServerHttp2Stream) => void streams.push(stream));
      const address = await listen(server);
      const test = await connect(factory, address);
      const first = test.start("Echo", "first");
      await until("the first call", () => streams.length >= 1);
      sessions[0]?.goaway(http2.constants.NGHTTP2_NO_ERROR, streams[0]?.id ?? 0);
      await until("another connection", () => sessions.length >= 2);
      await test.until("ready");
      assert.deepEqual(test.reasons, ["the instance ends the connection (GOAWAY)"]);
      const second = test.start("Echo", "second");
      await until("the second call", () => streams.length >= 2);
      for (const stream of streams) stream.respond({ ...grpc, "grpc-status": "0" }, { endStream: true });
      assert.equal((await first.recorder.ended).code, Code.Ok);
      assert.equal((await second.recorder.ended).code, Code.Ok);
    });

    it("knows an attempt beyond a GOAWAY's last stream for not processed", async () => {
      // node:http2 cannot say that it has not seen a stream which it has.
      const frame = (type: number, payload: number[]) =>
        Buffer.from([0, 0, payload.length, type, 0, 0, 0, 0, 0, ...payload]);
      const address = await listen(
        createRawServer(identity, (socket) => {
          socket.on("error", () => {});
          socket.write(frame(4, [])); // SETTINGS
          let bytes = Buffer.alloc(0);
          socket.on("data", (chunk: Buffer) => {
            bytes = Buffer.concat([bytes, chunk]);
            // The path stands in the header block as it is or as an indexed literal; the message does in any case.
            if (bytes.includes("the message")) socket.write(frame(7, [0, 0, 0, 0, 0, 0, 0, 0])); // GOAWAY, last stream 0
          });
        }),
      );
      const test = await connect(factory, address);
      const { end } = await test.run("Echo", "the message");
      assert.equal(end.outcome, "not_processed");
      assert.equal(end.error?.code, "UPSTREAM_CONNECTION_LOST");
    });

    it("sends what remains of the deadline as grpc-timeout", async () => {
      const timeouts: unknown[] = [];
      const address = await h2((stream) => {
        stream.respond({ ...grpc, "grpc-status": "0" }, { endStream: true });
      });
      (servers[0] as http2.Http2Server).on("stream", (_, headers) => timeouts.push(headers["grpc-timeout"]));
      const test = await connect(factory, address);
      await test.run("Echo", "", { deadlineMs: performance.now() + 5_000, metadata: ["grpc-timeout", "1n"] });
      await test.run("Echo", "");
      const [, amount = ""] = /^(\d+)m$/.exec(String(timeouts[0])) ?? [];
      assert.ok(Number(amount) > 4_000 && Number(amount) <= 5_000, amount);
      assert.deepEqual(timeouts.slice(1), [undefined]);
    });

    it("uses an instance that restarts on its address", async () => {
      const first = await startGrpcServer(labMethods("a"), { identity });
      const test = await connect(factory, first.address);
      first.destroy();
      await test.until("backoff");
      const second = await startGrpcServer(labMethods("b"), { port: first.port, identity });
      try {
        await test.until("ready");
        assert.deepEqual((await test.run("Name")).messages, ["b"]);
      } finally {
        second.destroy();
      }
    });
  });
