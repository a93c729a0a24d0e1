import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { describe, it } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import { errorTable } from "../../src/core/errors.ts";
import { startTestGateway } from "../support/gateway.ts";
import {
  encode,
  kindsYaml,
  metadataOf,
  startKinds,
  startKindsGateway,
  type ErrorJson,
  type UnaryReply,
} from "../support/kinds.ts";
import { ask, type RawReply } from "../support/raw-http.ts";
import { bytes } from "../support/wire-bytes.ts";

const CODES: readonly (readonly [code: number, http: number])[] = [
  [status.CANCELLED, 499],
  [status.UNKNOWN, 500],
  [status.INVALID_ARGUMENT, 400],
  [status.DEADLINE_EXCEEDED, 504],
  [status.NOT_FOUND, 404],
  [status.ALREADY_EXISTS, 409],
  [status.PERMISSION_DENIED, 403],
  [status.RESOURCE_EXHAUSTED, 429],
  [status.FAILED_PRECONDITION, 400],
  [status.ABORTED, 409],
  [status.OUT_OF_RANGE, 400],
  [status.UNIMPLEMENTED, 501],
  [status.INTERNAL, 500],
  [status.UNAVAILABLE, 503],
  [status.DATA_LOSS, 500],
  [status.UNAUTHENTICATED, 401],
];

/** google.rpc.Status as bytes: code = 1, message = 2, details = 3 (google.protobuf.Any). */
function statusBytes(
  code: number,
  message: string,
  details: readonly (readonly [type: string, value: Buffer])[],
): Buffer {
  const anys = details.map(([type, value]) =>
    field(3, Buffer.concat([field(1, Buffer.from(`type.googleapis.com/${type}`)), field(2, value)])),
  );
  return Buffer.concat([Buffer.from([0x08, code]), field(2, Buffer.from(message)), ...anys]);
}

function field(number: number, value: Buffer): Buffer {
  assert.ok(value.length < 16384);
  const length = value.length < 128 ? [value.length] : [(value.length & 0x7f) | 0x80, value.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), value]);
}

function failWith(reply: UnaryReply, code: number, details: string, metadata = new Metadata()): void {
  reply({ code, details, metadata });
}

/** Holds what no error may show: where the code lies, where instances listen, what called what. */
function assertTellsNothing(reply: RawReply, ...secrets: string[]): void {
  const all = `${reply.rawHeaders.join("\n")}\n${reply.text()}`;
  for (const secret of [process.cwd(), "node_modules", "node:", "\\n    at ", ".ts:", ...secrets]) {
    assert.ok(!all.includes(secret), `${JSON.stringify(secret)} in ${all}`);
  }
}

function errorOf(reply: RawReply): ErrorJson {
  assert.equal(reply.headers["content-type"], "application/json");
  const json = reply.json() as ErrorJson;
  assert.deepEqual(Object.keys(json), ["code", "message", "details"]);
  return json;
}

describe("a failure of the upstream's own", () => {
  it("has the HTTP status of its code, its message, no details where there are none, and no mark of the gateway", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    for (const [code, http] of CODES) {
      upstream.behaviour.act = (_, reply) => failWith(reply, code, `reason ${code}`);
      const reply = await ask(gateway, "/v1/act/x", { method: "POST" });
      assert.deepEqual([reply.status, errorOf(reply)], [http, { code, message: `reason ${code}`, details: [] }]);
    }
  });

  it("has its details expanded: known types as JSON, those of its own schema too, unknown ones as they came", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const info = Buffer.concat([field(1, Buffer.from("BANNED")), field(2, Buffer.from("shop.test"))]);
    const details = statusBytes(5, "no such thing", [
      ["google.rpc.ErrorInfo", info],
      ["kinds.v1.Reason", field(1, Buffer.from("gone für immer"))],
      ["acme.v1.Unheard", Buffer.from([1, 2, 3])],
      ["google.rpc.ErrorInfo", Buffer.from([0xff])], // not of that type
    ]);
    upstream.behaviour.act = (_, reply) =>
      failWith(reply, 5, "no such thing", metadataOf({ "grpc-status-details-bin": details }));
    const reply = await ask(gateway, "/v1/act/x");
    assert.equal(reply.status, 404);
    assert.deepEqual(errorOf(reply), {
      code: 5,
      message: "no such thing",
      details: [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "BANNED", domain: "shop.test" },
        { "@type": "type.googleapis.com/kinds.v1.Reason", text: "gone für immer" },
        { "@type": "type.googleapis.com/acme.v1.Unheard", value: "AQID" },
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", value: "/w==" },
      ],
    });
    assert.ok(!("grpc-status-details-bin" in reply.headers));
  });

  it("keeps its code and message where the details are no google.rpc.Status", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    upstream.behaviour.act = (_, reply) =>
      failWith(reply, 9, "not now", metadataOf({ "grpc-status-details-bin": Buffer.from([0xff, 0xff]) }));
    const reply = await ask(gateway, "/v1/act/x");
    assert.deepEqual(errorOf(reply), { code: 9, message: "not now", details: [] });
  });

  it("keeps a message in any script, with quotes, control characters and lone surrogates made safe", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const message = 'ünbekannt: "書"\n\t\u0001 😀 100 % %41';
    upstream.behaviour.act = (_, reply) => failWith(reply, 3, message);
    const reply = await ask(gateway, "/v1/act/x");
    assert.equal(errorOf(reply).message, message);
  });

  it("keeps headers and trailers that may cross, and its own error details out of them", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    upstream.behaviour.act = (call, reply) => {
      call.sendMetadata(metadataOf({ "x-initial": "one" }));
      failWith(reply, 7, "no", metadataOf({ "x-trailer": "two", "x-trailer-bin": Buffer.from("three") }));
    };
    const reply = await ask(gateway, "/v1/act/x");
    assert.equal(reply.status, 403);
    assert.equal(reply.headers["x-initial"], "one");
    assert.equal(reply.headers["x-trailer"], "two");
    assert.equal(reply.headers["x-trailer-bin"], Buffer.from("three").toString("base64"));
  });
});

