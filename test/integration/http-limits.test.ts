import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import type { TestGateway } from "../support/gateway.ts";
import { resultOf, startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

function open(t: TestContext, { port }: TestGateway, options?: { allowHalfOpen: boolean }): RawClient {
  const client = new RawClient(port, options);
  t.after(() => client.close());
  return client;
}

async function within<T>(ms: number, what: Promise<T>): Promise<T> {
  const startMs = performance.now();
  const result = await what;
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < ms, `${tookMs} ms`);
  return result;
}

describe("a body over the limit", () => {
  const SMALL = "{ limits: { body: 10KiB } }";

  it("passes up to the limit, by Content-Length and by chunks", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: SMALL });
    const body = `{"fString":"${"a".repeat(10 * 1024 - 14)}"}`;
    assert.equal(body.length, 10 * 1024);
    assert.equal((await ask(gateway, "/v1/echo", { body })).status, 200);
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const headers = { "transfer-encoding": "chunked" };
    assert.equal((await ask(gateway, "/v1/echo", { body: chunked, headers })).status, 200);
  });

  it("is 413 by its Content-Length, before any of it was sent", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: SMALL });
    const client = open(t, gateway).send(
      requestBytes("/v1/echo", { method: "POST", headers: { "content-length": "10241" } }),
    );
    const reply = await client.reply();
    assert.equal(reply.status, 413);
    assert.deepEqual((reply.json() as ErrorJson).code, 8);
    assert.equal((reply.json() as ErrorJson).details[0]?.["reason"], "BODY_TOO_LARGE");
    client.close();
  });

  it("is 413 by its chunks, as soon as they are too many", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: SMALL });
    const client = open(t, gateway);
    client.send(requestBytes("/v1/echo", { method: "POST", headers: { "transfer-encoding": "chunked" } }));
    client.send(`2801\r\n${"a".repeat(0x2801)}\r\n`);
    const reply = await client.reply();
    assert.deepEqual([reply.status, reply.headers["connection"]], [413, "close"]);
    const lines = gateway.lines.filter((line) => line["msg"] === "request");
    assert.deepEqual(
      lines.map((line) => [line["status"], line["error"]]),
      [[413, "BODY_TOO_LARGE"]],
    );
  });

  it("lets a client that sends on read the reply: no reset ahead of it, and the connection is not held", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { server: SMALL });
    let calls = 0;
    upstream.behaviour.act = () => void calls++;
    for (const framing of [{ "content-length": String(64 << 20) }, { "transfer-encoding": "chunked" }]) {
      const client = open(t, gateway);
      client.socket.pause(); // it reads only once it has sent
      client.send(requestBytes("/v1/echo", { method: "POST", headers: framing }));
      const piece = Buffer.alloc(1 << 16, "a");
      const chunk = Buffer.concat([Buffer.from("10000\r\n"), piece, Buffer.from("\r\n")]);
      // More than the system holds between the two.
      for (let sent = 0; sent < 400; sent++) {
        if (client.socket.write("content-length" in framing ? piece : chunk)) continue;
        await once(client.socket, "drain");
      }
      client.socket.resume();
      const reply = await client.reply();
      assert.deepEqual([reply.status, reply.complete], [413, true]);
      client.socket.end();
      await within(1000, client.closed());
    }
    assert.equal(calls, 0);
  });

  it("is cut off where the client sends for ever, and no later request on the connection is served", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { server: SMALL });
    let calls = 0;
    upstream.behaviour.act = () => void calls++;
    const client = open(t, gateway, { allowHalfOpen: true });
    client.send(requestBytes("/v1/echo", { body: `${"a".repeat(0x2801)}`, headers: { "content-length": "70000" } }));
    assert.equal((await client.reply()).status, 413);
    client.send(Buffer.concat([Buffer.alloc(70_000 - 0x2801, "a"), requestBytes("/v1/act/smuggled")]));
    const trickle = setInterval(() => client.send("x"), 50);
    await within(6000, new Promise((resolve) => client.socket.once("close", resolve)));
    clearInterval(trickle);
    assert.equal(client.received.length, 0);
    assert.equal(calls, 0);
  });
});

