import assert from "node:assert/strict";
import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { describe, it, type TestContext } from "node:test";
import { connectH2, openH2, replyOf, tlsServer } from "../support/h2-client.ts";
import { encode, startKindsGateway, type Behaviour, type ChatCall, type ErrorJson } from "../support/kinds.ts";
import { until } from "../support/until.ts";

/** A gateway, and a connection of HTTP/2 to it. */
async function start(t: TestContext, defaults = "{}", overrides: Partial<Behaviour> = {}) {
  const { gateway } = await startKindsGateway(t, { server: tlsServer(), defaults }, overrides);
  return { gateway, session: await connectH2(t, gateway) };
}

function chat(session: ClientHttp2Session, headers: Record<string, string> = {}): ClientHttp2Stream {
  return openH2(session, "/v1/chat/x", { ":method": "POST", ...headers });
}

/** The next text that comes; a test's messages come one at a time. */
async function next(stream: ClientHttp2Stream): Promise<string> {
  const [data] = (await once(stream, "data")) as [Buffer];
  return data.toString();
}

describe("a stream both ways over HTTP/2", () => {
  for (const [type, accept, sent, received] of [
    [
      "application/x-ndjson",
      "*/*",
      ['{"fInt32":1}\n', '{"fInt32":2}\n'],
      ['{"result":{"fInt32":1,"fString":"x"}}\n', '{"result":{"fInt32":2,"fString":"x"}}\n'],
    ],
    [
      "application/json",
      "application/json",
      ['[{"fInt32":1}', ',{"fInt32":2}'],
      ['[{"fInt32":1,"fString":"x"}', ',\n{"fInt32":2,"fString":"x"}'],
    ],
    [
      "application/json",
      "text/event-stream",
      ['{"fInt32":1}', '{"fInt32":2}'],
      ['data: {"fInt32":1,"fString":"x"}\n\n', 'data: {"fInt32":2,"fString":"x"}\n\n'],
    ],
  ] as const) {
    it(`gives each reply while the request goes on: ${type} to ${accept}`, async (t) => {
      const { session } = await start(t);
      const stream = chat(session, { "content-type": type, accept });
      for (const [i, text] of sent.entries()) {
        stream.write(text);
        assert.equal(await next(stream), received[i]);
      }
      stream.end(sent[0].startsWith("[") ? "]" : "");
      const { code, text } = await replyOf(stream);
      assert.deepEqual([code, text()], [0, accept === "application/json" ? "]" : ""]);
    });
  }

  it("may take longer than a request may, and longer than `timeout` before its first message", async (t) => {
    const { gateway } = await startKindsGateway(t, {
      server: tlsServer("timeouts: { header: 50ms, request: 50ms }"),
      defaults: "{ timeout: 50ms }",
    });
    const stream = chat(await connectH2(t, gateway));
    const startMs = performance.now();
    await until("longer than both limits", () => performance.now() - startMs > 200);
    stream.write('{"fInt32":1}');
    assert.match(await next(stream), /"fInt32":1/);
    stream.end();
    assert.equal((await replyOf(stream)).code, 0);
  });

  it("is ended by stream_idle_timeout where neither side says anything, before the first reply too", async (t) => {
    const { session } = await start(t, "{ stream_idle_timeout: 100ms }");
    const mute = await replyOf(chat(session));
    assert.deepEqual([mute.status, (mute.json() as ErrorJson).details.at(-1)?.["reason"]], [504, "STREAM_IDLE"]);
    const stream = chat(session);
    stream.write("{}");
    await next(stream);
    assert.match((await replyOf(stream)).text(), /^\{"error":\{.*STREAM_IDLE/);
  });

  it("ends early with the upstream: the reply is whole, and the client is told to send no more", async (t) => {
    const { gateway, session } = await start(t, "{}", {
      chat(call) {
        call.once("data", (message: Buffer) => {
          call.write(message);
          call.end();
        });
      },
    });
    const stream = chat(session);
    stream.write("{}");
    const reply = await replyOf(stream);
    assert.deepEqual([reply.status, reply.code, reply.text()], [200, 0, '{"result":{"fString":"x"}}\n']);
    await until("its access line", () => gateway.lines.some((line) => line["status"] === 200));
  });

  it("fails with an error line where a later message is wrong, and is reset where the shape has no such line", async (t) => {
    const cancelled: Promise<unknown>[] = [];
    const { session } = await start(t, "{}", {
      chat(call) {
        cancelled.push(once(call, "cancelled"));
        call.on("data", (message: Buffer) => call.write(message));
      },
    });
    const lines = chat(session);
    lines.write("{}");
    await next(lines);
    lines.write('{"fInt32":"x"}');
    const reply = await replyOf(lines);
    const { error } = JSON.parse(reply.text()) as { error: ErrorJson };
    assert.deepEqual([reply.code, error.code], [0, 3]);
    assert.match(error.message, /^message 2: fInt32: /);
    const array = chat(session, { accept: "application/json" });
    array.write("{}");
    await next(array);
    array.write('{"fInt32":}');
    const broken = await replyOf(array);
    assert.deepEqual([broken.code, broken.text()], [2, ""]);
    await Promise.all(cancelled);
  });

  it("has its true status where the call fails before any reply", async (t) => {
    const { session } = await start(t, "{}", { chat: (call) => call.emit("error", { code: 7, details: "no" }) });
    const stream = chat(session);
    stream.write("{}");
    const reply = await replyOf(stream);
    assert.deepEqual([reply.status, reply.code], [403, 0]);
  });

  it("is cancelled at once by a reset, also while the client is held back", async (t) => {
    const calls: ChatCall[] = [];
    const { session } = await start(t, "{}", { chat: (call) => void calls.push(call) });
    const stream = chat(session);
    // The upstream reads nothing: more than all windows on the way hold.
    for (let i = 0; i < 100; i++) stream.write(JSON.stringify({ fString: "x".repeat(60_000) }));
    await settled(session, () => stream.writableLength);
    assert.ok(stream.writableLength > 1 << 20, "nobody holds the client back");
    const [call] = calls;
    assert.ok(call);
    const cancelled = once(call, "cancelled");
    stream.close(8);
    await cancelled;
  });

  it("holds back an upstream whose replies nobody reads", async (t) => {
    let written = 0;
    const full = Promise.withResolvers<ChatCall>();
    const { session } = await start(t, "{}", {
      chat(call) {
        const message = encode("Kind", { fString: "x".repeat(60_000) });
        const write = (): void => {
          while (call.write(message) && ++written < 1000);
          call.once("drain", write);
          if (written > 5) full.resolve(call);
        };
        write();
      },
    });
    const stream = chat(session);
    await once(stream, "response");
    const call = await full.promise;
    await settled(session, () => written);
    assert.ok(written < 500, `${written} messages of 60 KB`);
    const cancelled = once(call, "cancelled");
    session.destroy();
    await cancelled;
  });
});

/** Waits until a number does not change any more while other requests go there and back. */
async function settled(session: ClientHttp2Session, read: () => number): Promise<void> {
  for (let before = -1; before !== read();) {
    before = read();
    for (let i = 0; i < 20; i++) await replyOf(openH2(session, "/v1/act/x", {}, true));
  }
}