describe("a failure of the gateway's", () => {
  it("names its permanent code, and nothing of the inside", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const rows: readonly [
      path: string,
      options: Parameters<typeof ask>[2],
      code: keyof typeof errorTable,
      extra?: object,
    ][] = [
      ["/v1/nothing", {}, "ROUTE_NOT_FOUND"],
      ["/v1/act/x", { method: "DELETE" }, "METHOD_NOT_ALLOWED"],
      ["/v1/act/%zz", {}, "PATH_MALFORMED"],
      ["/v1/echo", { body: "{" }, "BODY_MALFORMED"],
      ["/v1/echo", { body: '{"fInt32":"x"}' }, "FIELD_INVALID"],
      ["/v1/echo", { body: '{"nothing":1}' }, "FIELD_UNKNOWN"],
      ["/v1/act/x?nothing=1", {}, "FIELD_UNKNOWN"],
      ["/v1/echo/abc", {}, "FIELD_INVALID"],
      ["/v1/act/x", { body: '{"count":1}' }, "BODY_NOT_ALLOWED"],
      ["/v1/echo", { body: "a=b", headers: { "content-type": "text/plain" } }, "UNSUPPORTED_MEDIA_TYPE"],
      ["/v1/echo", { body: "{}", headers: { "content-encoding": "compress" } }, "UNSUPPORTED_CONTENT_ENCODING"],
      ["/v1/echo", { body: "{}", headers: { "content-encoding": "gzip" } }, "BODY_ENCODING_INVALID"],
      [
        "/v1/collect",
        { body: gzipSync(Buffer.alloc(8 << 20, " ")), headers: { "content-encoding": "gzip" } },
        "BODY_EXPANDS_TOO_FAR",
      ],
      ["/v1/act/x", { headers: { "grpc-timeout": "soon" } }, "HEADER_INVALID"],
      ["/v1/echo", { body: "a", headers: { "content-type": "multipart/form-data; boundary=b" } }, "FORM_MALFORMED"],
      [
        "/v1/echo",
        {
          body: "f_string=a",
          headers: { "content-type": "application/x-www-form-urlencoded", origin: "https://elsewhere.test" },
        },
        "FORM_CROSS_ORIGIN",
      ],
    ];
    for (const [path, options, code] of rows) {
      const before = gateway.lines.length;
      const reply = await ask(gateway, path, options);
      const json = errorOf(reply);
      const row = errorTable[code];
      assert.deepEqual([reply.status, json.code], [row.http, row.grpc], `${code} ${reply.text()}`);
      assert.deepEqual(json.details.at(-1), {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: code,
        domain: "sluice",
      });
      assertTellsNothing(reply, upstream.address);
      const logged = gateway.lines.slice(before);
      assert.deepEqual(
        logged.map((line) => [line["msg"], line["error"], line["level"]]),
        [["request", code, "info"]],
      );
    }
  });

  it("says which methods a path has", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const reply = await ask(gateway, "/v1/echo", { method: "PUT" });
    assert.deepEqual([reply.status, reply.headers["allow"]], [405, "OPTIONS, POST"]);
    const other = await ask(gateway, "/v1/act/x", { method: "PUT" });
    assert.deepEqual([other.status, other.headers["allow"]], [405, "GET, HEAD, OPTIONS, POST"]);
  });

  it("is 503 with Retry-After where no instance is ready, without its address", async (t) => {
    const upstream = await startKinds(t);
    const { address } = upstream;
    upstream.destroy();
    const gateway = await startTestGateway(
      t,
      kindsYaml(address, { defaults: "{ wait_for_ready: { timeout: 50ms } }" }),
    );
    for (const path of ["/v1/act/x", "/v1/watch/x"]) {
      const reply = await ask(gateway, path);
      assert.equal(reply.status, 503);
      assert.equal(reply.headers["retry-after"], "1");
      assert.equal(errorOf(reply).message, "upstream kinds has no ready instance");
      assertTellsNothing(reply, address, address.split(":")[1] ?? "");
    }
  });

  it("is 503 at once where too many calls wait", async (t) => {
    const upstream = await startKinds(t);
    upstream.destroy();
    const gateway = await startTestGateway(
      t,
      kindsYaml(upstream.address, { defaults: "{ timeout: 10s, wait_for_ready: { timeout: 300ms, queue: 1 } }" }),
    );
    const replies = await Promise.all([ask(gateway, "/v1/act/x"), ask(gateway, "/v1/act/x")]);
    const reasons = replies.map((reply) => [reply.status, errorOf(reply).details.at(-1)?.["reason"]]);
    assert.deepEqual(reasons.sort(), [
      [503, "UPSTREAM_QUEUE_FULL"],
      [503, "UPSTREAM_UNAVAILABLE"],
    ]);
    assert.deepEqual(
      replies.map((reply) => reply.headers["retry-after"]),
      ["1", "1"],
    );
  });

  it("is 504 at the route's timeout, and the upstream sees the deadline and the end of the call", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const deadline = Promise.withResolvers<number>();
    const { gateway } = await startKindsGateway(
      t,
      { act: "timeout: 150ms" },
      {
        act(call) {
          deadline.resolve(Number(call.getDeadline()) - Date.now());
          call.on("cancelled", cancelled.resolve);
        },
      },
    );
    const reply = await ask(gateway, "/v1/act/x");
    assert.equal(reply.status, 504);
    // The upstream, which was told, may have been the first to see it.
    assert.equal(errorOf(reply).code, 4);
    const ms = await deadline.promise;
    assert.ok(ms > 0 && ms <= 150, `deadline in ${ms} ms`);
    await cancelled.promise;
  });

  it("is 504 at the client's grpc-timeout where that is shorter than the route's", async (t) => {
    const { gateway } = await startKindsGateway(t, {}, { act() {}, watch() {} });
    for (const path of ["/v1/act/x", "/v1/watch/x"]) {
      const reply = await ask(gateway, path, { headers: { "grpc-timeout": "60m" } });
      assert.deepEqual([reply.status, errorOf(reply).code], [504, 4]);
    }
  });

  it("cannot be made longer than the route's timeout by grpc-timeout", async (t) => {
    const { gateway } = await startKindsGateway(t, { act: "timeout: 50ms" }, { act() {} });
    const reply = await ask(gateway, "/v1/act/x", { headers: { "grpc-timeout": "8H" } });
    assert.deepEqual([reply.status, errorOf(reply).code], [504, 4]);
  });
});

