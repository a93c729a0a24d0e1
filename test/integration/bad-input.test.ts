// What hostile clients and upstreams send, row by row: the precise status, the place, the reason, one line in the log.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TestGateway } from "../support/gateway.ts";
import { startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { ask, type RawReply } from "../support/raw-http.ts";
import { bytes, group, number, tag, varint, VARINT } from "../support/wire-bytes.ts";

const MALFORMED = "BODY_MALFORMED";
const INVALID = "FIELD_INVALID";
const UNKNOWN = "FIELD_UNKNOWN";
const LARGE = 10 << 20;

interface Refused {
  readonly what: string;
  /** Sent to POST /v1/echo, or in its place a GET. */
  readonly body?: string | Buffer;
  readonly path?: string;
  /** 400 unless said otherwise. */
  readonly status?: number;
  readonly reason: string;
  readonly field: string | RegExp;
  readonly description: string | RegExp;
}

const nested = (open: string, close: string, core: string): string =>
  open.repeat(100_000) + core + close.repeat(100_000);
const TIMESTAMP = 'expected a timestamp such as "2026-01-31T23:59:59.5Z"';

const REFUSED: readonly Refused[] = [
  {
    what: "trailing garbage",
    body: '{"fInt32":1}\n{}',
    reason: MALFORMED,
    field: "body",
    description: 'unexpected "{" at line 2, column 1; expected nothing after the value',
  },
  {
    what: "depth 100,000 of messages",
    body: nested('{"fMessage":', "}", "{}"),
    reason: MALFORMED,
    field: /^fMessage(\.fMessage){10,30}.*…$/,
    description: "nested deeper than 100 levels at line 1, column 1201",
  },
  {
    what: "depth 100,000 of lists",
    body: `{"wValue":${nested("[", "]", "")}}`,
    reason: MALFORMED,
    field: /^wValue(\[0\]){10,70}.*…$/,
    description: "nested deeper than 100 levels at line 1, column 110",
  },
  {
    what: "depth 100,000 of an unknown field",
    body: `{"nope":${nested("[", "]", "")}}`,
    reason: UNKNOWN,
    field: "nope",
    description: "unknown field",
  },
  {
    what: "duplicate keys",
    body: '{"fMessage":{"fInt32":1,"fInt32":1}}',
    reason: INVALID,
    field: "fMessage.fInt32",
    description: "given twice",
  },
  {
    what: "duplicate keys, one escaped",
    body: '{"fInt32":1,"\\u0066Int32":1}',
    reason: INVALID,
    field: "fInt32",
    description: "given twice",
  },
  {
    what: "a lone surrogate",
    body: '{"rString":["a","\\ud83dx"]}',
    reason: INVALID,
    field: "rString[1]",
    description: 'expected a string without lone surrogates, got "\\ud83dx"',
  },
  {
    what: "invalid UTF-8",
    body: Buffer.from('{"mString":{"\xff":1}}', "latin1"),
    reason: MALFORMED,
    field: /^mString/,
    description: "invalid UTF-8 at line 1, column 14",
  },
  {
    what: "__proto__",
    body: '{"fMessage":{"__proto__":{"polluted":1}}}',
    reason: UNKNOWN,
    field: "fMessage.__proto__",
    description: "unknown field",
  },
  ...(["fInt64", "fInt32", "fDouble", "fFloat", "wValue", "fEnum"] as const).map((field) => ({
    what: `10 MB of digits for ${field}`,
    body: `{"${field}":${"9".repeat(LARGE)}}`,
    reason: INVALID,
    field,
    description: /^expected .{3,40}, got 9{30,50}…, which is out of range$/,
  })),
  {
    what: "10 MB of decimals for an int",
    body: `{"fInt32":1.${"0".repeat(LARGE)}1}`,
    reason: INVALID,
    field: "fInt32",
    description: /^expected an int32, got 1\.0{30,50}…$/,
  },
  {
    what: "NaN without quotes",
    body: '{"fDouble":NaN}',
    reason: MALFORMED,
    field: "fDouble",
    description: 'unexpected "N" at line 1, column 12; expected a JSON value',
  },
  {
    what: "NaN for an int",
    body: '{"fInt32":"NaN"}',
    reason: INVALID,
    field: "fInt32",
    description: 'expected an int32, got "NaN"',
  },
  {
    what: "int overflow",
    body: '{"rInt32":[1,4294967297]}',
    reason: INVALID,
    field: "rInt32[1]",
    description: "expected an int32, got 4294967297, which is out of range",
  },
  {
    what: "int overflow by an exponent",
    body: '{"fInt32":1e10}',
    reason: INVALID,
    field: "fInt32",
    description: "expected an int32, got 1e10, which is out of range",
  },
  {
    what: "bad base64",
    body: '{"fBytes":"a*b="}',
    reason: INVALID,
    field: "fBytes",
    description: 'expected base64, got "a*b="',
  },
  {
    what: "base64 of an impossible length",
    body: '{"fBytes":"AAAAA"}',
    reason: INVALID,
    field: "fBytes",
    description: 'expected base64, got "AAAAA"',
  },
  {
    what: "out-of-range Timestamp",
    body: '{"wTimestamp":"9999-12-31T23:59:59-00:01"}',
    reason: INVALID,
    field: "wTimestamp",
    description: `${TIMESTAMP}, got "9999-12-31T23:59:59-00:01", which is out of range`,
  },
  {
    what: "a Timestamp of year 10000",
    body: '{"wTimestamp":"10000-01-01T00:00:00Z"}',
    reason: INVALID,
    field: "wTimestamp",
    description: `${TIMESTAMP}, got "10000-01-01T00:00:00Z"`,
  },
  {
    what: "a repeated parameter for a singular field",
    path: "/v1/act/x?count=1&count=1",
    reason: INVALID,
    field: "count",
    description: "given twice",
  },
  {
    what: "int overflow in a parameter",
    path: "/v1/act/x?count=4294967297",
    reason: INVALID,
    field: "count",
    description: 'expected an int32, got "4294967297", which is out of range',
  },
  {
    what: "a fraction in the path",
    path: "/v1/echo/1.5",
    reason: INVALID,
    field: "f_int64",
    description: 'expected an int64, got "1.5"',
  },
  {
    what: "broken percent-encoding in a parameter",
    path: "/v1/act/x?count=1%2",
    reason: INVALID,
    field: "count",
    description: '"%2" is no percent-encoding; expected two hexadecimal digits after "%"',
  },
  {
    what: "percent-encoding that is no UTF-8 in a parameter's name",
    path: "/v1/act/x?c%C3unt=1",
    reason: INVALID,
    field: "c%C3unt",
    description: "percent-encoding is not valid UTF-8",
  },
  {
    what: "broken percent-encoding in the path",
    path: "/v1/act/a%zz",
    reason: "PATH_MALFORMED",
    field: "path",
    description: '"%zz" is no percent-encoding; expected two hexadecimal digits after "%"',
  },
  {
    what: "percent-encoding that is no UTF-8 in the path",
    path: "/v1/act/%c0%af",
    reason: "PATH_MALFORMED",
    field: "path",
    description: "percent-encoding is not valid UTF-8",
  },
  {
    what: "an empty segment",
    path: "/v1//act/x",
    status: 404,
    reason: "ROUTE_NOT_FOUND",
    field: "path",
    description: "segment 2 is empty",
  },
  {
    what: "an empty segment at the end",
    path: "/v1/act/x/",
    status: 404,
    reason: "ROUTE_NOT_FOUND",
    field: "path",
    description: "segment 4 is empty",
  },
];

/** Holds that one line was logged of the last request, the access line, and gives it. */
function onlyLine(gateway: TestGateway, before: number, what: string): Record<string, unknown> {
  const lines = gateway.lines.slice(before);
  assert.deepEqual(
    lines.map((line) => [line["msg"], line["level"], line["cause"]]),
    [["request", "info", undefined]],
    what,
  );
  return lines[0] as Record<string, unknown>; // it is there
}

function matches(found: string, wanted: string | RegExp, what: string): void {
  if (typeof wanted === "string") assert.equal(found, wanted, what);
  else assert.match(found, wanted, what);
}

function errorOf(reply: RawReply): { code: number; reason: unknown; violation: Record<string, string> | undefined } {
  const { code, details } = reply.json() as ErrorJson;
  const violations = details.find((detail) => String(detail["@type"]).endsWith("google.rpc.BadRequest"));
  const [violation] = (violations?.["fieldViolations"] ?? []) as Record<string, string>[];
  return { code, reason: details.at(-1)?.["reason"], violation };
}

describe("what a client sends amiss", () => {
  it("has its precise status and a body that names place and reason, and one line in the log", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ limits: { body: 16MiB } }" });
    for (const { what, body, path, status = 400, reason, field, description } of REFUSED) {
      const before = gateway.lines.length;
      const reply =
        path === undefined ? await ask(gateway, "/v1/echo", { body: body ?? "" }) : await ask(gateway, path);
      const error = errorOf(reply);
      const code = status === 404 ? 5 : 3;
      assert.deepEqual([reply.status, error.code, error.reason], [status, code, reason], `${what}: ${reply.text()}`);
      matches(error.violation?.["field"] ?? "", field, what);
      matches(error.violation?.["description"] ?? "", description, what);
      assert.ok(reply.body.length < 1000, what);
      assert.equal(onlyLine(gateway, before, what)["error"], reason);
    }
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it("is none where it is only an uncommon spelling", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const [body, expected] of [
      ['{"fInt32":1.0,"fInt64":1e2,"fUint32":"1.0","fUint64":"1E2"}', { fInt32: 1, fInt64: "100", fUint32: 1 }],
      ['{"rInt32":[100e-2,0.01e2,-0,0e9]}', { rInt32: [1, 1, 0, 0] }],
      ['{"fDouble":"NaN","fFloat":"-Infinity"}', { fDouble: "NaN", fFloat: "-Infinity" }],
      ['{"wStruct":{"__proto__":{"polluted":1}}}', JSON.parse('{"wStruct":{"__proto__":{"polluted":1}}}')],
    ] as const) {
      const reply = await ask(gateway, "/v1/echo", { body });
      assert.equal(reply.status, 200, body);
      const found = reply.json() as Record<string, unknown>;
      if ("fUint64" in found) assert.equal(found["fUint64"], "100");
      delete found["fUint64"];
      assert.deepEqual(found, expected, body);
    }
  });
});

