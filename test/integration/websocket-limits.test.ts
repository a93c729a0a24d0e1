import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { startGatewayProcess } from "../support/gateway-process.ts";
import type { TestGateway } from "../support/gateway.ts";
import { tlsServer } from "../support/h2-client.ts";
import {
  encode,
  kindsYaml,
  resultOf,
  startKinds,
  startKindsGateway,
  type ChatCall,
  type ErrorJson,
  type StreamCall,
} from "../support/kinds.ts";
import { ask, RawClient, requestBytes, type RawReply } from "../support/raw-http.ts";
import { pem } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { openSocket } from "../support/websocket.ts";

const HANDSHAKE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** A frame with a mask of zeros, so that its payload stands in it as it is (RFC 6455, 5.2). */
function frame(opcode: number, payload: string | Buffer = "", { fin = true, masked = true, lie = 0 } = {}): Buffer {
  const bytes = Buffer.from(payload);
  const length = lie || bytes.length;
  const head = Buffer.alloc(2 + (length < 126 ? 0 : 8) + (masked ? 4 : 0));
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = (masked ? 0x80 : 0) | (length < 126 ? length : 127);
  if (length >= 126) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, bytes]);
}

/** A WebSocket of which the test writes and reads every byte itself; cut off at the test's end. */
async function openRaw(t: TestContext, { port }: { readonly port: number }, path: string): Promise<RawClient> {
  const client = new RawClient(port);
  t.after(() => client.close());
  const { status } = await client.send(requestBytes(path, { headers: HANDSHAKE })).reply();
  assert.equal(status, 101);
  return client;
}

/** The code of the close frame that ends what a server sent. */
async function closeCodeOf(client: RawClient): Promise<number> {
  const all = Buffer.from(await client.closed(), "latin1");
  const at = all.lastIndexOf(Buffer.from([0x80 | CLOSE]));
  return at < 0 ? 0 : all.readUInt16BE(at + 2);
}

function lineOf(gateway: TestGateway, path: string): Promise<Record<string, unknown>> {
  return until("its access line", () => gateway.lines.find((line) => line["path"] === path));
}

async function handshake(gateway: TestGateway, path: string, changed: Record<string, string>): Promise<RawReply> {
  return ask(gateway, path, { headers: { ...HANDSHAKE, ...changed } });
}

describe("a handshake", () => {
  it("without what RFC 6455 asks for is refused, and told the version that is spoken", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const [changed, code, reason] of [
      [{ "sec-websocket-version": "8" }, 426, "WEBSOCKET_VERSION"],
      [{ "sec-websocket-key": "c2hvcnQ=" }, 400, "HTTP_MALFORMED"],
      [{ "sec-websocket-protocol": "json, json" }, 400, "HTTP_MALFORMED"],
      [{ "content-length": "2" }, 400, "HTTP_MALFORMED"],
      [{ host: "a b" }, 400, "HTTP_MALFORMED"],
    ] as const) {
      const reply = await handshake(gateway, "/v1/watch/x", changed);
      assert.deepEqual([reply.status, (reply.json() as ErrorJson).details.at(-1)?.["reason"]], [code, reason]);
      assert.equal(reply.headers["connection"], "close");
      assert.equal(reply.headers["sec-websocket-version"], "13");
    }
  });

  it("for another protocol, by another method or in HTTP/1.0 is a plain request", async (t) => {
    const { gateway } = await startKindsGateway(t);
    assert.equal((await handshake(gateway, "/v1/act/x", { upgrade: "h2c" })).status, 200);
    assert.equal((await ask(gateway, "/v1/act/x", { method: "POST", headers: HANDSHAKE })).status, 200);
    const client = new RawClient(gateway.port);
    client.send(requestBytes("/v1/act/x", { headers: HANDSHAKE }).toString("latin1").replace("HTTP/1.1", "HTTP/1.0"));
    assert.equal((await client.reply()).status, 200);
    client.close();
  });

  it("behind a request that has no reply yet is a plain request, too", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = new RawClient(gateway.port);
    client.send(
      Buffer.concat([requestBytes("/v1/act/x"), requestBytes("/v1/watch/x?count=1", { headers: HANDSHAKE })]),
    );
    assert.equal((await client.reply()).status, 200);
    const reply = await client.reply();
    assert.deepEqual([reply.status, reply.text()], [200, '{"result":{"name":"x"}}\n']);
    client.close();
  });

  it("behind a request that was answered is granted, and what came along with it is read", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = new RawClient(gateway.port).send(requestBytes("/v1/act/x"));
    t.after(() => client.close());
    assert.equal((await client.reply()).status, 200);
    client.send(Buffer.concat([requestBytes("/v1/chat/x", { headers: HANDSHAKE }), frame(TEXT, "{}"), frame(TEXT)]));
    const reply = await client.reply();
    assert.equal(reply.status, 101);
    assert.equal(reply.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    await client.until('{"fString":"x"}');
    client.send(frame(CLOSE));
    assert.equal(await closeCodeOf(client), 1000);
  });
});

