import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import { startTestGateway } from "../support/gateway.ts";
import {
  decodeAction,
  encode,
  kindsYaml,
  metadataOf,
  startKinds,
  startKindsGateway,
  type Behaviour,
  type ErrorJson,
  type StreamCall,
} from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";

const NDJSON = "application/x-ndjson";
const JSON_ARRAY = "application/json";
const EVENTS = "text/event-stream";

function watching(...names: readonly string[]) {
  return {
    watch(call: StreamCall) {
      for (const name of names) call.write(encode("Result", { name }));
      call.end();
    },
  };
}

function breaking(...names: readonly string[]) {
  return {
    watch(call: StreamCall) {
      for (const name of names) call.write(encode("Result", { name }));
      call.emit("error", { code: status.ABORTED, details: "enough", metadata: new Metadata() });
    },
  };
}

describe("a stream of replies has the shape that Accept asks for", () => {
  const shapes: readonly (readonly [accept: string | undefined, type: string, text: string])[] = [
    [undefined, NDJSON, '{"result":{"name":"ü"}}\n{"result":{"name":"b"}}\n{"result":{}}\n'],
    ["*/*", NDJSON, '{"result":{"name":"ü"}}\n{"result":{"name":"b"}}\n{"result":{}}\n'],
    [NDJSON, NDJSON, '{"result":{"name":"ü"}}\n{"result":{"name":"b"}}\n{"result":{}}\n'],
    [JSON_ARRAY, JSON_ARRAY, '[{"name":"ü"},\n{"name":"b"},\n{}]'],
    ["application/json, text/plain, */*", JSON_ARRAY, '[{"name":"ü"},\n{"name":"b"},\n{}]'],
    [EVENTS, EVENTS, 'data: {"name":"ü"}\n\ndata: {"name":"b"}\n\ndata: {}\n\n'],
  ];
  for (const [accept, type, text] of shapes) {
    it(`${accept ?? "nothing"} -> ${type}`, async (t) => {
      const { gateway } = await startKindsGateway(t, {}, watching("ü", "b", ""));
      const reply = await ask(gateway, "/v1/watch/x", { headers: accept === undefined ? {} : { accept } });
      assert.deepEqual([reply.status, reply.headers["content-type"], reply.text()], [200, type, text]);
      assert.ok(reply.complete);
      assert.deepEqual([reply.headers["vary"], reply.headers["x-accel-buffering"]], ["accept", "no"]);
      assert.equal(reply.headers["cache-control"], type === EVENTS ? "no-cache" : undefined);
    });
  }

  for (const [accept, text] of [
    [NDJSON, ""],
    [JSON_ARRAY, "[]"],
    [EVENTS, ""],
  ] as const) {
    it(`${accept} without a message is ${JSON.stringify(text)}`, async (t) => {
      const { gateway } = await startKindsGateway(t, {}, watching());
      const reply = await ask(gateway, "/v1/watch/x", { headers: { accept } });
      assert.deepEqual([reply.status, reply.headers["content-type"], reply.text()], [200, accept, text]);
    });
  }

  it("is refused with 406, without a call, where nothing fits", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch() {
          assert.fail("called");
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x", { headers: { accept: "text/html, application/json;q=0" } });
    assert.deepEqual([reply.status, reply.headers["content-type"]], [406, "application/json"]);
    const { message, details } = reply.json() as ErrorJson;
    assert.equal(
      message,
      'accept "text/html, application/json;q=0" leaves no way to answer; ' +
        "there is application/x-ndjson, application/json, text/event-stream",
    );
    assert.equal(details.at(-1)?.["reason"], "NOT_ACCEPTABLE");
  });

  it("keeps the upstream's own cache-control", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.sendMetadata(metadataOf({ "cache-control": "no-store" }));
          call.write(encode("Result", {}));
          call.end();
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x", { headers: { accept: EVENTS } });
    assert.equal(reply.headers["cache-control"], "no-store");
  });

  for (const accept of [JSON_ARRAY, EVENTS]) {
    it(`${accept}: a call that fails at once has its true status`, async (t) => {
      const { gateway } = await startKindsGateway(t, {}, breaking());
      const reply = await ask(gateway, "/v1/watch/x", { headers: { accept } });
      assert.deepEqual([reply.status, reply.headers["content-type"]], [409, "application/json"]);
      assert.deepEqual(reply.json(), { code: 10, message: "enough", details: [] });
    });
  }

  for (const [accept, texts] of [
    [JSON_ARRAY, ['[{"name":"one"}', ',\n{"name":"two"}']],
    [EVENTS, ['data: {"name":"one"}\n\n', 'data: {"name":"two"}\n\n']],
  ] as const) {
    it(`${accept}: each message is written as it comes`, async (t) => {
      const started = Promise.withResolvers<StreamCall>();
      const { gateway } = await startKindsGateway(t, {}, { watch: started.resolve });
      const client = new RawClient(gateway.port).send(requestBytes("/v1/watch/x", { headers: { accept } }));
      const call = await started.promise;
      for (const [index, name] of ["one", "two"].entries()) {
        call.write(encode("Result", { name }));
        await client.until(texts[index] ?? "");
      }
      client.close();
    });
  }
});