describe("headers over the limit", () => {
  it("are 431, which a client that sends on can read", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway);
    client.socket.pause();
    client.send("GET /v1/act/x HTTP/1.1\r\nHost: a\r\nx-a: ");
    const piece = Buffer.alloc(1 << 16, "a");
    for (let sent = 0; sent < 400; sent++) {
      if (!client.socket.write(piece)) await once(client.socket, "drain");
    }
    client.socket.resume();
    const reply = await client.reply();
    assert.deepEqual([reply.status, reply.complete], [431, true]);
    assert.equal(gateway.lines.filter((line) => line["msg"] === "request refused").length, 1);
  });
});

// Most of them wait for a time limit: they do so together.
describe("a slow client", { concurrency: true }, () => {
  const FAST = "{ timeouts: { header: 200ms, request: 400ms, idle: 100ms } }";

  it("that never sends a byte is closed without a word", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: FAST });
    const before = gateway.lines.length;
    assert.equal(await within(2000, open(t, gateway).closed()), "");
    assert.equal(gateway.lines.length, before);
  });

  it("with its headers gets 408 and is closed, also where it trickles", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: FAST });
    const client = open(t, gateway).send("GET /v1/act/x HTTP/1.1\r\nHost: a\r\n");
    const trickle = setInterval(() => client.send("x-a: 1\r\n"), 20);
    t.after(() => clearInterval(trickle));
    const reply = await within(2000, client.reply());
    clearInterval(trickle);
    assert.deepEqual([reply.status, (reply.json() as ErrorJson).code], [408, 4]);
    assert.equal((reply.json() as ErrorJson).message, "the request did not arrive within 200 ms");
    client.socket.end();
    assert.equal(await within(1000, client.closed()), "");
  });

  it("that trickles on after its 408 and never closes is closed anyway", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: FAST });
    const client = open(t, gateway, { allowHalfOpen: true }).send("GET /v1/act/x HTTP/1.1\r\n");
    const trickle = setInterval(() => client.send("x-a: 1\r\n"), 50);
    t.after(() => clearInterval(trickle));
    await within(2000, client.reply());
    await within(5000, new Promise((resolve) => client.socket.once("close", resolve)));
    clearInterval(trickle);
  });

  it("with its body gets 408 with its request id, one access line, and is closed", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: FAST });
    const before = gateway.lines.length;
    const client = open(t, gateway);
    const headers = { "content-length": "100", "x-request-id": "slow-1" };
    client.send(requestBytes("/v1/echo", { method: "POST", headers }));
    const trickle = setInterval(() => client.send(" "), 20);
    t.after(() => clearInterval(trickle));
    const reply = await within(2500, client.reply());
    clearInterval(trickle);
    assert.deepEqual(
      [reply.status, reply.headers["x-request-id"], reply.headers["connection"]],
      [408, "slow-1", "close"],
    );
    assert.equal((reply.json() as ErrorJson).message, "the request did not arrive within 400 ms");
    client.socket.end();
    await within(1000, client.closed());
    const logged = gateway.lines.slice(before);
    assert.deepEqual(
      logged.map((line) => [line["msg"], line["status"], line["error"]]),
      [["request", 408, "REQUEST_TIMEOUT"]],
    );
  });

  it("that never sends the rest of a body which nobody waits for is closed without a second reply", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: FAST });
    const client = open(t, gateway);
    client.send(requestBytes("/v1/nothing", { method: "POST", headers: { "content-length": "100" } }));
    assert.equal((await client.reply()).status, 404);
    assert.equal(await within(3000, client.closed()), "");
  });

  it("that is idle after its reply is closed", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: FAST });
    const client = open(t, gateway).send(requestBytes("/v1/act/x"));
    assert.equal((await client.reply()).status, 200);
    assert.equal(await within(3000, client.closed()), "");
  });

  it("that takes nothing of its reply is cut off, unary and stream; the stream's call is cancelled", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      { server: FAST, upstream: "limits: { message: 64MiB }" },
      {
        act: (_, reply) => reply(null, resultOf("x", 16 << 20)),
        watch(call) {
          call.on("cancelled", cancelled.resolve);
          const message = resultOf("x", 1 << 20);
          const write = (): void => {
            while (!call.cancelled) if (!call.write(message)) return void call.once("drain", write);
          };
          write();
        },
      },
    );
    for (const path of ["/v1/act/x", "/v1/watch/x"]) {
      const client = open(t, gateway);
      client.socket.pause();
      client.send(requestBytes(path));
      await once(client.socket, "connect");
      if (path === "/v1/watch/x") await within(5000, cancelled.promise);
      // It cannot see the end before it has read what the system had taken.
      else await until("its access line", () => gateway.lines.some((line) => line["path"] === path));
      // Nothing tells a client that does not read that it was cut off.
      await new Promise<void>((resolve) => setTimeout(resolve, path === "/v1/act/x" ? 400 : 0));
      client.socket.resume();
      assert.equal((await client.reply()).complete, false, path);
      client.close();
    }
  });

  it("is no reason to end a stream that is silent for longer", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { server: FAST },
      {
        watch(call) {
          // Enough to make the socket full for a moment, then silence for longer than a client may stall.
          for (let i = 0; i < 20; i++) call.write(resultOf("x", 1 << 18));
          setTimeout(() => {
            call.write(resultOf("last", 0));
            call.end();
          }, 400);
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x");
    assert.ok(reply.complete);
    assert.match(reply.text(), /last"\}\}\n$/);
  });

  it("leaves others alone: 200 of them, and requests go on", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: FAST });
    const slow = Array.from({ length: 200 }, () => open(t, gateway).send("GET /v1/act/x HTTP/1.1\r\n"));
    const all = Promise.all(slow.map((client) => client.closed()));
    let requests = 0;
    let over = false;
    void all.then(() => (over = true));
    while (!over) {
      assert.equal((await ask(gateway, "/v1/act/x")).status, 200);
      requests++;
    }
    assert.ok(requests > 10, `${requests} requests meanwhile`);
    // Nothing where the gateway had not got round to reading what came.
    for (const received of await all) assert.match(received, /^(HTTP\/1\.1 408 |$)/);
  });
});