describe("frames that no right client sends", () => {
  const cases: readonly (readonly [what: string, bytes: () => Buffer, code: number, reason: string])[] = [
    ["not masked", () => frame(TEXT, "{}", { masked: false }), 1002, "WEBSOCKET_PROTOCOL"],
    ["of a kind that is not defined", () => frame(3, "{}"), 1002, "WEBSOCKET_PROTOCOL"],
    ["with text that is no UTF-8", () => frame(TEXT, Buffer.from([0x22, 0xff, 0x22])), 1007, "WEBSOCKET_PROTOCOL"],
    ["said to be compressed", () => frame(0x40 | TEXT, "{}"), 1002, "WEBSOCKET_PROTOCOL"],
    ["larger than a message may be", () => frame(TEXT, "", { lie: 1 << 20 }), 1009, "MESSAGE_TOO_LARGE"],
    ["of a length near 2^53", () => frame(BINARY, "", { lie: 2 ** 53 - 1 }), 1009, "MESSAGE_TOO_LARGE"],
    [
      "that are a message in very many pieces",
      () =>
        Buffer.concat([frame(TEXT, "{", { fin: false }), ...Array<Buffer>(20_000).fill(frame(0, " ", { fin: false }))]),
      1008,
      "WEBSOCKET_PROTOCOL",
    ],
    [
      "that are a message in pieces, too large together",
      () =>
        Buffer.concat([
          frame(TEXT, "{", { fin: false }),
          ...Array<Buffer>(5).fill(frame(0, Buffer.alloc(20_000), { fin: false })),
        ]),
      1009,
      "MESSAGE_TOO_LARGE",
    ],
  ];
  for (const [what, bytes, code, reason] of cases) {
    it(`${what}: closed with ${code}, and the call is cancelled`, async (t) => {
      const cancelled = Promise.withResolvers<void>();
      const { gateway } = await startKindsGateway(
        t,
        { server: "{ limits: { body: 64KiB } }" },
        { chat: (call) => call.on("cancelled", cancelled.resolve) },
      );
      const client = await openRaw(t, gateway, "/v1/chat/x");
      client.send(bytes());
      assert.equal(await closeCodeOf(client), code);
      await cancelled.promise;
      assert.equal((await lineOf(gateway, "/v1/chat/x"))["error"], reason);
    });
  }

  it("pings without end, by a client that reads nothing: the connection is cut", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(t, {}, { chat: (call) => call.on("cancelled", cancelled.resolve) });
    const client = await openRaw(t, gateway, "/v1/chat/x");
    client.socket.pause();
    const pings = Buffer.concat(Array<Buffer>(1000).fill(frame(PING, "x".repeat(125))));
    const flood = (): void => {
      while (!client.socket.destroyed && client.socket.write(pings));
    };
    client.socket.on("drain", flood);
    flood();
    await cancelled.promise;
    client.socket.resume();
  });
});

describe("a client that is not there any more", () => {
  it("is asked for a sign of life, and cut off where it gives none", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      { server: "{ timeouts: { idle: 200ms } }", defaults: "{ stream: { heartbeat: 30ms } }" },
      { chat: (call) => call.on("cancelled", cancelled.resolve) },
    );
    const alive = await openSocket(t, gateway, "/v1/chat/alive");
    const pings = new Promise<void>((resolve) => {
      let count = 0;
      alive.socket.on("ping", () => ++count === 20 && resolve());
    });
    const mute = await openRaw(t, gateway, "/v1/chat/mute");
    await cancelled.promise;
    await mute.closed();
    assert.equal((await lineOf(gateway, "/v1/chat/mute"))["error"], "CLIENT_CLOSED");
    await pings;
    assert.equal(alive.socket.readyState, alive.socket.OPEN);
    alive.socket.terminate();
  });

  it("is cut off where it takes nothing of what it is sent", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      { server: "{ timeouts: { idle: 200ms } }" },
      {
        watch(call) {
          call.on("cancelled", cancelled.resolve);
          writeFor(call, 1000);
        },
      },
    );
    const client = await openRaw(t, gateway, "/v1/watch/x");
    client.socket.pause();
    await cancelled.promise;
    client.socket.resume();
    await client.closed();
  });
});

