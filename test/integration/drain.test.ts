import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import type { TestGateway } from "../support/gateway.ts";
import { resultOf, startKindsGateway, type ErrorJson, type KindsServer, type StreamCall } from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

function open(t: TestContext, { port }: TestGateway): RawClient {
  const client = new RawClient(port);
  t.after(() => client.close());
  return client;
}

async function readyz(gateway: TestGateway): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${gateway.adminAddress}/readyz`, { headers: { connection: "close" } });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

/** Holds the next call of Act; gives a way to answer it. */
function hold(upstream: KindsServer): { arrived: Promise<() => void>; cancelled: Promise<void> } {
  const arrived = Promise.withResolvers<() => void>();
  const cancelled = Promise.withResolvers<void>();
  const { act } = upstream.behaviour;
  upstream.behaviour.act = (call, reply) => {
    call.on("cancelled", cancelled.resolve);
    arrived.resolve(() => act(call, reply));
  };
  return { arrived: arrived.promise, cancelled: cancelled.promise };
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const refused = await Promise.race([
    once(socket, "connect").then(() => false),
    once(socket, "error").then(() => true),
  ]).catch(() => true);
  socket.destroy();
  return refused;
}

async function tookMs(what: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await what;
  return performance.now() - startMs;
}

describe("close()", () => {
  it("is not ready at once, refuses new connections, lets requests in flight finish and closes their connections", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const { port } = gateway;
    assert.equal((await readyz(gateway)).status, 200);
    const held = hold(upstream);
    const busy = open(t, gateway).send(requestBytes("/v1/act/x"));
    const answer = await held.arrived;
    const closing = gateway.close();
    const { status, json } = await readyz(gateway);
    assert.deepEqual([status, json["ready"], json["draining"]], [503, false, true]);
    assert.ok(await isRefused(port));
    answer();
    const reply = await busy.reply();
    assert.deepEqual([reply.status, reply.headers["connection"], reply.complete], [200, "close", true]);
    assert.equal(await busy.closed(), "");
    await closing;
    await assert.rejects(fetch(`${gateway.adminAddress}/livez`));
  });

  it("serves what comes on connections that were open, with connection: close, and ends idle ones", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const late = open(t, gateway).send(requestBytes("/v1/act/x"));
    assert.equal((await late.reply()).headers["connection"], "keep-alive");
    const idle = open(t, gateway).send(requestBytes("/v1/act/x"));
    await idle.reply();
    const mute = open(t, gateway);
    await once(mute.socket, "connect");
    const closing = gateway.close();
    late.send(requestBytes("/v1/act/late"));
    const reply = await late.reply();
    assert.deepEqual([reply.status, reply.headers["connection"]], [200, "close"]);
    const ms = await tookMs(Promise.all([closing, idle.closed(), mute.closed(), late.closed()]));
    assert.ok(ms < 3000, `${ms} ms`);
  });

  it("loses no request of clients that keep their connections busy", async (t) => {
    const { gateway } = await startKindsGateway(t);
    let served = 0;
    let closing: Promise<void> | undefined;
    const run = async (): Promise<void> => {
      const client = open(t, gateway);
      for (;;) {
        const reply = await client.send(requestBytes("/v1/act/x")).reply();
        assert.equal(reply.status, 200);
        if (++served === 200) closing = gateway.close();
        // What a right client does: no further request after this.
        if (reply.headers["connection"] === "close") break;
      }
      assert.equal(await client.closed(), "");
    };
    await Promise.all(Array.from({ length: 20 }, run));
    await closing;
    assert.ok(served >= 200);
  });

  it("waits for a slow upload and for a reply that is being read slowly", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { upstream: "limits: { message: 64MiB }" },
      { act: (_, reply) => reply(null, resultOf("x", 12 << 20)) },
    );
    const upload = open(t, gateway);
    upload.send(requestBytes("/v1/echo", { method: "POST", headers: { "content-length": "14" } })).send("{");
    const reader = open(t, gateway);
    reader.socket.pause();
    reader.send(requestBytes("/v1/act/x"));
    await until("its access line", () => gateway.lines.some((line) => line["path"] === "/v1/act/x"));
    const closing = gateway.close();
    let isClosed = false;
    void closing.then(() => (isClosed = true));
    // Longer than idle connections are given.
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.ok(!isClosed);
    upload.send('"fBool":true}');
    assert.equal((await upload.reply()).text(), '{"fBool":true}');
    reader.socket.resume();
    const reply = await reader.reply();
    assert.ok(reply.complete && reply.body.length > 16 << 20);
    await closing;
  });

  it("ends what is left at the limit: 503 where nothing was sent, an error line in a stream; both calls are cancelled", async (t) => {
    const started = Promise.withResolvers<StreamCall>();
    const streamCancelled = Promise.withResolvers<void>();
    const { gateway, upstream } = await startKindsGateway(
      t,
      { server: "{ timeouts: { drain: 300ms } }" },
      {
        watch(call) {
          call.on("cancelled", streamCancelled.resolve);
          call.write(resultOf("one", 0));
          started.resolve(call);
        },
      },
    );
    const held = hold(upstream);
    const unary = open(t, gateway).send(requestBytes("/v1/act/x"));
    const stream = open(t, gateway).send(requestBytes("/v1/watch/x"));
    const unread = open(t, gateway).send(requestBytes("/v1/watch/x"));
    const upload = open(t, gateway);
    upload.send(requestBytes("/v1/echo", { method: "POST", headers: { "content-length": "14" } })).send("{");
    await Promise.all([held.arrived, started.promise, stream.until("one"), unread.until("one")]);
    const ms = tookMs(gateway.close());
    for (const client of [unary, upload]) {
      const reply = await client.reply();
      assert.deepEqual([reply.status, reply.headers["connection"], reply.headers["retry-after"]], [503, "close", "1"]);
      assert.equal((reply.json() as ErrorJson).details.at(-1)?.["reason"], "SHUTTING_DOWN");
    }
    const reply = await stream.reply();
    const [first, last = ""] = reply.text().split("\n");
    assert.equal(first, '{"result":{"name":"one"}}');
    assert.equal((JSON.parse(last) as { error: ErrorJson }).error.code, 14);
    assert.ok(reply.complete, "the stream ended properly");
    await Promise.all([held.cancelled, streamCancelled.promise]);
    assert.ok((await ms) < 2500, `${await ms} ms`);
    const logged = gateway.lines.filter((line) => line["msg"] === "request").map((line) => line["error"]);
    assert.deepEqual(logged, ["SHUTTING_DOWN", "SHUTTING_DOWN", "SHUTTING_DOWN", "SHUTTING_DOWN"]);
  });

  it("cuts off at last who does not even take that", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { server: "{ timeouts: { drain: 100ms } }" },
      {
        watch(call) {
          const message = resultOf("x", 1 << 20);
          const write = (): void => {
            while (!call.cancelled) if (!call.write(message)) return void call.once("drain", write);
          };
          write();
        },
      },
    );
    const client = open(t, gateway).send(requestBytes("/v1/watch/x"));
    await client.until("result");
    client.socket.pause();
    const ms = await tookMs(gateway.close());
    assert.ok(ms < 2500, `${ms} ms`);
  });

  it("is one closing, however often it is asked for, and takes no longer than it must", async (t) => {
    const { gateway } = await startKindsGateway(t);
    await ask(gateway, "/v1/act/x");
    const closing = gateway.close();
    assert.equal(gateway.close(), closing);
    const ms = await tookMs(closing);
    assert.ok(ms < 400, `${ms} ms without a connection`);
    assert.deepEqual(
      gateway.lines.slice(-2).map((line) => line["msg"]),
      ["draining", "stopped"],
    );
  });
});
