import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary, fromJsonString, toBinary, toJson, type DescMessage } from "@bufbuild/protobuf";
import { createJsonReaders } from "../../../src/transcode/json-read.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { wire } from "../../../src/transcode/wire.ts";
import { messageType, registry } from "../../support/transcode-schema.ts";
import { refusalText } from "../../support/refusal.ts";

const readers = createJsonReaders(registry, defaultJsonOptions);
const lenient = createJsonReaders(registry, { ...defaultJsonOptions, unknownFields: "ignore" });
const All = messageType("All");

function read(json: string, desc: DescMessage = All, from = readers): Buffer {
  const bytes = Buffer.from(json);
  wire.reset();
  from.message(desc)(bytes, 0, bytes.length);
  return wire.take();
}

function message(json: string, desc: DescMessage = All, from = readers): unknown {
  return toJson(desc, fromBinary(desc, read(json, desc, from)), { registry });
}

function refusal(json: string, desc: DescMessage = All, from = readers): string {
  return refusalText(() => read(json, desc, from), json);
}

function sameAsOracle(json: string, desc: DescMessage = All): void {
  assert.deepEqual(read(json, desc), Buffer.from(toBinary(desc, fromJsonString(desc, json, { registry }))), json);
}

describe("JSON readers: google.protobuf.Timestamp", () => {
  it("reads RFC 3339 with up to nine decimals and any offset", () => {
    const texts = [
      "1970-01-01T00:00:00Z",
      "1970-01-01T00:00:00.000000001Z",
      "1969-12-31T23:59:59.999999999Z",
      "0001-01-01T00:00:00Z",
      "9999-12-31T23:59:59.999999999Z",
      "2000-02-29T12:00:00Z",
      "2024-02-29T12:00:00.5+01:30",
      "2023-12-31T23:59:59-23:59",
      "1900-03-01T00:00:00Z",
      "2100-02-28T00:00:00.123456Z",
      "1600-02-29T00:00:00Z",
      "0001-01-01T01:00:00+01:00", // in range once the offset is taken
    ];
    for (const text of texts) sameAsOracle(`{"time":"${text}"}`);
    sameAsOracle('{"times":["1970-01-01T00:00:00Z","\\u0031970-01-01T00:00:01Z"]}');
    for (let day = -800_000; day < 2_900_000; day += 4_999) {
      const date = new Date(day * 86_400_000);
      if (date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999) sameAsOracle(`{"time":"${date.toISOString()}"}`);
    }
  });

  it("refuses any sign in the place of a digit", () => {
    const good = "1972-01-31T10:09:20.123456789+05:30";
    for (const at of [...good].keys()) {
      for (const sign of ["x", "-", ":", "+", ".", " ", "/", ";", "\u0663"]) {
        if (good[at] === sign) continue;
        const text = good.slice(0, at) + sign + good.slice(at + 1);
        // Another offset, and fewer decimals, are right.
        if (/^1972-01-31T10:09:20(\.\d+)?[+-]05:30$/.test(text)) continue;
        assert.match(refusal(`{"time":"${text}"}`), /^FIELD_INVALID time/, text);
      }
    }
  });

  it("refuses anything else", () => {
    const texts = [
      "",
      "1970-01-01",
      "1970-01-01 00:00:00Z",
      "1970-01-01t00:00:00Z",
      "1970-01-01T00:00:00z",
      "1970-01-01T00:00:00",
      "1970-1-01T00:00:00Z",
      "1970-01-01T00:00Z",
      "1970-01-01T00:00:00.Z",
      "1970-01-01T00:00:00.1234567890Z",
      "1970-01-01T00:00:00+0100",
      "1970-01-01T00:00:00+01",
      "1970-01-01T00:00:00+24:00",
      "1970-01-01T00:00:00+00:60",
      "1970-13-01T00:00:00Z",
      "1970-00-01T00:00:00Z",
      "1970-01-00T00:00:00Z",
      "1970-01-32T00:00:00Z",
      "1970-04-31T00:00:00Z",
      "2023-02-29T00:00:00Z",
      "1900-02-29T00:00:00Z",
      "2100-02-29T00:00:00Z",
      "1970-01-01T24:00:00Z",
      "1970-01-01T00:60:00Z",
      "1970-01-01T00:00:60Z",
      "1970-01-01T00:00:00ZZ",
      "1970-01-01T00:00:00Z ",
      " 1970-01-01T00:00:00Z",
      "-1970-01-01T00:00:00Z",
      "10000-01-01T00:00:00Z",
      "é970-01-01T00:00:00Z",
    ];
    for (const text of texts) {
      const expected = 'FIELD_INVALID time: expected a timestamp such as "2026-01-31T23:59:59.5Z", got "';
      assert.equal(refusal(`{"time":"${text}"}`), `${expected}${text}"`);
    }
    for (const text of ["0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"]) {
      assert.match(refusal(`{"time":"${text}"}`), /, which is out of range$/, text);
    }
    for (const json of ["5", "{}", "[]", "true"]) assert.match(refusal(`{"time":${json}}`), /^FIELD_INVALID time: /);
  });
});

