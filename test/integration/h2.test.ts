import assert from "node:assert/strict";
import { once } from "node:events";
import type { OutgoingHttpHeaders } from "node:http2";
import { describe, it } from "node:test";
import { askH2, connectH2, openH2, replyOf, tlsServer } from "../support/h2-client.ts";
import { metadataOf, resultOf, startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { until } from "../support/until.ts";

const JSON_TYPE = { "content-type": "application/json" };

function reasonOf(reply: { json(): unknown }): unknown {
  return (reply.json() as ErrorJson).details.at(-1)?.["reason"];
}

describe("a request over HTTP/2", () => {
  it("is served: unary, bodies, streams, many at a time on one connection", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    assert.match(gateway.address, /^https:/);
    const session = await connectH2(t, gateway);
    const [act, echo, watch, ...many] = await Promise.all([
      askH2(session, "/v1/act/x?count=1"),
      askH2(session, "/v1/echo", { headers: JSON_TYPE, body: '{"fString":"é"}' }),
      askH2(session, "/v1/watch/x?count=2"),
      ...Array.from({ length: 50 }, (_, i) => askH2(session, `/v1/act/${i}`)),
    ]);
    assert.deepEqual([act.status, act.headers["content-length"], act.code], [200, String(act.body.length), 0]);
    assert.deepEqual(echo.json(), { fString: "é" });
    assert.equal(watch.text(), '{"result":{"name":"x"}}\n{"result":{"name":"x","index":1}}\n');
    assert.deepEqual(
      many.map((reply) => (reply.json() as { name: string }).name),
      many.map((_, i) => String(i)),
    );
    // None of what belongs to one connection of HTTP/1.1 (RFC 9113, 8.2.2).
    for (const name of ["connection", "keep-alive", "transfer-encoding"]) assert.ok(!(name in watch.headers), name);
  });

  it("has its authority, its scheme and its cookies in the metadata, and no pseudo-headers", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    const session = await connectH2(t, gateway);
    const { metadata } = (
      await askH2(session, "/v1/act/x", {
        headers: { cookie: ["a=1", "b=2"], te: "trailers", "x-twice": ["1", "2"], "x-request-id": "mine" },
      })
    ).json() as { metadata: Record<string, string> };
    const { "user-agent": agent, ...rest } = metadata;
    assert.match(agent ?? "", /^sluice\b/); // grpc-js adds itself
    assert.deepEqual(rest, {
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": `localhost:${gateway.port}`,
      "x-forwarded-proto": "https",
      "x-request-id": "mine",
      "x-twice": "1, 2",
      cookie: "a=1; b=2",
    });
  });

  it("gets headers that come twice twice, also where HTTP knows them as single", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { server: tlsServer() },
      {
        act(call, reply) {
          call.sendMetadata(metadataOf({ location: "/a" }));
          reply(null, resultOf("x", 0), metadataOf({ location: "/b" }));
        },
      },
    );
    const session = await connectH2(t, gateway);
    const stream = openH2(session, "/v1/act/x", {}, true);
    const [, , raw] = (await once(stream, "response")) as unknown as [unknown, unknown, string[]];
    assert.deepEqual(
      raw.filter((_, i) => raw[i - 1] === "location"),
      ["/a", "/b"],
    );
    assert.equal((await replyOf(stream)).code, 0);
  });

  for (const [what, headers, path, status, reason] of [
    ["no route", {}, "/nope", 404, "ROUTE_NOT_FOUND"],
    ["another method", { ":method": "DELETE" }, "/v1/act/x", 405, "METHOD_NOT_ALLOWED"],
    ["a Host that is another", { ":authority": "a.test", host: "evil.test" }, "/v1/act/x", 400, "HTTP_MALFORMED"],
    [
      "headers over the limit",
      { "x-long": "a".repeat(40_000), "x-longer": "a".repeat(40_000) },
      "/v1/act/x",
      431,
      "HEADERS_TOO_LARGE",
    ],
    ["more than 100 headers", many(101), "/v1/act/x", 431, "TOO_MANY_HEADERS"],
    ["a path that is none", {}, "/v1/act/%zz", 400, "PATH_MALFORMED"],
  ] as const) {
    it(`with ${what} is refused with ${status}, and its connection carries on`, async (t) => {
      const { gateway } = await startKindsGateway(t, { server: tlsServer() });
      const session = await connectH2(t, gateway, { maxSendHeaderBlockLength: 1 << 20 });
      const reply = await askH2(session, path, { headers: headers as OutgoingHttpHeaders });
      assert.deepEqual([reply.status, reasonOf(reply)], [status, reason]);
      assert.match(String(reply.headers["x-request-id"]), /^[0-9a-f-]{36}$/);
      assert.equal((await askH2(session, "/v1/act/x")).status, 200);
      assert.equal(gateway.lines.filter((line) => line["msg"] === "request").length, 2);
    });
  }

  it("takes a Host that is the authority, and a hundred cookies for one header", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    const session = await connectH2(t, gateway);
    const headers = {
      ":authority": "a.test",
      host: "a.test:443",
      cookie: Array.from({ length: 100 }, (_, i) => `c${i}=1`),
    };
    assert.equal((await askH2(session, "/v1/act/x", { headers })).status, 200);
  });

  it("gets to HEAD what GET gets but the body, and no 304 or failure has one either", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { server: tlsServer(), act: "etag: true" },
      { act: (_, reply) => reply(null, resultOf("x", 10)) },
    );
    const session = await connectH2(t, gateway);
    const headers = { "x-request-id": "one" };
    const get = await askH2(session, "/v1/act/x", { headers });
    const head = await askH2(session, "/v1/act/x", { method: "HEAD", headers });
    const { date: _, ...rest } = head.headers;
    const { date: __, ...expected } = get.headers;
    assert.deepEqual([rest, head.body.length, head.code], [expected, 0, 0]);
    const known = await askH2(session, "/v1/act/x", {
      headers: { ...headers, "if-none-match": String(get.headers.etag) },
    });
    assert.deepEqual([known.status, known.body.length, known.headers["content-length"]], [304, 0, undefined]);
    const none = await askH2(session, "/nope", { method: "HEAD" });
    assert.deepEqual([none.status, none.body.length], [404, 0]);
    assert.equal((await askH2(session, "/v1/watch/x?count=3", { method: "HEAD" })).status, 200);
  });

  it("gets 100 where it asks for it before its body", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    const session = await connectH2(t, gateway);
    const stream = openH2(session, "/v1/echo", { ":method": "POST", ...JSON_TYPE, expect: "100-continue" });
    await once(stream, "continue");
    stream.end('{"fBool":true}');
    assert.deepEqual((await replyOf(stream)).json(), { fBool: true });
  });

  it("may end in trailers, which nobody reads", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    const session = await connectH2(t, gateway);
    const stream = session.request({ ":path": "/v1/echo", ":method": "POST", ...JSON_TYPE }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
    stream.end('{"fBool":true}');
    assert.deepEqual((await replyOf(stream)).json(), { fBool: true });
  });
});