const MESSAGE_BYTES = 64 << 10;
// Instance and client live in this process, too, and their garbage is collected when it pleases Node.
const MAX_GROWTH_BYTES = 128 << 20;
/** A close frame with 1000, as a server sends it. */
const CLOSED_OK = Buffer.from([0x80 | CLOSE, 2, 0x03, 0xe8]);

/** Writes as many large results as it may, and ends. */
function writeFor(call: StreamCall, count: number, onFull = (_written: number): void => {}): { written: number } {
  const message = resultOf("x", MESSAGE_BYTES);
  const progress = { written: 0 };
  const write = (): void => {
    while (progress.written < count) {
      progress.written++;
      if (call.write(message)) continue;
      onFull(progress.written);
      return void call.once("drain", write);
    }
    call.end();
  };
  write();
  return progress;
}

/** Waits until a number stands still while `step` is done many times. */
async function settled(read: () => number, step: () => Promise<unknown>): Promise<void> {
  for (let before = -1; before !== read();) {
    before = read();
    for (let i = 0; i < 20; i++) await step();
  }
}

describe("backpressure of a WebSocket", () => {
  it("holds the upstream back while the client does not read, and memory stays flat while it does", async (t) => {
    const count = 3000; // 190 MB, 250 MB as base64
    const full = Promise.withResolvers<void>();
    let progress = { written: 0 };
    const { gateway } = await startKindsGateway(
      t,
      {},
      { watch: (call) => void (progress = writeFor(call, count, (written) => written > 20 && full.resolve())) },
    );
    const client = await openRaw(t, gateway, "/v1/watch/x");
    // Counts and drops what comes: the client's own memory must not be the one that is measured.
    let received = client.received.length;
    client.socket.removeAllListeners("data");
    client.socket.pause();
    let maxRss = 0;
    let tail = Buffer.alloc(0);
    client.socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      tail = Buffer.from(chunk.subarray(-4));
      if (tail.equals(CLOSED_OK)) client.socket.end();
      maxRss = Math.max(maxRss, process.memoryUsage.rss());
    });
    client.socket.pause();
    await full.promise;
    await settled(
      () => progress.written,
      () => ask(gateway, "/v1/act/x"),
    );
    assert.ok(progress.written * MESSAGE_BYTES < 40 << 20, `${progress.written} messages for who reads nothing`);
    const startRss = process.memoryUsage.rss();
    client.socket.resume();
    await once(client.socket, "close");
    assert.deepEqual([progress.written, tail], [count, CLOSED_OK]);
    assert.ok(received > count * MESSAGE_BYTES * 1.3, `${received} bytes`);
    assert.ok(maxRss - startRss < MAX_GROWTH_BYTES, `memory grew by ${(maxRss - startRss) >> 20} MiB`);
  });

  it("holds the client back while the upstream does not read, and memory stays flat while it does", async (t) => {
    const count = 2500; // 160 MB, 220 MB as base64
    const started = Promise.withResolvers<ChatCall>();
    const { gateway } = await startKindsGateway(t, {}, { chat: (call) => void started.resolve(call) });
    const client = await openRaw(t, gateway, "/v1/chat/x");
    const { socket } = client;
    const message = frame(TEXT, `{"fBytes":"${Buffer.alloc(MESSAGE_BYTES).toString("base64")}"}`);
    let sent = 0;
    const full = Promise.withResolvers<void>();
    const send = (): void => {
      while (sent < count) {
        sent++;
        if (socket.write(message)) continue;
        if (sent > 20) full.resolve();
        return;
      }
      socket.write(frame(TEXT));
    };
    socket.on("drain", send);
    send();
    const call = await started.promise;
    await full.promise;
    await settled(
      () => sent,
      () => ask(gateway, "/v1/act/x"),
    );
    assert.ok(sent * MESSAGE_BYTES < 40 << 20, `${sent} messages for an upstream that reads nothing`);
    const startRss = process.memoryUsage.rss();
    let maxRss = 0;
    let taken = 0;
    call.on("data", () => {
      taken++;
      maxRss = Math.max(maxRss, process.memoryUsage.rss());
    });
    await once(call, "end");
    call.end();
    assert.deepEqual([sent, taken], [count, count]);
    assert.ok(maxRss - startRss < MAX_GROWTH_BYTES, `memory grew by ${(maxRss - startRss) >> 20} MiB`);
    await until("the close frame", () => client.received.includes(CLOSED_OK));
    socket.end();
  });

  it("keeps small what a client sends for an upstream that takes nothing, and notices its going by a ping", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      { defaults: "{ stream: { heartbeat: 50ms } }" },
      { chat: (call) => call.on("cancelled", cancelled.resolve) },
    );
    const client = await openRaw(t, gateway, `/v1/chat/${"x".repeat(30_000)}`);
    const messages = Buffer.concat(Array<Buffer>(20_000).fill(frame(TEXT, "{}")));
    const startRss = process.memoryUsage.rss();
    client.send(messages);
    for (let i = 0; i < 50; i++) await ask(gateway, "/v1/act/x");
    // Each of these messages is 30 KB upstream: 600 MB in all.
    const grown = process.memoryUsage.rss() - startRss;
    assert.ok(grown < MAX_GROWTH_BYTES, `memory grew by ${grown >> 20} MiB`);
    client.close();
    await cancelled.promise;
  });
});