describe("a reply message", () => {
  it("larger than the upstream's limit is 502", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { upstream: "limits: { message: 1KiB }" });
    upstream.behaviour.act = (_, reply) => reply(null, encode("Result", { name: "x".repeat(2000) }));
    const reply = await ask(gateway, "/v1/act/x");
    assert.equal(reply.status, 502);
    assert.equal(errorOf(reply).details.at(-1)?.["reason"], "UPSTREAM_MESSAGE_TOO_LARGE");
  });

  it("nested without end is 502 with code 13, and the process lives", async (t) => {
    // f_message = 17, each holding the next.
    let nested: Buffer = Buffer.alloc(0);
    for (let depth = 0; depth < 5000; depth++) nested = bytes(17, nested);
    const gateway = await startEcho(t, nested);
    for (let times = 0; times < 2; times++) {
      const reply = await ask(gateway, "/v1/echo", { body: "{}" });
      assert.deepEqual([reply.status, errorOf(reply).code], [502, 13]);
      assertTellsNothing(reply);
    }
  });
});

/** A gateway whose Echo answers with these bytes. */
async function startEcho(t: Parameters<typeof startKinds>[0], bytes: Buffer) {
  const { startGrpcServer } = await import("../support/grpc-server.ts");
  const server = await startGrpcServer({
    "/kinds.v1.Kinds/Echo": { kind: "unary", handle: (_, reply) => reply(null, bytes) },
  });
  t.after(() => server.destroy());
  return startTestGateway(t, kindsYaml(server.address));
}