describe("JSON readers: google.protobuf.Duration", () => {
  it("reads seconds with up to nine decimals", () => {
    for (const text of [
      "0s",
      "1s",
      "-1s",
      "1.5s",
      "-1.5s",
      "-0.5s",
      "0.000000001s",
      "-0.000000001s",
      "315576000000s",
      "-315576000000s",
      "007s",
    ]) {
      sameAsOracle(`{"duration":"${text}"}`);
    }
  });

  it("refuses anything else", () => {
    for (const text of [
      "",
      "s",
      "1",
      "1 s",
      "1.s",
      ".5s",
      "+1s",
      "1S",
      "1s ",
      "1sx",
      "--1s",
      "1.0000000000s",
      "1e3s",
      "1m",
      "-s",
    ]) {
      assert.equal(
        refusal(`{"duration":"${text}"}`),
        `FIELD_INVALID duration: expected a duration such as "1.5s", got "${text}"`,
      );
    }
    for (const text of ["315576000001s", "-315576000001s", `${"9".repeat(30)}s`]) {
      assert.match(refusal(`{"duration":"${text}"}`), /, which is out of range$/);
    }
  });
});

describe("JSON readers: google.protobuf.FieldMask", () => {
  it("turns lowerCamelCase paths into the names of fields", () => {
    for (const text of ["", "a", "fooBar", "fooBar.bazQux,b", "a,b,c", `${"longPath.".repeat(40)}x,y`, "é", "A"]) {
      sameAsOracle(`{"mask":"${text}"}`);
    }
    const path = `${"aB".repeat(10_000)},c`;
    sameAsOracle(`{"mask":"${path}"}`);
  });

  it("refuses names of fields as they stand in the .proto file", () => {
    const expected = 'FIELD_INVALID mask: expected a field mask such as "title,shelf.displayName", got "a,foo_bar"';
    assert.equal(refusal('{"mask":"a,foo_bar"}'), expected);
    assert.match(refusal('{"mask":["a"]}'), /^FIELD_INVALID mask: .* got an array$/);
  });
});

describe("JSON readers: google.protobuf.Struct, Value, ListValue", () => {
  it("reads any JSON", () => {
    for (const json of [
      "null",
      "true",
      "false",
      "0",
      "-1.5e10",
      '"x"',
      '""',
      "{}",
      "[]",
      '{"a":{"b":[1,null,{"c":"d"}]},"":[]}',
      "[[[1]],{}]",
    ]) {
      sameAsOracle(`{"value":${json}}`);
      sameAsOracle(`{"values":[${json}, ${json}]}`);
      sameAsOracle(json, messageType("google.protobuf.Value"));
    }
    sameAsOracle('{"struct":{"a":1,"b":{"c":[true]}},"listValue":[1,"2",null]}');
    sameAsOracle(
      JSON.stringify({ struct: { a: "x".repeat(200), b: { c: "y".repeat(20_000), d: Array(100).fill({ e: 1 }) } } }),
    );
    sameAsOracle(JSON.stringify({ struct: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i])) }));
  });

  it("refuses another shape, numbers that are none, and keys given twice", () => {
    assert.equal(refusal('{"struct":[]}'), "FIELD_INVALID struct: expected an object, got an array");
    assert.equal(refusal('{"listValue":{}}'), "FIELD_INVALID listValue: expected an array, got an object");
    assert.equal(
      refusal('{"value":1e999}'),
      "FIELD_INVALID value: expected a JSON value, got 1e999, which is out of range",
    );
    assert.equal(refusal('{"struct":{"a":{"x":1,"x":2}}}'), "FIELD_INVALID struct.a.x: given twice");
    assert.match(refusal('{"value":[1,]}'), /^BODY_MALFORMED /);
    assert.match(refusal('{"value":{"a" 1}}'), /^BODY_MALFORMED .*expected ":"$/);
    assert.match(refusal('{"value":nul}'), /^BODY_MALFORMED .*expected "null"$/);
    assert.match(refusal('{"value":tRue}'), /^BODY_MALFORMED .*expected "true"$/);
    assert.match(refusal('{"value":01}'), /^BODY_MALFORMED /);
  });
});

