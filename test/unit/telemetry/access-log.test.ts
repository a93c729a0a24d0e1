import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RequestRecord } from "../../../src/exchange/observer.ts";
import { writeAccessLine } from "../../../src/telemetry/access-log.ts";
import { createLog, type LogLevel } from "../../../src/telemetry/log.ts";

const RECORD: RequestRecord = {
  method: "GET",
  path: "/v1/a",
  template: "/v1/{name}",
  rpc: "a.B/C",
  upstream: "u",
  status: 200,
  grpcCode: 0,
  errorCode: "",
  cause: undefined,
  requestId: "id",
  clientAddress: "::1",
  startMs: 1000,
  endMs: 1012.34567,
  callStartMs: 1002,
  bytesIn: 1,
  bytesOut: 2,
  messagesOut: 0,
};

function lineOf(changes: Partial<RequestRecord>, level: LogLevel = "info"): Record<string, unknown> | null {
  const lines: string[] = [];
  const log = createLog({ level, out: { write: (line) => lines.push(line) } });
  writeAccessLine(log, { ...RECORD, ...changes });
  log.flush();
  assert.ok(lines.length <= 1);
  const [line] = lines;
  if (line === undefined) return null;
  assert.ok(line.endsWith("}\n") && line.indexOf("\n") === line.length - 1);
  return JSON.parse(line) as Record<string, unknown>;
}

describe("writeAccessLine()", () => {
  it("writes one line of JSON with the times in milliseconds", () => {
    const { time, ...rest } = lineOf({}) ?? {};
    assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(rest, {
      level: "info",
      msg: "request",
      method: "GET",
      path: "/v1/a",
      route: "/v1/{name}",
      status: 200,
      grpc_status: "OK",
      rpc: "a.B/C",
      upstream: "u",
      duration_ms: 12.346,
      upstream_ms: 10.346,
      bytes_in: 1,
      bytes_out: 2,
      client: "::1",
      request_id: "id",
    });
  });

  it("leaves out what did not happen", () => {
    const line = lineOf({ callStartMs: NaN });
    assert.ok(line !== null && !("upstream_ms" in line) && !("messages_out" in line) && !("error" in line));
    assert.equal(lineOf({ messagesOut: 3 })?.["messages_out"], 3);
  });

  it("stays one line of JSON whatever stands in a path", () => {
    for (const path of [
      '/"',
      "/\\",
      "/\n",
      "/\u0000",
      "/\u2028",
      "/ü",
      "/😀",
      "/\ud800",
      "/\x7f",
      '/","level":"error',
    ]) {
      assert.equal(lineOf({ path })?.["path"], path);
    }
  });

  it("tells the cause of a failure: an error's stack, a gRPC status by its text", () => {
    const error = lineOf({ status: 500, grpcCode: 13, errorCode: "INTERNAL", cause: new Error("lost a bolt") });
    assert.equal(error?.["error"], "INTERNAL");
    assert.match(String(error?.["cause"]), /lost a bolt\n {4}at /);
    const status = { code: 14, details: "Connection dropped", metadata: {} };
    assert.equal(lineOf({ cause: status })?.["cause"], "Connection dropped");
    assert.equal(lineOf({ cause: null })?.["cause"], "null");
  });

  it("is an error only where the gateway itself is at fault, and then it is written at that level too", () => {
    assert.equal(lineOf({ status: 503, errorCode: "UPSTREAM_UNAVAILABLE" })?.["level"], "info");
    assert.equal(lineOf({ errorCode: "INTERNAL" })?.["level"], "error");
    assert.equal(lineOf({}, "warn"), null);
    assert.equal(lineOf({ errorCode: "INTERNAL" }, "error")?.["level"], "error");
    assert.equal(lineOf({ errorCode: "INTERNAL" }, "silent"), null);
  });
});
