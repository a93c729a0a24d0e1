import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { ask } from "../support/raw-http.ts";

const deep = (depth: number): string => `${'{"fMessage":'.repeat(depth)}{}${"}".repeat(depth)}`;

/** A body that is refused with 400, and the path that its first violation names. */
const REFUSED: readonly (readonly [why: string, body: string | Buffer, field: string])[] = [
  // the grammar of JSON
  ["cut short", '{"fInt32":1', "fInt32"],
  ["text after the value", "{} {}", "body"],
  ["a second value", '{"fInt32":1}{"fInt32":2}', "body"],
  ["a brace too many", "{}}", "body"],
  ["a comma at the end", '{"fInt32":1,}', "body"],
  ["a comma missing", '{"fInt32":1 "fBool":true}', "fInt32"],
  ["a colon missing", '{"fInt32" 1}', "fInt32"],
  ["a name without quotes", "{fInt32:1}", "body"],
  ["single quotes", "{'fInt32':1}", "body"],
  ["a comment", "{/* one */}", "body"],
  ["a byte order mark", "\ufeff{}", "body"],
  ["a control character in a string", '{"fString":"a\nb"}', "fString"],
  ["an unknown escape", '{"fString":"\\x41"}', "fString"],
  ["half a unicode escape", '{"fString":"\\u12"}', "fString"],
  ["a lone high surrogate", '{"fString":"\\ud800"}', "fString"],
  ["a lone low surrogate", '{"fString":"\\udc00x"}', "fString"],
  ["bytes that are no UTF-8", Buffer.from('{"fString":"\xff"}', "latin1"), "fString"],
  ["an overlong encoding", Buffer.from('{"fString":"\xc0\xaf"}', "latin1"), "fString"],
  ["a surrogate in UTF-8", Buffer.from('{"fString":"\xed\xa0\x80"}', "latin1"), "fString"],
  ["UTF-16", Buffer.from("{}", "utf16le"), "body"],
  ["a leading zero", '{"fInt32":01}', "fInt32"],
  ["a plus sign", '{"fInt32":+1}', "fInt32"],
  ["NaN without quotes", '{"fDouble":NaN}', "fDouble"],
  ["capital True", '{"fBool":True}', "fBool"],
  // the wrong type
  ["a list for the message", "[]", "body"],
  ["a string for the message", '"x"', "body"],
  ["null for the message", "null", "body"],
  ["a list for a number", '{"fInt32":[1]}', "fInt32"],
  ["an object for a number", '{"fInt32":{}}', "fInt32"],
  ["true for a number", '{"fInt32":true}', "fInt32"],
  ["a number for a bool", '{"fBool":1}', "fBool"],
  ["text for a bool", '{"fBool":"true"}', "fBool"],
  ["a number for a string", '{"fString":1}', "fString"],
  ["a value for a list", '{"rInt32":1}', "rInt32"],
  ["null in a list", '{"rInt32":[1,null]}', "rInt32[1]"],
  ["a list for a map", '{"mString":[]}', "mString"],
  ["null in a map", '{"mString":{"a":null}}', "mString.a"],
  ["a list for a nested message", '{"fMessage":[]}', "fMessage"],
  ["bytes that are no base64", '{"fBytes":"*"}', "fBytes"],
  ["a bool map key that is none", '{"mBool":{"yes":"RED"}}', "mBool.yes"],
  ["an int map key that is none", '{"mInt32":{"x":{}}}', "mInt32.x"],
  // out of range
  ["int32 + 1", '{"fInt32":2147483648}', "fInt32"],
  ["int32 - 1", '{"fInt32":-2147483649}', "fInt32"],
  ["int32 as text out of range", '{"fInt32":"2147483648"}', "fInt32"],
  ["a fraction for int32", '{"fInt32":1.5}', "fInt32"],
  ["an empty string for int32", '{"fInt32":""}', "fInt32"],
  ["a space in a number's string", '{"fInt32":" 1"}', "fInt32"],
  ["hexadecimal", '{"fInt32":"0x10"}', "fInt32"],
  ["uint32 below 0", '{"fUint32":-1}', "fUint32"],
  ["int64 + 1", '{"fInt64":"9223372036854775808"}', "fInt64"],
  ["uint64 + 1", '{"fUint64":18446744073709551616}', "fUint64"],
  ["a float beyond its range", '{"fFloat":1e39}', "fFloat"],
  ["a double beyond its range", '{"fDouble":1e309}', "fDouble"],
  ["an exponent beyond all", '{"fInt64":1e999999999}', "fInt64"],
  // names
  ["an unknown enum name", '{"fEnum":"PURPLE"}', "fEnum"],
  ["an enum name in the wrong case", '{"fEnum":"red"}', "fEnum"],
  ["a fraction for an enum", '{"fEnum":1.5}', "fEnum"],
  ["an unknown field", '{"fInt33":1}', "fInt33"],
  ["an unknown field far inside", '{"rMessage":[{},{"fMessage":{"nope":1}}]}', "rMessage[1].fMessage.nope"],
  ["a field given twice", '{"fInt32":1,"fInt32":2}', "fInt32"],
  ["both spellings of a field", '{"fInt32":1,"f_int32":2}', "f_int32"],
  ["two members of a oneof", '{"oString":"a","oInt64":"1"}', "oInt64"],
  ["a map key given twice", '{"mString":{"a":1,"a":2}}', "mString.a"],
  ["__proto__", '{"__proto__":{"polluted":1}}', "__proto__"],
  ["constructor", '{"constructor":1}', "constructor"],
  ["hasOwnProperty", '{"hasOwnProperty":1}', "hasOwnProperty"],
  // types with a JSON of their own
  ["a day that does not exist", '{"wTimestamp":"2026-02-30T00:00:00Z"}', "wTimestamp"],
  ["a time without a zone", '{"wTimestamp":"2026-02-03T00:00:00"}', "wTimestamp"],
  ["a year beyond 9999", '{"wTimestamp":"10000-01-01T00:00:00Z"}', "wTimestamp"],
  ["ten digits of a second", '{"wTimestamp":"2026-02-03T00:00:00.1234567890Z"}', "wTimestamp"],
  ["a duration without its unit", '{"wDuration":"1"}', "wDuration"],
  ["a duration too long", '{"wDuration":"315576000001s"}', "wDuration"],
  ["a mask in snake case", '{"wMask":"f_int32"}', "wMask"],
  ["an Any without its type", '{"wAny":{"value":1}}', "wAny"],
  ["an Any of an unknown type", '{"wAny":{"@type":"type.googleapis.com/no.Such"}}', 'wAny["@type"]'],
  ["a wrapper out of range", '{"wInt64":"9223372036854775808"}', "wInt64"],
  ["an object for a wrapper", '{"wString":{"value":"x"}}', "wString"],
  ["NaN in a google.protobuf.Value", '{"wValue":NaN}', "wValue"],
  ["a Struct that is a list", '{"wStruct":[1]}', "wStruct"],
  // size and depth
  ["101 levels", deep(101), "fMessage"],
];