const ones = (count: number): Buffer => Buffer.alloc(count, 0xff);

/** Messages that no kinds.v1.Result is. */
const HOSTILE: readonly (readonly [what: string, message: Buffer, reason: string])[] = [
  ["cut in a string", Buffer.concat([tag(1, 2), varint(5), Buffer.from("abc")]), "the message is cut short"],
  ["cut in a varint", Buffer.concat([tag(2, VARINT), Buffer.from([0x80])]), "the message is cut short"],
  ["cut in a tag", Buffer.from([0x80]), "the message is cut short"],
  ["a length of 2^32 - 1", Buffer.concat([tag(1, 2), varint(2 ** 32 - 1)]), "a length is larger than 2 GiB"],
  ["a length of 2^64 - 1", Buffer.concat([tag(1, 2), varint(-1)]), "a length is larger than 2 GiB"],
  ["a varint of 11 bytes", Buffer.concat([tag(2, VARINT), ones(10), varint(1)]), "a varint is longer than 10 bytes"],
  ["a varint of 70 bits", Buffer.concat([tag(2, VARINT), ones(9), varint(127)]), "a varint is larger than 64 bits"],
  ["5,000 levels of groups", Buffer.alloc(5000, 0x0b), "the message is nested deeper than 100 levels"],
  ["wire type 6", Buffer.concat([tag(1, 6), varint(0)]), "field 1 has the wire type 6"],
  ["wire type 7 of an unknown field", tag(99, 7), "field 99 has the wire type 7"],
  ["field number 0", number(0, 1), "a field has the number 0"],
  ["the end of a group", tag(1, 4), "group 1 ends without a start"],
  ["a group within another's end", Buffer.concat([tag(1, 3), group(2), tag(2, 4)]), "group 2 ends without a start"],
  ["text that is no UTF-8", bytes(1, ones(1)), "a string is not valid UTF-8"],
  ["a page of HTML", Buffer.from("<html><body>it works</body></html>"), "group 7 ends without a start"],
];