describe("a failure in the middle is no end", () => {
  it("of events: the last one is `error`, with the status", async (t) => {
    const { gateway } = await startKindsGateway(t, {}, breaking("one"));
    const reply = await ask(gateway, "/v1/watch/x", { headers: { accept: EVENTS } });
    assert.equal(
      reply.text(),
      'data: {"name":"one"}\n\nevent: error\ndata: {"code":10,"message":"enough","details":[]}\n\n',
    );
    assert.ok(reply.complete);
  });

  for (const [what, watch] of [
    ["the upstream's", breaking("one").watch],
    [
      "a message that cannot be read",
      (call: StreamCall) => {
        call.write(encode("Result", { name: "one" }));
        call.write(Buffer.from([0x0a, 0x05, 0x41]));
      },
    ],
  ] as const) {
    it(`of an array, ${what}: what came is sent, then the connection breaks off`, async (t) => {
      const { gateway } = await startKindsGateway(t, {}, { watch });
      const reply = await ask(gateway, "/v1/watch/x", { headers: { accept: JSON_ARRAY } });
      assert.deepEqual([reply.status, reply.text(), reply.complete], [200, '[{"name":"one"}', false]);
      const line = gateway.lines.find((entry) => entry["msg"] === "request");
      const isOurs = what !== "the upstream's";
      assert.deepEqual(
        [line?.["status"], line?.["grpc_status"], line?.["messages_out"], line?.["error"]],
        [200, isOurs ? "INTERNAL" : "ABORTED", 1, isOurs ? "UPSTREAM_MESSAGE_INVALID" : undefined],
      );
    });
  }

  it("of an array to an HTTP/1.0 client, which knows no chunks: the connection is reset", async (t) => {
    const started = Promise.withResolvers<StreamCall>();
    const { gateway } = await startKindsGateway(t, {}, { watch: started.resolve });
    const client = new RawClient(gateway.port);
    const reset = new Promise<NodeJS.ErrnoException>((resolve) => client.socket.on("error", resolve));
    client.send(`GET /v1/watch/x HTTP/1.0\r\nHost: gateway.test\r\nAccept: ${JSON_ARRAY}\r\n\r\n`);
    const call = await started.promise;
    call.write(encode("Result", { name: "one" }));
    await client.until('[{"name":"one"}');
    call.emit("error", { code: status.ABORTED, details: "enough", metadata: new Metadata() });
    assert.equal((await reset).code, "ECONNRESET");
  });
});

