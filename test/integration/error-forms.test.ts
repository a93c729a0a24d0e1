import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import {
  encode,
  metadataOf,
  startKindsGateway,
  type StreamCall,
  type UnaryCall,
  type UnaryReply,
} from "../support/kinds.ts";
import { ask, RawClient } from "../support/raw-http.ts";

const ENVELOPE =
  'errors: { envelope: { code: "{code}", msg: "{message}", more: { list: ["{details}", 1, null] }, request_id: "{request_id}", ' +
  'http: "{http_status}", text: "E{code} {{{status}}} \\"{message}\\"" } }';

// A detail that a registry knows, and one that none does.
const DETAILS = [
  { "@type": "type.googleapis.com/kinds.v1.Reason", text: "sold out" },
  { "@type": "type.googleapis.com/nobody.Knows", value: Buffer.from("\x01\xff", "latin1").toString("base64") },
];

/** google.rpc.Status with the details above; the second cannot be written as JSON by anyone. */
const STATUS_BYTES = (() => {
  const known = encode("google.rpc.Status", { code: 9, details: DETAILS.slice(0, 1) });
  const any = Buffer.concat([
    lengthed(1, Buffer.from("type.googleapis.com/nobody.Knows")),
    lengthed(2, Buffer.from([1, 0xff])),
  ]);
  return Buffer.concat([known, lengthed(3, any)]);
})();

function lengthed(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2, value.length]), value]);
}

function fail(_: UnaryCall, reply: UnaryReply): void {
  const metadata = metadataOf({ "grpc-status-details-bin": STATUS_BYTES });
  reply({ code: status.FAILED_PRECONDITION, details: 'sold "out" ü', metadata });
}

function failLate(call: StreamCall): void {
  call.write(encode("Result", { name: "a" }));
  call.emit("error", { code: status.ABORTED, details: "enough", metadata: new Metadata() });
}

const CLIENT = { headers: { "x-request-id": "r-1" } };

describe("errors: { envelope: … }", () => {
  it("is the shape of an upstream's failure, numbers and lists in their own type, unknown details kept", async (t) => {
    const { gateway } = await startKindsGateway(t, { defaults: `{ ${ENVELOPE} }` }, { act: fail });
    for (const accept of ["*/*", "application/json, application/problem+json"]) {
      const reply = await ask(gateway, "/v1/act/x", { headers: { ...CLIENT.headers, accept } });
      assert.deepEqual([reply.status, reply.headers["content-type"]], [400, "application/json"]);
      assert.deepEqual(reply.json(), {
        code: 9,
        msg: 'sold "out" ü',
        more: { list: [DETAILS, 1, null] },
        request_id: "r-1",
        http: 400,
        text: 'E9 {FAILED_PRECONDITION} "sold "out" ü"',
      });
    }
  });

  it("is that of the gateway's own failures, of a route and of none, and of bytes that are no HTTP", async (t) => {
    const { gateway } = await startKindsGateway(t, { defaults: `{ ${ENVELOPE} }` });
    const reasonOf = (json: unknown): unknown =>
      (json as { more: { list: [{ reason?: string }[]] } }).more.list[0].at(-1)?.reason;
    for (const [path, method, http, code, reason] of [
      ["/v1/echo", "POST", 400, 3, "BODY_MALFORMED"],
      ["/v1/nowhere", "GET", 404, 5, "ROUTE_NOT_FOUND"],
      ["/v1/echo", "GET", 405, 12, "METHOD_NOT_ALLOWED"],
    ] as const) {
      const reply = await ask(gateway, path, { ...CLIENT, method, ...(http === 400 ? { body: "{" } : {}) });
      const json = reply.json() as Record<string, unknown>;
      assert.deepEqual([reply.status, json["code"], json["http"], json["request_id"]], [http, code, http, "r-1"]);
      assert.equal(reasonOf(json), reason);
    }
    const refused = await new RawClient(gateway.port).send("NONSENSE\r\n\r\n").reply();
    const json = refused.json() as Record<string, unknown>;
    assert.deepEqual([refused.status, json["http"], json["request_id"]], [400, 400, ""]);
    assert.equal(reasonOf(json), "HTTP_MALFORMED");
  });

  it("ends a stream that fails, and a route may have another", async (t) => {
    const config = {
      defaults: '{ errors: { envelope: { c: "{code}", m: "{message}", h: "{http_status}" } } }',
      act: "errors: { format: google.rpc.Status }",
    };
    const { gateway } = await startKindsGateway(t, config, { act: fail, watch: failLate });
    const lines = (await ask(gateway, "/v1/watch/x")).text().split("\n");
    assert.deepEqual(lines, ['{"result":{"name":"a"}}', '{"error":{"c":10,"m":"enough","h":409}}', ""]);
    const events = await ask(gateway, "/v1/watch/x", { headers: { accept: "text/event-stream" } });
    assert.match(events.text(), /\n\nevent: error\ndata: {"c":10,"m":"enough","h":409}\n\n$/);
    const { code, message, details } = (await ask(gateway, "/v1/act/x")).json() as Record<string, unknown>;
    assert.deepEqual({ code, message, details }, { code: 9, message: 'sold "out" ü', details: DETAILS });
  });
});

describe("errors: { format: problem+json }", () => {
  it("is for clients that do not ask for it, too", async (t) => {
    const { gateway } = await startKindsGateway(t, { defaults: "{ errors: { format: problem+json } }" }, { act: fail });
    for (const [path, http, title, code] of [
      ["/v1/act/x", 400, "Bad Request", 9],
      ["/v1/nowhere", 404, "Not Found", 5],
    ] as const) {
      const reply = await ask(gateway, path);
      const json = reply.json() as Record<string, unknown>;
      assert.deepEqual([reply.status, reply.headers["content-type"]], [http, "application/problem+json"]);
      assert.deepEqual([json["status"], json["title"], json["code"]], [http, title, code]);
      if (code === 9) assert.deepEqual(json["details"], DETAILS);
    }
  });
});