describe("a body that is not the message's JSON", () => {
  it("is refused with 400, the path of what is wrong, and one access line", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const paths: (readonly [why: string, field: string])[] = [];
    for (const [why, body] of REFUSED) {
      const before = gateway.lines.length;
      const reply = await ask(gateway, "/v1/echo", { body });
      assert.equal(reply.status, 400, `${why}: ${reply.text()}`);
      const json = reply.json() as ErrorJson;
      assert.equal(json.code, 3);
      const [badRequest, info] = json.details;
      assert.equal(badRequest?.["@type"], "type.googleapis.com/google.rpc.BadRequest", why);
      const [violation] = badRequest?.["fieldViolations"] as { field: string; description: string }[];
      if (why === "101 levels") assert.match(violation?.field ?? "", /^fMessage(\.fMessage)+/);
      else paths.push([why, violation?.field ?? ""]);
      assert.ok((violation?.description ?? "") !== "", why);
      assert.ok(json.message.length < 600, why);
      assert.equal(info?.["domain"], "sluice");
      const logged = gateway.lines.slice(before);
      assert.deepEqual(
        logged.map((line) => [line["msg"], line["cause"]]),
        [["request", undefined]],
        why,
      );
    }
    const expected = REFUSED.filter(([why]) => why !== "101 levels").map(([why, , field]) => [why, field]);
    assert.deepEqual(paths, expected);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it("is refused fast, however large", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ limits: { body: 16MiB } }" });
    const rows: readonly (readonly [why: string, body: string])[] = [
      ["100,000 levels of messages", deep(100_000)],
      ["100,000 levels of lists", `{"wValue":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
      ["100,000 brackets that never close", `{"wValue":${"[".repeat(100_000)}`],
      ["a number of 10 MB", `{"fInt64":${"9".repeat(10 << 20)}}`],
      ["a fraction of 10 MB", `{"fInt64":1.${"0".repeat(10 << 20)}1}`],
      ["an exponent of 10 MB", `{"fInt64":1e${"0".repeat(10 << 20)}99}`],
      ["an enum name of 10 MB", `{"fEnum":"${"A".repeat(10 << 20)}"}`],
      ["a field name of 10 MB", `{"${"a".repeat(10 << 20)}":1}`],
      ["10 MB of blanks and nothing", `{"fInt32":${" ".repeat(10 << 20)}}`],
    ];
    for (const [why, body] of rows) {
      const startMs = performance.now();
      const reply = await ask(gateway, "/v1/echo", { body });
      const tookMs = performance.now() - startMs;
      assert.equal(reply.status, 400, `${why}: ${reply.text().slice(0, 300)}`);
      assert.ok(reply.body.length < 2000, `${why}: reply of ${reply.body.length} bytes`);
      // Sending it included, and on a busy machine; what takes quadratic time takes minutes.
      assert.ok(tookMs < 10_000, `${why}: ${tookMs} ms`);
    }
  });
});

describe("a body that is the message's JSON", () => {
  it("comes back as it went, by the canonical spelling", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const full = {
      fDouble: 1.5,
      fFloat: -2.25,
      fInt32: -2147483648,
      fInt64: "-9223372036854775808",
      fUint32: 4294967295,
      fUint64: "18446744073709551615",
      fSint32: -1,
      fSint64: "-1",
      fFixed32: 7,
      fFixed64: "8",
      fSfixed32: -9,
      fSfixed64: "-10",
      fBool: true,
      fString: 'ü書😀 "\\ \u0000 \u2028',
      fBytes: "AP+A",
      fEnum: "GREEN",
      fMessage: { fInt32: 1 },
      fOptional: 0,
      rInt32: [1, 0, -1],
      rString: ["", "a"],
      rMessage: [{}, { fBool: true }],
      mString: { "": 1, __proto__x: 2 },
      mInt32: { "-1": { fBool: true }, "2": {} },
      mBool: { false: "RED", true: "NEGATIVE" },
      oMessage: {},
      wTimestamp: "0001-01-01T00:00:00.000000001Z",
      wDuration: "-0.500s",
      wMask: "fInt32,fMessage.fBool",
      wStruct: { a: [1, null, { b: true }], c: "d" },
      wValue: null,
      wAny: { "@type": "type.googleapis.com/kinds.v1.Reason", text: "x" },
      wInt64: "9007199254740993",
      wString: "",
    };
    const reply = await ask(gateway, "/v1/echo", { body: JSON.stringify(full) });
    assert.equal(reply.status, 200, reply.text());
    assert.deepEqual(reply.json(), full);
  });

  it("is taken in every spelling that ProtoJSON allows", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const rows: readonly (readonly [body: string, reply: string])[] = [
      ["", "{}"],
      [" \r\n\t{} \n", "{}"],
      ['{"f_int32":1}', '{"fInt32":1}'],
      ['{"fInt32":"1"}', '{"fInt32":1}'],
      ['{"fInt32":1.0}', '{"fInt32":1}'],
      ['{"fInt32":1e2}', '{"fInt32":100}'],
      ['{"fInt64":9007199254740993}', '{"fInt64":"9007199254740993"}'],
      ['{"fEnum":1}', '{"fEnum":"RED"}'],
      ['{"fEnum":77}', '{"fEnum":77}'],
      ['{"fInt32":null}', "{}"],
      ['{"fDouble":"NaN","fFloat":"-Infinity"}', '{"fDouble":"NaN","fFloat":"-Infinity"}'],
      ['{"fBytes":"-_8"}', '{"fBytes":"+/8="}'],
      ['{"fString":"\\ud83d\\ude00"}', '{"fString":"😀"}'],
      [deep(100 - 1), ""],
    ];
    for (const [body, expected] of rows) {
      const reply = await ask(gateway, "/v1/echo", { body, method: "POST" });
      assert.equal(reply.status, 200, `${body}: ${reply.text()}`);
      if (expected !== "") assert.equal(reply.text(), expected);
    }
  });

  it("loses to the path, and takes the rest from the query where the body is one field", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const body = '{"fString":"inner"}';
    const reply = await ask(gateway, "/v1/echo/outer?f_int32=7&fBool=true", { method: "PUT", body });
    assert.deepEqual(reply.json(), { fString: "outer", fInt32: 7, fBool: true, fMessage: { fString: "inner" } });
  });
});
