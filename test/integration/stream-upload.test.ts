import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { decode, encode, startKindsGateway, type ErrorJson, type UploadCall } from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";

const NDJSON = { "content-type": "application/x-ndjson" };
const CHUNKED = { "transfer-encoding": "chunked" };

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

describe("a stream of messages from the client", () => {
  for (const [what, body, headers, name] of [
    ["NDJSON", '{"fString":"a"}\n{"fString":"b"}\n', NDJSON, "a,b"],
    [
      "NDJSON under application/json",
      '{"fString":"a"}\n{"fString":"b"}',
      { "content-type": "application/json" },
      "a,b",
    ],
    ["an array", '[{"fString":"a"}, {"fString":"b"}]', {}, "a,b"],
    ["texts one behind the other", '{"fString":"a"}{"fString":"b"}{}', {}, "a,b,"],
    ["one object, spread over lines", '{\n  "fString": "a"\n}\n', {}, "a"],
  ] as const) {
    it(`is ${what}`, async (t) => {
      const { gateway } = await startKindsGateway(t);
      const reply = await ask(gateway, "/v1/collect", { headers, body });
      assert.deepEqual(
        [reply.status, reply.headers["content-type"], reply.json()],
        [200, "application/json", { name, index: name.split(",").length }],
      );
    });
  }

  for (const [what, options] of [
    ["no body", { method: "POST" }],
    ["an empty one", { body: "" }],
    ["a blank one", { body: " \n" }],
    ["an empty array", { body: "[]" }],
    ["an empty chunked one", { method: "POST", headers: CHUNKED, body: "0\r\n\r\n" }],
  ] as const) {
    it(`is empty with ${what}`, async (t) => {
      const { gateway } = await startKindsGateway(t);
      const reply = await ask(gateway, "/v1/collect", options);
      assert.deepEqual([reply.status, reply.json()], [200, {}]);
    });
  }

  it("has path and query in every message, and is one message where the route takes no body", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const seen: unknown[] = [];
    upstream.behaviour.collect = (call, reply) => {
      call.on("data", (message: Buffer) => seen.push(decode("Kind", message)));
      call.on("end", () => reply(null, encode("Result", {})));
    };
    await ask(gateway, "/v1/collect/7?f_bool=true", { body: '[{"fString":"a"},{}]' });
    assert.deepEqual(seen.splice(0), [
      { fInt32: 7, fBool: true, fMessage: { fString: "a" } },
      { fInt32: 7, fBool: true, fMessage: {} },
    ]);
    await ask(gateway, "/v1/collect/x");
    assert.deepEqual(seen, [{ fString: "x" }]);
  });

  it("goes on message by message, before its end has come", async (t) => {
    const started = Promise.withResolvers<UploadCall>();
    const { gateway, upstream } = await startKindsGateway(t);
    const { collect } = upstream.behaviour;
    upstream.behaviour.collect = (call, reply) => {
      started.resolve(call);
      call.on("end", () => reply(null, encode("Result", { name: "done" })));
    };
    const client = new RawClient(gateway.port);
    client.send(requestBytes("/v1/collect", { method: "POST", headers: CHUNKED }));
    client.send(chunk('[{"fStri') + chunk('ng":"one"},'));
    const call = await started.promise;
    const [one] = (await once(call, "data")) as [Buffer];
    assert.deepEqual(decode("Kind", one), { fString: "one" });
    client.send(chunk(' {"fString":"two"} ]') + "0\r\n\r\n");
    const [two] = (await once(call, "data")) as [Buffer];
    assert.deepEqual(decode("Kind", two), { fString: "two" });
    assert.deepEqual((await client.reply()).json(), { name: "done" });
    // The connection is fit for another request.
    upstream.behaviour.collect = collect;
    client.send(requestBytes("/v1/collect", { body: "[]" }));
    assert.equal((await client.reply()).status, 200);
    client.close();
  });

  it("waits for 100-continue only where the client asks for it", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = new RawClient(gateway.port);
    client.send(requestBytes("/v1/collect", { method: "POST", headers: { ...CHUNKED, expect: "100-continue" } }));
    assert.equal((await client.reply()).status, 100);
    client.send(`${chunk("{}")}0\r\n\r\n`);
    assert.deepEqual((await client.reply()).json(), { index: 1 });
    client.close();
  });
});