describe("a hostile message of an upstream", () => {
  it("is 502 with the reason and one line in the log, and the process goes on", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    for (const [what, message, reason] of HOSTILE) {
      upstream.behaviour.act = (_, reply) => reply(null, message);
      const before = gateway.lines.length;
      const reply = await ask(gateway, "/v1/act/x");
      const { message: text, details } = reply.json() as ErrorJson;
      assert.equal(reply.status, 502, what);
      assert.equal(text, `upstream kinds sent a message that cannot be read: ${reason}`, what);
      assert.equal(details.at(-1)?.["reason"], "UPSTREAM_MESSAGE_INVALID");
      assert.equal(onlyLine(gateway, before, what)["error"], "UPSTREAM_MESSAGE_INVALID");
    }
    upstream.behaviour.act = (_, reply) => reply(null, bytes(1, "fine"));
    assert.equal((await ask(gateway, "/v1/act/x")).text(), '{"name":"fine"}');
  });

  it("is none where only a field has another field's wire type: to protobuf that is an unknown one", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    upstream.behaviour.act = (_, reply) => reply(null, Buffer.concat([number(1, 5), bytes(2, "x"), bytes(99, "y")]));
    const reply = await ask(gateway, "/v1/act/x");
    assert.deepEqual([reply.status, reply.text()], [200, "{}"]);
  });
});