describe("a body over HTTP/2", () => {
  it("over the limit is 413, by its length before any of it is read, and by its bytes", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer("limits: { body: 1000 }") });
    const session = await connectH2(t, gateway);
    const headers = { ":method": "POST", ...JSON_TYPE };
    const announced = await replyOf(openH2(session, "/v1/echo", { ...headers, "content-length": 1001 }));
    assert.deepEqual([announced.status, reasonOf(announced), announced.code], [413, "BODY_TOO_LARGE", 0]);
    const sending = openH2(session, "/v1/echo", headers);
    sending.write(Buffer.alloc(1001, " "));
    const sent = await replyOf(sending);
    assert.deepEqual([sent.status, reasonOf(sent), sent.code], [413, "BODY_TOO_LARGE", 0]);
  });

  it("that nobody wants is not waited for: the stream is closed with NO_ERROR after the reply", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    const session = await connectH2(t, gateway);
    const stream = openH2(session, "/nope", { ":method": "POST" });
    stream.write("a");
    const reply = await replyOf(stream);
    assert.deepEqual([reply.status, reply.code], [404, 0]);
    assert.ok((reply.json() as ErrorJson).message.includes("no route"));
  });

  it("of some megabytes passes several at a time, and so does the reply", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    const session = await connectH2(t, gateway);
    const body = JSON.stringify({ fString: "x".repeat(3 << 20) });
    const replies = await Promise.all(
      Array.from({ length: 4 }, () => askH2(session, "/v1/echo", { headers: JSON_TYPE, body })),
    );
    for (const reply of replies) assert.ok(reply.text() === body, `${reply.status} ${reply.body.length}`);
  });
});