describe("a stream of messages that goes wrong", () => {
  for (const [what, body, status, reason, message] of [
    ["a bad field", '{"fInt32":1}\n{"fInt32":"x"}', 400, "FIELD_INVALID", /^message 2: fInt32: /],
    ["no JSON", '{"fInt32":1}{"fInt32":}', 400, "BODY_MALFORMED", /^message 2: body is not valid JSON: /],
    ["an end too early", '[{"fInt32":1}', 400, "BODY_MALFORMED", /the array has no end after message 1$/],
    ["a message over the limit", `{}{"fString":"${"x".repeat(100)}"}`, 413, "MESSAGE_TOO_LARGE", /^message 2 /],
  ] as const) {
    it(`is refused for ${what}, and its call is cancelled`, async (t) => {
      const cancelled = Promise.withResolvers<void>();
      const { gateway } = await startKindsGateway(
        t,
        { server: "{ limits: { body: 100 } }" },
        {
          collect(call) {
            call.on("cancelled", cancelled.resolve);
            call.resume();
          },
        },
      );
      const reply = await ask(gateway, "/v1/collect", { body });
      const error = reply.json() as ErrorJson;
      assert.deepEqual([reply.status, error.details.at(-1)?.["reason"]], [status, reason], reply.text());
      assert.match(error.message, message);
      await cancelled.promise;
    });
  }

  it("is refused where its type is no JSON", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const [path, type] of [
      ["/v1/collect", "text/plain"],
      ["/v1/echo", "application/x-ndjson"],
    ] as const) {
      const reply = await ask(gateway, path, { headers: { "content-type": type }, body: "{}" });
      assert.equal(reply.status, 415, path);
    }
  });

  it("cancels its call when the client goes away", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        collect(call) {
          call.on("cancelled", cancelled.resolve);
          call.once("data", () => client.close());
        },
      },
    );
    const client = new RawClient(gateway.port);
    client.send(requestBytes("/v1/collect", { method: "POST", headers: CHUNKED })).send(chunk("{}"));
    await cancelled.promise;
  });

  it("is answered before its end where the upstream answers, and the connection is closed", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      { collect: (call, reply) => call.once("data", () => reply({ code: 9, details: "enough" })) },
    );
    const client = new RawClient(gateway.port);
    client.send(requestBytes("/v1/collect", { method: "POST", headers: CHUNKED })).send(chunk("{}\n{}"));
    const reply = await client.reply();
    assert.deepEqual([reply.status, (reply.json() as ErrorJson).message], [400, "enough"]);
    assert.equal(reply.headers["connection"], "close");
    client.close();
  });

  it("has `timeout` from its end to the reply", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { defaults: "{ timeout: 100ms }" },
      { collect: (call) => call.resume() },
    );
    const client = new RawClient(gateway.port);
    client.send(requestBytes("/v1/collect", { method: "POST", headers: CHUNKED })).send(chunk("{}"));
    // Longer than the limit: the client may take its time.
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(client.received.length, 0);
    client.send("0\r\n\r\n");
    assert.equal((await client.reply()).status, 504);
    client.close();
  });
});

describe("backpressure of an upload", () => {
  it("holds back the client while the upstream does not read, in bounded memory", async (t) => {
    const started = Promise.withResolvers<UploadCall>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        collect(call, reply) {
          call.pause();
          let count = 0;
          call.on("data", () => count++);
          call.pause();
          call.on("end", () => reply(null, encode("Result", { index: count })));
          started.resolve(call);
        },
      },
    );
    const client = new RawClient(gateway.port);
    const line = Buffer.from(`{"fString":"${"x".repeat(65000)}"}\n`);
    const MESSAGES = 2000; // 130 MB
    client.send(
      requestBytes("/v1/collect", {
        method: "POST",
        headers: { ...NDJSON, "content-length": String(line.length * MESSAGES) },
      }),
    );
    let written = 0;
    const write = (): void => {
      while (written < MESSAGES) {
        written++;
        if (!client.socket.write(line)) return void client.socket.once("drain", write);
      }
    };
    write();
    const call = await started.promise;
    // Until nothing moves any more.
    for (let before = -1; before !== written;) {
      before = written;
      for (let i = 0; i < 20; i++) await ask(gateway, "/v1/act/x");
    }
    assert.ok(written * line.length < 40 << 20, `${written} messages written to an upstream that reads nothing`);
    const startRss = process.memoryUsage.rss();
    call.resume();
    const reply = await client.reply();
    client.close();
    assert.deepEqual(reply.json(), { index: MESSAGES });
    const grown = process.memoryUsage.rss() - startRss;
    assert.ok(grown < 100 << 20, `memory grew by ${grown >> 20} MiB`);
  });
});

describe("streams both ways", () => {
  for (const transport of ["http2", "grpc-js"])
    it(`are half-duplex over ${transport}: replies begin when the request has ended, in the shape that Accept asks for`, async (t) => {
      const { gateway } = await startKindsGateway(t, { upstream: `transport: ${transport}` });
      const client = new RawClient(gateway.port);
      const headers = { ...CHUNKED, accept: "application/json" };
      client.send(requestBytes("/v1/chat/x", { method: "POST", headers })).send(chunk('{"fInt32":1}'));
      // Another request, there and back.
      await ask(gateway, "/v1/act/x");
      assert.equal(client.received.length, 0);
      client.send(`${chunk('{"fInt32":2}')}0\r\n\r\n`);
      const reply = await client.reply();
      client.close();
      assert.deepEqual(
        [reply.status, reply.json()],
        [
          200,
          [
            { fInt32: 1, fString: "x" },
            { fInt32: 2, fString: "x" },
          ],
        ],
      );
    });

  it("may be empty, fail at once, and have `timeout` until the first reply", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { defaults: "{ timeout: 100ms }" });
    const empty = await ask(gateway, "/v1/chat/x", { method: "POST" });
    assert.deepEqual([empty.status, empty.text()], [200, ""]);
    upstream.behaviour.chat = (call) => call.emit("error", { code: 7, details: "no" });
    assert.equal((await ask(gateway, "/v1/chat/x", { body: "{}" })).status, 403);
    upstream.behaviour.chat = () => {};
    assert.equal((await ask(gateway, "/v1/chat/x", { body: "{}" })).status, 504);
  });
});