describe("WebSockets of a gateway that drains", () => {
  it("may end by themselves, and those that are left are told and closed with 1001", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ timeouts: { drain: 400ms } }" });
    const early = await openSocket(t, gateway, "/v1/chat/early");
    const late = await openSocket(t, gateway, "/v1/chat/late");
    const closing = gateway.close();
    early.send("{}", "");
    assert.equal(await early.next(), '{"fString":"early"}');
    assert.equal((await early.closed).code, 1000);
    late.send("{}");
    assert.equal(await late.next(), '{"fString":"late"}');
    assert.deepEqual(await late.closed, { code: 1001, reason: "the gateway is shutting down" });
    const { error } = JSON.parse(String(late.received.at(-1))) as { error: ErrorJson };
    assert.deepEqual([error.code, error.details.at(-1)?.["reason"]], [14, "SHUTTING_DOWN"]);
    await closing;
  });

  it("do not hold it up once they have ended", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = await openSocket(t, gateway, "/v1/chat/x");
    const startMs = performance.now();
    const closing = gateway.close();
    client.send("");
    await client.closed;
    await closing;
    assert.ok(performance.now() - startMs < 5000);
  });
});

describe("a WebSocket over TLS", () => {
  it("is one like all others, and is closed with 1001 by a drain", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer("timeouts: { drain: 200ms }") });
    const headers = { origin: `https://127.0.0.1:${gateway.port}` };
    const client = await openSocket(t, gateway, "/v1/chat/x", { ca: pem("ca"), headers });
    client.send("{}");
    assert.equal(await client.next(), '{"fString":"x"}');
    const gone = await openSocket(t, gateway, "/v1/chat/gone", { ca: pem("ca") });
    gone.socket.terminate();
    assert.equal((await lineOf(gateway, "/v1/chat/gone"))["error"], "CLIENT_CLOSED");
    const closing = gateway.close();
    assert.equal((await client.closed).code, 1001);
    await closing;
  });
});

describe("serve --workers 2", () => {
  it("speaks WebSocket, too", async (t) => {
    const upstream = await startKinds(t, { watch: (call) => void (call.write(encode("Result", {})), call.end()) });
    const gateway = await startGatewayProcess(kindsYaml(upstream.address), ["--workers", "2"]);
    try {
      const port = Number(new URL(gateway.url).port);
      for (let i = 0; i < 4; i++) {
        const client = await openSocket(t, { port }, "/v1/watch/x");
        assert.deepEqual([(await client.closed).code, client.received], [1000, ["{}"]]);
      }
    } finally {
      assert.equal(await gateway.stop(), 0);
    }
  });
});