describe("a slow client of HTTP/2", { concurrency: true }, () => {
  it("with its body gets 408", async (t) => {
    const { gateway } = await startKindsGateway(t, {
      server: tlsServer("timeouts: { header: 100ms, request: 200ms }"),
    });
    const session = await connectH2(t, gateway);
    const stream = openH2(session, "/v1/echo", { ":method": "POST", ...JSON_TYPE });
    stream.write("{");
    const reply = await replyOf(stream);
    assert.deepEqual([reply.status, reasonOf(reply), reply.code], [408, "REQUEST_TIMEOUT", 0]);
  });

  it("that is idle is told so and closed, also where it keeps up its connection by pings", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer("timeouts: { header: 200ms, idle: 200ms }") });
    const session = await connectH2(t, gateway);
    const goaway = once(session, "goaway");
    const ping = (): void => void (session.destroyed || session.ping(() => ping()));
    ping();
    assert.deepEqual((await goaway)[0], 0);
    if (!session.destroyed) await once(session, "close");
  });

  it("that takes nothing of its reply is cut off, others on its connection are not; its call is cancelled", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      { server: tlsServer("timeouts: { header: 200ms, idle: 500ms }"), upstream: "limits: { message: 64MiB }" },
      {
        act: (_, reply) => reply(null, resultOf("x", 1 << 20)),
        watch(call) {
          call.on("cancelled", cancelled.resolve);
          const write = (): void => {
            while (call.write(resultOf("x", 1 << 16)));
            call.once("drain", write);
          };
          write();
        },
      },
    );
    const session = await connectH2(t, gateway);
    const streams = ["/v1/act/x", "/v1/watch/x"].map((path) => openH2(session, path, {}, true));
    // And nobody reads them.
    await Promise.all(streams.map((stream) => once(stream, "response")));
    // The connection itself is busy all the time.
    await until("their resets", async () => {
      assert.equal((await askH2(session, "/nope")).status, 404);
      return streams.every((stream) => stream.rstCode === 8);
    });
    await cancelled.promise;
  });
});

describe("a client of HTTP/2 that goes away", () => {
  it("cancels its call at once, by a reset as by closing its connection, and is logged as 499", async (t) => {
    const calls: Promise<void>[] = [];
    const { gateway } = await startKindsGateway(
      t,
      { server: tlsServer() },
      { act: (call) => calls.push(new Promise((resolve) => call.on("cancelled", resolve))) },
    );
    const session = await connectH2(t, gateway);
    const reset = openH2(session, "/v1/act/reset", {}, true);
    openH2(session, "/v1/act/closed", {}, true);
    await until("both calls", () => calls.length === 2);
    reset.close(8);
    await calls[0];
    session.destroy();
    await Promise.all(calls);
    const lines = () => gateway.lines.filter((line) => line["msg"] === "request");
    await until("its lines", () => lines().length === 2);
    assert.deepEqual(
      lines().map((line) => [line["path"], line["status"], line["error"]]),
      [
        ["/v1/act/reset", 499, "CLIENT_CLOSED"],
        ["/v1/act/closed", 499, "CLIENT_CLOSED"],
      ],
    );
  });
});

function many(count: number): OutgoingHttpHeaders {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, "1"]));
}