describe("JSON readers: keys of maps", () => {
  it("sees a key given twice, among few and among many", () => {
    for (const count of [1, 2, 7, 8, 9, 10, 100, 1000]) {
      for (const name of ["keyString", "keyInt64", "keyFixed32", "keySfixed64", "struct"]) {
        const entries = Array.from({ length: count }, (_, i) => `"${i * 37}":"v"`);
        const json = `{"${name}":{${entries.join(",")}`;
        const sum = Object.keys((message(`${json}}}`) as never)[name]).length;
        assert.equal(sum, count);
        for (const again of new Set([0, count >> 1, count - 1])) {
          assert.equal(refusal(`${json},"${again * 37}":"w"}}`), `FIELD_INVALID ${name}["${again * 37}"]: given twice`);
        }
      }
    }
  });

  it("tells thousands of keys apart, and those of maps within maps", () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `key ${i}`);
    const members = keys.map((key) => `"${key}":"x"`);
    const flat = `{"keyString":{${members.join(",")}}}`;
    assert.ok(Buffer.from(JSON.stringify(message(flat))).equals(Buffer.from(flat)));
    const inner = members.slice(0, 40).join(",");
    const child = `{"keyString":{${inner}},"keyInt32":{${keys
      .slice(0, 40)
      .map((_, i) => `"${i}":"y"`)
      .join(",")}}}`;
    const nested = keys.slice(0, 40).map((key) => `"${key}":${child}`);
    assert.deepEqual(
      message(`{"childByName":{${nested.join(",")}}}`),
      JSON.parse(`{"childByName":{${nested.join(",")}}}`),
    );
    for (const again of [0, 7, 8, 9, 4999]) {
      assert.match(refusal(`{"keyString":{${members.join(",")},"key ${again}":""}}`), /given twice/);
    }
    assert.match(refusal(`{"childByName":{${nested.join(",")},"key 3":{}}}`), /given twice/);
  });
});

describe("JSON readers: wrappers", () => {
  it("reads the bare value; null is no wrapper", () => {
    sameAsOracle(
      '{"wDouble":"NaN","wFloat":1.5,"wInt64":"5","wUint64":7,"wInt32":0,"wUint32":1,"wBool":false,"wString":"","wBytes":"AQI"}',
    );
    sameAsOracle('{"wInt32":null,"wList":[0,1]}');
    assert.equal(refusal('{"wInt32":{"value":1}}'), "FIELD_INVALID wInt32: expected an int32, got an object");
  });
});