describe("a client that goes away", () => {
  it("cancels its call at once, unary and stream, and is logged as 499 where it had no reply", async (t) => {
    let told = Promise.withResolvers<void>();
    let started = Promise.withResolvers<void>();
    const wait = (call: { on(event: "cancelled", fn: () => void): unknown }): void => {
      call.on("cancelled", told.resolve);
      started.resolve();
    };
    const { gateway } = await startKindsGateway(t, {}, { act: wait, watch: wait });
    for (const end of ["destroy", "end", "resetAndDestroy"] as const) {
      for (const path of ["/v1/act/x", "/v1/watch/x"]) {
        told = Promise.withResolvers();
        started = Promise.withResolvers();
        const client = open(t, gateway).send(requestBytes(path));
        await started.promise;
        client.socket[end]();
        await within(1000, told.promise);
        const line = gateway.lines.at(-1);
        assert.deepEqual(
          [line?.["path"], line?.["status"], line?.["grpc_status"], line?.["error"]],
          [path, 499, "CANCELLED", "CLIENT_CLOSED"],
          end,
        );
      }
    }
  });

  it("during its upload is logged once, and no call is made", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const end of ["destroy", "end", "resetAndDestroy"] as const) {
      const before = gateway.lines.length;
      const client = open(t, gateway);
      client.send(requestBytes("/v1/echo", { method: "POST", headers: { "content-length": "100" } })).send("{");
      await once(client.socket, "connect");
      // So that the gateway has read it before it sees the end.
      assert.equal((await ask(gateway, "/v1/nothing")).status, 404);
      client.socket[end]();
      await until("two access lines", () => gateway.lines.length >= before + 2);
      const logged = gateway.lines.slice(before);
      assert.deepEqual(
        logged.map((line) => [line["msg"], line["status"], line["rpc"]]),
        [
          ["request", 404, ""],
          ["request", 499, "kinds.v1.Kinds/Echo"],
        ],
      );
    }
  });

  it("in the middle of a stream never makes the gateway throw", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          const message = resultOf("x", 1000);
          const write = (): void => {
            if (call.cancelled) return;
            for (let i = 0; i < 50; i++) call.write(message);
            setImmediate(write);
          };
          write();
        },
      },
    );
    for (let i = 0; i < 30; i++) {
      const client = open(t, gateway).send(requestBytes("/v1/watch/x"));
      await client.until("result");
      if (i % 2 === 0) client.close();
      else client.socket.resetAndDestroy();
    }
    assert.equal((await ask(gateway, "/v1/act/x")).status, 200);
    const closed = (): number => gateway.lines.filter((line) => line["error"] === "CLIENT_CLOSED").length;
    await until("the access lines of all", () => closed() >= 30);
    const metrics = await (await fetch(`${gateway.adminAddress}/metrics`)).text();
    assert.match(metrics, /^http_server_active_requests 0$/m);
  });
});