describe("stream.heartbeat", () => {
  it("is a comment whenever a stream of events is silent, and nothing in other shapes", async (t) => {
    const started: StreamCall[] = [];
    const { gateway } = await startKindsGateway(
      t,
      { defaults: "{ stream: { heartbeat: 20ms } }" },
      {
        watch(call) {
          started.push(call);
          call.write(encode("Result", { name: "one" }));
        },
      },
    );
    const clients = [EVENTS, NDJSON].map((accept) =>
      new RawClient(gateway.port).send(requestBytes("/v1/watch/x", { headers: { accept } })),
    );
    const [events, lines] = clients as [RawClient, RawClient];
    await lines.until('{"result":{"name":"one"}}\n');
    await events.until(":\n\n\r\n3\r\n:\n\n"); // two in a row
    for (const call of started) call.end();
    const replies = await Promise.all(clients.map((client) => client.reply()));
    for (const client of clients) client.close();
    assert.match(replies[0]?.text() ?? "", /^data: {"name":"one"}\n\n(:\n\n){2,}$/);
    assert.equal(replies[1]?.text(), '{"result":{"name":"one"}}\n');
  });
});

describe("stream: { ndjson: bare }", () => {
  it("has messages as lines, failures as before, and changes no other shape", async (t) => {
    const { gateway } = await startKindsGateway(t, { defaults: "{ stream: { ndjson: bare } }" }, breaking("a", ""));
    const lines = (await ask(gateway, "/v1/watch/x")).text().split("\n");
    assert.deepEqual(lines, ['{"name":"a"}', "{}", '{"error":{"code":10,"message":"enough","details":[]}}', ""]);
    const events = await ask(gateway, "/v1/watch/x", { headers: { accept: EVENTS } });
    assert.match(events.text(), /^data: {"name":"a"}\n\ndata: {}\n\nevent: error\n/);
  });
});

describe("stream: { sse }", () => {
  const ROUTE =
    '  - { rpc: kinds.v1.Kinds/Watch, get: "/v1/events", stream: { sse: { id: index, event: name, last_event_id: count, retry: 1500ms } } }\n';

  async function start(t: TestContext, behaviour: Partial<Behaviour>) {
    const upstream = await startKinds(t, behaviour);
    return startTestGateway(t, kindsYaml(upstream.address) + ROUTE);
  }

  it("gives events an id and a type from fields, and clients a time to wait", async (t) => {
    const names = ["made", "", "error", "two words", "a\nid: 9"];
    const gateway = await start(t, {
      watch(call) {
        for (const [index, name] of names.entries()) call.write(encode("Result", { name, index: index * 2 }));
        call.end();
      },
    });
    const events = (await ask(gateway, "/v1/events", { headers: { accept: EVENTS } })).text().split("\n\n");
    assert.deepEqual(events, [
      'retry: 1500\nid: 0\nevent: made\ndata: {"name":"made"}',
      'id: 2\ndata: {"index":2}',
      'id: 4\ndata: {"name":"error","index":4}',
      'id: 6\ndata: {"name":"two words","index":6}',
      'id: 8\ndata: {"name":"a\\nid: 9","index":8}',
      "",
    ]);
    const lines = await ask(gateway, "/v1/events");
    assert.match(lines.text(), /^{"result":{"name":"made"}}\n/);
  });

  it("hands Last-Event-ID on as a field", async (t) => {
    const counts: number[] = [];
    const gateway = await start(t, {
      watch(call) {
        counts.push(decodeAction(call.request).count);
        call.end();
      },
    });
    await ask(gateway, "/v1/events", { headers: { accept: EVENTS, "last-event-id": "42" } });
    await ask(gateway, "/v1/events", { headers: { accept: EVENTS } });
    const bad = await ask(gateway, "/v1/events", { headers: { accept: EVENTS, "last-event-id": "x" } });
    assert.deepEqual([counts, bad.status], [[42, 0], 400]);
    assert.match((bad.json() as ErrorJson).message, /^header last-event-id: /);
  });
});
