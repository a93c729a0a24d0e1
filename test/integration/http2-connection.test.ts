import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import type { AttemptEnd } from "../../src/call/call.ts";
import { createHttp2Connection } from "../../src/upstream/connection/http2.ts";
import { Recorder, TestConnection } from "../support/grpc-calls.ts";
import { startGrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { startGrpcServerProcess } from "../support/grpc-server-process.ts";
import { frame, reply, settings } from "../support/http2-peer.ts";
import { until } from "../support/until.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function connect(
  address: string,
  options?: ConstructorParameters<typeof TestConnection>[2],
  factory = createHttp2Connection(),
) {
  const test = new TestConnection(factory, address, options);
  cleanups.push(() => test.connection.destroy());
  test.connection.connect();
  await test.until("ready");
  return test;
}

async function startLab(options: Parameters<typeof startGrpcServer>[1] = {}) {
  const server = await startGrpcServer(labMethods("a"), options);
  cleanups.push(() => server.destroy());
  return server;
}

/** A server by hand: told of each socket, and of what comes on it. */
async function startRaw(onSocket: (socket: Socket) => void, host = "127.0.0.1"): Promise<number> {
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, host), "listening");
  return (server.address() as AddressInfo).port;
}

describe("createHttp2Connection()", () => {
  for (const limit of [undefined, 100]) {
    it(`carries 1,000 calls at once where the server takes ${limit ?? "any number"}`, async () => {
      const options = limit === undefined ? {} : { "grpc.max_concurrent_streams": limit };
      const test = await connect((await startLab({ options })).address);
      const calls = Array.from({ length: 1_000 }, (_, i) => test.start("Echo", `call ${i}`).recorder);
      const ends = await Promise.all(calls.map(({ ended }) => ended));
      assert.deepEqual(new Set(ends.map(({ code, error }) => error ?? code)), new Set([0]));
      for (const [i, { messages }] of calls.entries()) assert.deepEqual(messages, [`call ${i}`]);
      assert.deepEqual(test.states, ["connecting", "ready"]);
    });
  }

  it("lets calls beyond what the server takes at once wait in turn; deadlines go on, and who leaves was never there", async () => {
    const seen: { name: string; timeoutMs: number; finish: () => void }[] = [];
    let most = 0;
    let running = 0;
    const server = await startGrpcServer(
      {
        "/test.Lab/Wait": {
          kind: "unary",
          handle: (call, reply) => {
            most = Math.max(most, ++running);
            const timeoutMs = Number.parseInt(String(call.metadata.get("grpc-timeout")[0] ?? "0"), 10);
            const finish = () => {
              running--;
              reply(null, call.request);
            };
            seen.push({ name: call.request.toString(), timeoutMs, finish });
          },
        },
      },
      { options: { "grpc.max_concurrent_streams": 10 } },
    );
    cleanups.push(() => server.destroy());
    const test = await connect(server.address);
    const startMs = performance.now();
    const order: string[] = [];
    const calls = Array.from({ length: 100 }, (_, i) => {
      const { recorder, handle } = test.start("Wait", String(i), { deadlineMs: startMs + 60_000 });
      void recorder.ended.then(() => order.push(String(i)));
      return { recorder, handle };
    });
    await until("the first ten", () => seen.length === 10);
    const left = [12, 50, 99];
    for (const i of left) calls[i]?.handle.cancel();
    const heldMs = performance.now() - startMs;
    for (let next = 0; next < 97; next++) {
      await until("the next call", () => seen.length > next);
      seen[next]?.finish();
    }
    const stayed = calls.filter((_, i) => !left.includes(i));
    for (const { recorder } of stayed) assert.equal((await recorder.ended).code, 0);
    const expected = Array.from(calls.keys(), String).filter((name) => !left.includes(Number(name)));
    assert.deepEqual(order, expected);
    assert.deepEqual(
      seen.map(({ name }) => name),
      expected,
    );
    assert.equal(most, 10);
    assert.ok((seen[96]?.timeoutMs ?? Infinity) <= 60_000 - heldMs + 1);
    assert.ok(calls.every(({ recorder }, i) => recorder.ends === (left.includes(i) ? 0 : 1)));
  });

  it("carries large messages both ways unchanged, several at once", async () => {
    const limit = { "grpc.max_send_message_length": -1 };
    const server = await startLab({ options: limit });
    const test = await connect(server.address, { maxMessageBytes: 16 << 20 });
    const hash = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest("hex");
    await Promise.all(
      Array.from({ length: 4 }, async (_, i) => {
        const sent = randomBytes((i + 1) * 2_000_003);
        const received: string[] = [];
        const recorder = new Recorder<AttemptEnd>();
        const keep = recorder.onMessage.bind(recorder);
        recorder.onMessage = (bytes, start, end) => {
          received.push(hash(bytes.subarray(start, end)));
          keep(bytes, start, end);
        };
        const handle = test.connection.start(
          {
            path: `/test.Lab/${i % 2 === 0 ? "Echo" : "Bidi"}`,
            metadata: [],
            message: i % 2 === 0 ? sent : null,
            deadlineMs: Infinity,
          },
          recorder,
        );
        if (i % 2 === 1) {
          handle.send(sent);
          handle.halfClose();
        }
        assert.equal((await recorder.ended).code, 0);
        assert.deepEqual(received, [hash(sent)]);
      }),
    );
  });

  it("reads a stream of 200 MB that is paused time and again, with flat memory", async () => {
    const server = await startGrpcServerProcess("a");
    cleanups.push(() => server.kill("SIGKILL"));
    const test = await connect(server.address);
    const { recorder, handle } = test.start("Chunks", "20000 10000");
    let most = 0;
    recorder.onEach = () => {
      if (Math.random() < 0.01) {
        handle.pause();
        setImmediate(() => handle.resume());
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      }
    };
    const before = process.memoryUsage().arrayBuffers;
    assert.equal((await recorder.ended).code, 0);
    assert.equal(recorder.bytes, 200_000_000);
    assert.ok(most - before < 64 << 20, `${most - before}`);
  });

  it("waits for an instance that is stopped for a moment", async () => {
    const server = await startGrpcServerProcess("a");
    cleanups.push(() => server.kill("SIGKILL"));
    const test = await connect(server.address);
    assert.equal((await test.run("Name")).end.code, 0);
    await server.kill("SIGSTOP");
    const calls = Array.from({ length: 50 }, () => test.start("Name").recorder);
    await new Promise((resolve) => setImmediate(resolve));
    await server.kill("SIGCONT");
    for (const { ended } of calls) assert.equal((await ended).code, 0);
    assert.deepEqual(test.states, ["connecting", "ready"]);
  });

  it("loses no call under load while the server sends GOAWAY, but such as were not processed", async () => {
    const options = { "grpc.max_connection_age_ms": 60, "grpc.max_connection_age_grace_ms": 2_000 };
    const test = await connect((await startLab({ options })).address);
    const ends: Record<string, number> = {};
    let goaways = 0;
    const work = async () => {
      while (goaways < 5) {
        await test.until("ready");
        const { end } = await test.run("Sleep", "1");
        const key = end.code === 0 ? "ok" : end.outcome;
        ends[key] = (ends[key] ?? 0) + 1;
        goaways = test.reasons.length;
      }
    };
    await Promise.all(Array.from({ length: 50 }, work));
    assert.deepEqual(
      Object.keys(ends).filter((key) => key !== "ok" && key !== "not_processed"),
      [],
    );
    assert.ok((ends["ok"] ?? 0) > 100);
  });

  it("sends no pings by default, and such as are asked for", async () => {
    const pings: (() => void)[] = [];
    const agents = new Set<unknown>();
    let seen = 0;
    const server = http2.createServer();
    server.on("session", (session) => {
      session.on("ping", () => {
        seen++;
        for (const resolve of pings.splice(0)) resolve();
      });
    });
    server.on("stream", (stream: http2.ServerHttp2Stream, headers) => {
      agents.add(headers["user-agent"]);
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "0" }, { endStream: true });
    });
    cleanups.push(() => server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const quiet = await connect(address);
    for (let i = 0; i < 100; i++) assert.equal((await quiet.run("Echo", "x")).end.code, 0);
    assert.equal(seen, 0);
    const keepalive = { timeMs: 10, timeoutMs: 5_000, permitWithoutCalls: true };
    const pinging = await connect(address, {}, createHttp2Connection({ userAgent: "sluice/1.0", keepalive }));
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => pings.push(resolve));
    assert.equal((await pinging.run("Echo", "x")).end.code, 0);
    assert.deepEqual(pinging.states, ["connecting", "ready"]);
    assert.deepEqual([...agents], ["sluice", "sluice/1.0"]);
  });

  it("reaches an IPv6 address", async (t) => {
    let port: number;
    try {
      port = await startRaw((socket) => void socket.write(settings()), "::1");
    } catch {
      t.skip("no IPv6 here");
      return;
    }
    await connect(`[::1]:${port}`);
  });

  it("goes on while a server reads nothing, bounded in what it keeps, and closes without waiting for it", async () => {
    const accepted: Socket[] = [];
    const port = await startRaw((socket) => {
      const windows = Buffer.concat([settings([4, 2 ** 31 - 1]), frame(8, 0, 0, [0x7f, 0xff, 0, 0])]);
      socket.write(windows);
      socket.pause();
      accepted.push(socket);
    });
    const test = await connect(`127.0.0.1:${port}`);
    const { handle } = test.start("Bidi", null);
    let sent = 0;
    while (handle.send(Buffer.alloc(1 << 16))) {
      sent += 1 << 16;
      assert.ok(sent < 64 << 20);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Calls that find the socket full wait for it, and can be cancelled.
    const waiting = Array.from({ length: 100 }, () => test.start("Echo", "x"));
    for (const call of waiting) call.handle.cancel();
    const last = test.start("Echo", "x").recorder;
    test.connection.destroy();
    assert.equal((await last.ended).outcome, "not_processed");
    const [socket] = accepted;
    assert.ok(socket);
    socket.resume();
    await once(socket, "close");
  });

  it("is not disturbed by a server that says everything in single bytes", async () => {
    const port = await startRaw((socket) => {
      socket.setNoDelay();
      const bytes = Buffer.concat([settings([3, 10]), frame(6, 0, 0, Buffer.alloc(8))]);
      let written = Promise.resolve();
      const write = (all: Buffer) => {
        written = written.then(async () => {
          for (const byte of all) {
            socket.write(Buffer.from([byte]));
            await new Promise((resolve) => setImmediate(resolve));
          }
        });
      };
      write(bytes);
      let input = Buffer.alloc(0);
      let answered = false;
      socket.on("data", (chunk: Buffer) => {
        input = Buffer.concat([input, chunk]);
        if (answered || !input.includes("hello")) return;
        answered = true;
        write(reply(1, "slow"));
      });
    });
    const test = await connect(`127.0.0.1:${port}`);
    assert.deepEqual((await test.run("Echo", "hello")).messages, ["slow"]);
  });
});
