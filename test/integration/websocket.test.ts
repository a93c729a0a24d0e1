import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import {
  decode,
  encode,
  flat,
  startKindsGateway,
  type ChatCall,
  type ErrorJson,
  type StreamCall,
} from "../support/kinds.ts";
import { ask } from "../support/raw-http.ts";
import { openSocket, refusalOf } from "../support/websocket.ts";

function breaking(call: StreamCall | ChatCall, code: number, details: string): void {
  call.emit("error", { code, details, metadata: new Metadata() });
}

/** The last text message of a stream that failed. */
function errorIn(message: string | Buffer | undefined): ErrorJson {
  return (JSON.parse(String(message)) as { error: ErrorJson }).error;
}

function reasonIn(message: string | Buffer | undefined): unknown {
  return errorIn(message).details.at(-1)?.["reason"];
}

describe("a server stream over WebSocket", () => {
  it("is a text message each, in order, and closes with 1000", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = await openSocket(t, gateway, "/v1/watch/%C3%BC?count=3");
    assert.deepEqual(await client.closed, { code: 1000, reason: "" });
    assert.deepEqual(client.received, ['{"name":"ü"}', '{"name":"ü","index":1}', '{"name":"ü","index":2}']);
    const line = gateway.lines.find((entry) => entry["msg"] === "request");
    assert.deepEqual(
      [line?.["method"], line?.["status"], line?.["grpc_status"], line?.["messages_out"], line?.["bytes_out"]],
      ["GET", 101, "OK", 3, 59],
    );
  });

  it("takes the first message for its body where the route has one, whatever its method", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const body of ['{"name":"a","count":1}', Buffer.from('{"name":"a","count":1}')]) {
      const client = await openSocket(t, gateway, "/v1/watch");
      client.send(body);
      assert.equal(await client.next(), '{"name":"a"}');
      assert.equal((await client.closed).code, 1000);
    }
  });

  it("is wrapped as by grpc-websocket-proxy where `stream: { websocket: wrapped }` says so", async (t) => {
    const { gateway } = await startKindsGateway(t, { defaults: "{ stream: { websocket: wrapped } }" });
    const client = await openSocket(t, gateway, "/v1/watch/x?count=1");
    await client.closed;
    assert.deepEqual(client.received, ['{"result":{"name":"x"}}']);
  });

  it("has no body where the first message is empty", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = await openSocket(t, gateway, "/v1/watch");
    client.send("");
    assert.deepEqual([await client.closed, client.received], [{ code: 1000, reason: "" }, []]);
  });

  it("is spoken by the WebSocket of browsers and Node", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/v1/watch/x?count=2`, ["other", "json"]);
    const texts: unknown[] = [];
    socket.addEventListener("message", (event: MessageEvent) => texts.push(event.data));
    const [close] = (await once(socket, "close")) as [CloseEvent];
    assert.deepEqual([close.code, close.wasClean, socket.protocol], [1000, true, "json"]);
    assert.deepEqual(texts, ['{"name":"x"}', '{"name":"x","index":1}']);
  });

  it("of google.api.HttpBody is binary messages with the bytes as they are", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        load(call) {
          for (const text of ["one", "two"]) {
            const data = Buffer.from(text).toString("base64");
            call.write(encode("google.api.HttpBody", { contentType: "text/plain", data }));
          }
          breaking(call, status.ABORTED, "enough");
        },
      },
    );
    const client = await openSocket(t, gateway, "/v1/load/x");
    assert.equal((await client.closed).code, 4010);
    assert.deepEqual(client.received.slice(0, 2), [Buffer.from("one"), Buffer.from("two")]);
    assert.equal(errorIn(client.received[2]).message, "enough");
  });

  it("takes no message where its request is in path and query, nor a second one", async (t) => {
    const { gateway } = await startKindsGateway(t, {}, { watch: (call) => void call.write(encode("Result", {})) });
    for (const [path, ...messages] of [
      ["/v1/watch/x", "{}"],
      ["/v1/watch", "{}", "{}"],
    ] as const) {
      const client = (await openSocket(t, gateway, path)).send(...messages);
      assert.equal((await client.closed).code, 4003);
      assert.equal(reasonIn(client.received.at(-1)), "MESSAGE_UNEXPECTED");
    }
  });
});

describe("a client stream over WebSocket", () => {
  it("ends with an empty message, and has its one reply", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = await openSocket(t, gateway, "/v1/collect");
    client.send('{"fString":"a"}', Buffer.from('{"fString":"b"}\n'), "\n");
    assert.equal(await client.next(), '{"name":"a,b","index":2}');
    assert.equal((await client.closed).code, 1000);
  });

  it("may be empty, and takes the path in every message, also where its route has no body", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const empty = (await openSocket(t, gateway, "/v1/collect")).send("");
    assert.equal(await empty.next(), "{}");
    const bare = (await openSocket(t, gateway, "/v1/collect/x")).send('{"fString":"no"}', "{}", "");
    assert.equal(await bare.next(), '{"name":"x,x","index":2}');
  });

  it("of google.api.HttpBody is a message of bytes for each, of the type that the handshake names", async (t) => {
    const bodies: unknown[] = [];
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        upload(call, reply) {
          call.on("data", (message: Buffer) => bodies.push(decode("google.api.HttpBody", message)));
          call.on("end", () => reply(null, encode("Result", { index: bodies.length })));
        },
      },
    );
    const client = await openSocket(t, gateway, "/v1/upload", { headers: { "content-type": "text/csv" } });
    client.send(Buffer.from("a,b"), " ", "");
    assert.equal(await client.next(), '{"index":2}');
    assert.deepEqual(bodies, [
      { contentType: "text/csv", data: Buffer.from("a,b").toString("base64") },
      { contentType: "text/csv", data: Buffer.from(" ").toString("base64") },
    ]);
  });

  it("has no reply but the failure where the call fails after one", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      { collect: (_, reply) => reply({ code: status.NOT_FOUND, details: "no such shelf" }, null) },
    );
    const client = await openSocket(t, gateway, "/v1/collect");
    assert.deepEqual(await client.closed, { code: 4005, reason: "no such shelf" });
    assert.deepEqual(client.received, ['{"error":{"code":5,"message":"no such shelf","details":[]}}']);
  });

  it("names the message that cannot be read, and its call is cancelled", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(t, {}, { collect: (call) => call.on("cancelled", cancelled.resolve) });
    const client = (await openSocket(t, gateway, "/v1/collect")).send("{}", '{"fInt32":"x"}', "{}", "");
    assert.match((await client.closed).reason, /^message 2: fInt32: /);
    assert.equal(errorIn(client.received[0]).code, 3);
    await cancelled.promise;
  });
});

describe("a stream both ways over WebSocket", () => {
  it("is full-duplex: each side answers what the other just said", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = await openSocket(t, gateway, "/v1/chat/room");
    for (let i = 1; i <= 50; i++) {
      client.send(`{"fInt32":${i}}`);
      assert.equal(await client.next(), `{"fInt32":${i},"fString":"room"}`);
    }
    client.send("");
    assert.deepEqual(await client.closed, { code: 1000, reason: "" });
  });

  it("hears the server first, and goes on after the client has ended its part", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        chat(call) {
          call.write(encode("Kind", { fString: "hello" }));
          call.on("data", () => {});
          call.on("end", () => {
            call.write(encode("Kind", { fString: "bye" }));
            call.end();
          });
        },
      },
    );
    const client = await openSocket(t, gateway, "/v1/chat/x");
    assert.equal(await client.next(), '{"fString":"hello"}');
    client.send("");
    assert.equal(await client.next(), '{"fString":"bye"}');
    assert.equal((await client.closed).code, 1000);
  });

  it("keeps the order of messages that an upstream is slow to take", async (t) => {
    const numbers: number[] = [];
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        chat(call) {
          call.on("data", (message: Buffer) => {
            numbers.push((decode("Kind", message) as { fInt32?: number }).fInt32 ?? 0);
            call.pause();
            setImmediate(() => call.resume());
          });
          call.on("end", () => call.end());
        },
      },
    );
    const client = await openSocket(t, gateway, `/v1/chat/${"x".repeat(10_000)}`);
    const count = 500;
    for (let i = 0; i < count; i++) client.send(`{"fInt32":${i}}`);
    client.send("");
    assert.equal((await client.closed).code, 1000);
    assert.deepEqual(numbers, [...numbers.keys()]);
    assert.equal(numbers.length, count);
  });

  it("passes headers of the handshake on, those of WebSocket itself not", async (t) => {
    const seen = Promise.withResolvers<Record<string, string>>();
    const { gateway } = await startKindsGateway(
      t,
      { defaults: "{ headers: { request: { deny: [x-secret] } } }" },
      {
        chat(call) {
          seen.resolve(flat(call.metadata));
          call.end();
        },
      },
    );
    const headers = { authorization: "Bearer a", cookie: "b=c", "x-secret": "d", "x-request-id": "ws-1" };
    await openSocket(t, gateway, "/v1/chat/x", { headers, protocols: ["json"] });
    const metadata = await seen.promise;
    assert.deepEqual(
      [metadata["authorization"], metadata["cookie"], metadata["x-request-id"]],
      ["Bearer a", "b=c", "ws-1"],
    );
    const names = Object.keys(metadata);
    assert.deepEqual(
      names.filter((name) => /^(x-secret|sec-|upgrade|connection)/.test(name)),
      [],
    );
  });
});

describe("a call that fails over WebSocket", () => {
  for (const [name, code, close] of [
    ["UNKNOWN", status.UNKNOWN, 4002],
    ["PERMISSION_DENIED", status.PERMISSION_DENIED, 4007],
    ["UNAUTHENTICATED", status.UNAUTHENTICATED, 4016],
  ] as const) {
    it(`${name} closes with ${close}, behind its status as the last message`, async (t) => {
      const { gateway } = await startKindsGateway(
        t,
        {},
        {
          watch(call) {
            call.write(encode("Result", { name: "one" }));
            breaking(call, code, "enough");
          },
        },
      );
      const client = await openSocket(t, gateway, "/v1/watch/x");
      assert.deepEqual(await client.closed, { code: close, reason: "enough" });
      assert.deepEqual(client.received, [
        '{"name":"one"}',
        `{"error":{"code":${code},"message":"enough","details":[]}}`,
      ]);
      const line = gateway.lines.find((entry) => entry["msg"] === "request");
      assert.deepEqual([line?.["status"], line?.["grpc_status"], line?.["error"]], [101, name, undefined]);
    });
  }

  it("has as much of its message for a reason as fits, in whole characters", async (t) => {
    const { gateway } = await startKindsGateway(t, {}, { watch: (call) => breaking(call, 5, `${"a".repeat(122)}ü`) });
    const client = await openSocket(t, gateway, "/v1/watch/x");
    assert.equal((await client.closed).reason, "a".repeat(122));
  });

  for (const [what, defaults, path, reason] of [
    ["timeout", "{ timeout: 60ms }", "/v1/watch/x", "DEADLINE_EXCEEDED"],
    ["stream_idle_timeout", "{ stream_idle_timeout: 60ms }", "/v1/chat/x", "STREAM_IDLE"],
    ["stream_idle_timeout ahead of the request", "{ stream_idle_timeout: 60ms }", "/v1/watch", "STREAM_IDLE"],
  ] as const) {
    it(`${what} closes with 4004`, async (t) => {
      const { gateway } = await startKindsGateway(t, { defaults }, { watch() {}, chat() {} });
      const client = await openSocket(t, gateway, path);
      assert.equal((await client.closed).code, 4004);
      assert.equal(reasonIn(client.received[0]), reason);
    });
  }

  it("cancels the upstream's call where a message cannot be read", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.on("cancelled", cancelled.resolve);
          call.write(Buffer.from([0x0a, 0x05, 0x41]));
        },
      },
    );
    const client = await openSocket(t, gateway, "/v1/watch/x");
    assert.equal((await client.closed).code, 4013);
    assert.equal(reasonIn(client.received[0]), "UPSTREAM_MESSAGE_INVALID");
    await cancelled.promise;
  });
});

describe("a client that goes", () => {
  for (const [how, go] of [
    ["closes", (client: { close(): void }) => client.close()],
    ["vanishes", (client: { terminate(): void }) => client.terminate()],
  ] as const) {
    it(`${how} has its call cancelled`, async (t) => {
      const started = Promise.withResolvers<ChatCall>();
      const cancelled = Promise.withResolvers<void>();
      const { gateway } = await startKindsGateway(
        t,
        {},
        {
          chat(call) {
            call.on("cancelled", cancelled.resolve);
            started.resolve(call);
          },
        },
      );
      const client = await openSocket(t, gateway, "/v1/chat/x");
      await started.promise;
      go(client.socket as never);
      await cancelled.promise;
      // Another request, there and back: the line of the first is out by then.
      await ask(gateway, "/v1/act/x");
      const line = gateway.lines.find((entry) => entry["path"] === "/v1/chat/x");
      assert.deepEqual([line?.["status"], line?.["grpc_status"], line?.["error"]], [101, "CANCELLED", "CLIENT_CLOSED"]);
    });
  }
});

describe("a WebSocket is refused with an HTTP status", () => {
  const cases: readonly (readonly [
    what: string,
    path: string,
    status: number,
    reason: string,
    headers?: Record<string, string>,
  ])[] = [
    ["where there is no route", "/v1/nothing", 404, "ROUTE_NOT_FOUND"],
    ["on a unary route", "/v1/act/x", 400, "WEBSOCKET_NOT_SERVED"],
    ["on a unary route of another method", "/v1/echo", 400, "WEBSOCKET_NOT_SERVED"],
    ["for a path that cannot be decoded", "/v1/watch/%ff", 400, "PATH_MALFORMED"],
    ["for an unknown parameter", "/v1/watch/x?nope=1", 400, "FIELD_UNKNOWN"],
    ["for a parameter beside a body that is the whole message", "/v1/chat/x?f_int32=1", 400, "FIELD_UNKNOWN"],
    ["for a timeout that is none", "/v1/watch/x", 400, "HEADER_INVALID", { "grpc-timeout": "soon" }],
    ["to pages of other origins", "/v1/watch/x", 403, "ORIGIN_NOT_ALLOWED", { origin: "https://evil.example" }],
    ["to pages without an origin", "/v1/watch/x", 403, "ORIGIN_NOT_ALLOWED", { origin: "null" }],
  ];
  for (const [what, path, code, reason, headers = {}] of cases) {
    it(`${what}: ${code}`, async (t) => {
      const { gateway } = await startKindsGateway(t);
      const reply = await refusalOf(gateway, path, { headers });
      assert.deepEqual([reply.status, (reply.json as ErrorJson).details.at(-1)?.["reason"]], [code, reason]);
      assert.ok(reply.headers["x-request-id"] !== undefined);
      const line = gateway.lines.find((entry) => entry["msg"] === "request");
      assert.deepEqual([line?.["status"], line?.["error"]], [code, reason]);
    });
  }

  it("where more are open than allowed, until one has closed", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ websocket: { max_connections: 1 } }" });
    const first = await openSocket(t, gateway, "/v1/chat/x");
    const reply = await refusalOf(gateway, "/v1/chat/x");
    assert.deepEqual([reply.status, reply.headers["retry-after"]], [503, "1"]);
    first.send("");
    await first.closed;
    const second = await openSocket(t, gateway, "/v1/chat/x");
    second.send("");
    await second.closed;
  });

  it("to no page of the site itself, nor of an origin that is allowed", async (t) => {
    const { gateway } = await startKindsGateway(t, {
      server: '{ websocket: { allowed_origins: ["https://app.example", "https://*.shop.example"] } }',
    });
    for (const origin of [
      `http://127.0.0.1:${gateway.port}`,
      `https://127.0.0.1:${gateway.port}`,
      "https://app.example",
      "https://a.b.shop.example",
    ]) {
      const client = await openSocket(t, gateway, "/v1/chat/x", { headers: { origin } });
      client.send("");
      await client.closed;
    }
    for (const origin of [
      "http://app.example",
      "https://app.example:444",
      "https://shop.example",
      "https://evil.example",
    ]) {
      assert.equal((await refusalOf(gateway, "/v1/chat/x", { headers: { origin } })).status, 403);
    }
  });
});