describe("JSON readers: google.protobuf.Any", () => {
  const any = (content: string): string => `{"any":${content}}`;
  const url = (name: string): string => `"@type":"type.googleapis.com/${name}"`;

  it("reads the message that @type names, wherever it stands", () => {
    sameAsOracle(any(`{${url("test.v1.All")},"aInt32":1,"child":{"aString":"x"}}`));
    sameAsOracle(any(`{"aInt32":1,"child":{"aString":"x"},${url("test.v1.All")}}`));
    sameAsOracle(any(`{"\\u0040type":"type.googleapis.com/test.v1.All","aInt32":1}`));
    sameAsOracle(any(`{${url("google.protobuf.Empty")}}`));
    assert.deepEqual(read(any("{}")), Buffer.from("fa0700", "hex"));
    sameAsOracle('{"any":null}');
    assert.equal(
      read(any(`{"@type":"example.com/a/test.v1.All"}`)).toString("latin1").slice(5, 30),
      "example.com/a/test.v1.All",
    ); // as the client wrote it
  });

  it("reads types with a JSON of their own under value", () => {
    const values: readonly (readonly [string, string])[] = [
      ["Duration", '"1.5s"'],
      ["Timestamp", '"2020-01-01T00:00:00Z"'],
      ["FieldMask", '"a,bC"'],
      ["Int32Value", "7"],
      ["Struct", '{"a":1,"@type":"x"}'],
      ["Value", "null"],
      ["ListValue", "[1]"],
      ["Any", `{${url("google.protobuf.Int32Value")},"value":3}`],
    ];
    for (const [name, value] of values) {
      sameAsOracle(any(`{${url(`google.protobuf.${name}`)},"value":${value}}`));
      sameAsOracle(any(`{ "value" : ${value} , ${url(`google.protobuf.${name}`)} }`));
    }
  });

  it("reads an Any in an Any in a list, each with its own type", () => {
    const nested = `{"any":{"aInt32":1,${url("test.v1.All")}},"anys":[{"value":"1s",${url("google.protobuf.Duration")}},{"anys":[{${url("google.protobuf.Empty")}}],${url("test.v1.All")}}],${url("test.v1.All")}}`;
    sameAsOracle(`{"any":${nested},"anys":[${nested},${nested}]}`);
  });

  it("refuses what it cannot know", () => {
    const known = 'expected a known type such as "type.googleapis.com/google.protobuf.Duration"';
    assert.equal(refusal(any('{"aInt32":1}')), 'FIELD_INVALID any: expected "@type" to say what the object is');
    assert.equal(
      refusal(any('{"@type":"type.googleapis.com/no.Such"}')),
      `FIELD_INVALID any["@type"]: ${known}, got "type.googleapis.com/no.Such"`,
    );
    assert.equal(refusal(any('{"@type":"test.v1.All"}')), `FIELD_INVALID any["@type"]: ${known}, got "test.v1.All"`);
    assert.equal(refusal(any('{"@type":5}')), 'FIELD_INVALID any["@type"]: expected a type URL, got 5');
    assert.equal(
      refusal(any(`{${url("test.v1.All")},${url("test.v1.All")}}`)),
      'FIELD_INVALID any["@type"]: given twice',
    );
    assert.equal(
      refusal(any(`{${url("google.protobuf.Duration")}}`)),
      'FIELD_INVALID any: expected the message under "value"',
    );
    assert.equal(
      refusal(any(`{${url("google.protobuf.Duration")},"value":"1s","value":"1s"}`)),
      "FIELD_INVALID any.value: given twice",
    );
    assert.equal(
      refusal(any(`{${url("google.protobuf.Duration")},"value":"1s","x":1}`)),
      'FIELD_UNKNOWN any.x: unknown field; a well-known type in an Any has "@type" and "value" alone',
    );
    assert.equal(
      refusal(any(`{${url("test.v1.All")},"child":{"@type":"x"}}`)),
      'FIELD_UNKNOWN any.child["@type"]: unknown field',
    );
    assert.equal(
      refusal(any(`{${url("test.v1.All")},"aInt32":"x"}`)),
      'FIELD_INVALID any.aInt32: expected an int32, got "x"',
    );
    assert.equal(refusal(any("[]")), "FIELD_INVALID any: expected an object, got an array");
    assert.match(refusal(any(`{${url("test.v1.All")},}`)), /^BODY_MALFORMED /);
    assert.deepEqual(
      message(any(`{${url("google.protobuf.Duration")},"value":"1s","x":[1]}`), All, lenient),
      message(any(`{${url("google.protobuf.Duration")},"value":"1s"}`)),
    );
  });

  it("reads nested Anys in time that grows with their length alone", () => {
    const deep = (levels: number, text: string): string =>
      levels === 0
        ? `{"aString":"${text}",${url("test.v1.All")}}`
        : `{"any":${deep(levels - 1, text)},${url("test.v1.All")}}`;
    const time = (json: string): number => {
      const start = performance.now();
      read(json);
      return performance.now() - start;
    };
    const text = "x".repeat(2_000_000);
    const flat = Math.min(...Array.from({ length: 3 }, () => time(any(deep(1, text)))));
    const nested = Math.min(...Array.from({ length: 3 }, () => time(any(deep(90, text)))));
    // Each level moves what it holds once to make room for its length, but must not scan it again.
    assert.ok(nested < flat * 25 + 50, `${nested} ms for 90 levels, ${flat} ms for one`);
  });
});
