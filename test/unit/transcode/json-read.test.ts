import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary, fromJsonString, toBinary, type DescMessage } from "@bufbuild/protobuf";
import { GatewayError, type ErrorCode } from "../../../src/core/errors.ts";
import { createJsonReaders } from "../../../src/transcode/json-read.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { wire } from "../../../src/transcode/wire.ts";
import { fieldOf, keyKinds, messageType, registry, scalarKinds } from "../../support/transcode-schema.ts";
import { refusalOf } from "../../support/refusal.ts";

const strict = createJsonReaders(registry, defaultJsonOptions);
const lenient = createJsonReaders(registry, { ...defaultJsonOptions, unknownFields: "ignore" });
const All = messageType("All");
const Old = messageType("Old");

function read(json: string | Buffer, desc: DescMessage = All, readers = strict): Buffer {
  const bytes = typeof json === "string" ? Buffer.from(json) : json;
  wire.reset();
  readers.message(desc)(bytes, 0, bytes.length);
  return wire.take();
}

/** Asserts that both readers see the same message. */
function sameAsOracle(json: string, desc: DescMessage = All, readers = strict): void {
  const oracle = toBinary(desc, fromJsonString(desc, json, { registry, ignoreUnknownFields: readers === lenient }));
  const bytes = read(json, desc, readers);
  // Both from bytes, which round floats; written again, in the order of the fields and with NaN equal to NaN.
  const again = (from: Uint8Array): string => Buffer.from(toBinary(desc, fromBinary(desc, from))).toString("hex");
  assert.equal(again(bytes), again(oracle), json);
}

interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field: string;
}

function refusal(json: string | Buffer, desc: DescMessage = All, readers = strict): Refusal {
  const { code, message, violations } = refusalOf(() => read(json, desc, readers), json);
  assert.equal(violations.length, 1);
  return { code, message, field: violations[0]?.field ?? "" };
}

const EXACT = { int64: "9223372036854775807", uint64: "18446744073709551615" };
const integers: Record<string, { good: string[]; bad: string[] }> = {
  int32: {
    good: [
      "0",
      "-0",
      "1",
      "-1",
      "2147483647",
      "-2147483648",
      '"7"',
      "1.0",
      "1e2",
      "1E+2",
      "100e-2",
      '"2.147483647e9"',
      "0e999999999",
      "0.000e1",
    ],
    bad: [
      "2147483648",
      "-2147483649",
      "0.5",
      "1e10",
      '"1e-1"',
      '""',
      '" 1"',
      '"1 "',
      '"0x10"',
      '"01"',
      '"+1"',
      "true",
      "[]",
      "{}",
      '"NaN"',
      "1e999999999999",
    ],
  },
  uint32: { good: ["0", "4294967295", '"4294967295"', "-0", "4.294967295e9"], bad: ["-1", "4294967296", "0.1"] },
  int64: {
    good: [
      "0",
      `"${EXACT.int64}"`,
      EXACT.int64,
      '"-9223372036854775808"',
      "-9223372036854775808",
      "9007199254740993",
      "922337203685477580.7e1",
      "1e18",
      "123456789012345678",
      "999999999999999",
      "1000000000000000",
      "-1",
      "-4294967296",
      "4294967296",
    ],
    bad: [
      '"9223372036854775808"',
      "-9223372036854775809",
      "0.5",
      "1e19",
      "12345678901234567890123",
      '"1e536870000"',
      "922337203685477580.75e1",
    ],
  },
  uint64: {
    good: [
      "0",
      `"${EXACT.uint64}"`,
      EXACT.uint64,
      "9007199254740993",
      "1.8446744073709551615e19",
      "10000000000000000000",
    ],
    bad: ["-1", '"18446744073709551616"', "99999999999999999999", "-0.1", "184467440737095516150"],
  },
};
const sameRange: Record<string, string> = {
  sint32: "int32",
  sfixed32: "int32",
  fixed32: "uint32",
  sint64: "int64",
  sfixed64: "int64",
  fixed64: "uint64",
};

// What protobuf-es refuses although it is exact: numbers beyond 2^53 as JSON numbers and exponents of 64-bit integers
// go through a double there.
const exactText = (json: string): string => {
  const text = json.replaceAll('"', "");
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = whole + fraction;
  const shift = Number(exponent) - fraction.length;
  if (/^-?0*$/.test(digits)) return "0";
  return shift >= 0 ? digits + "0".repeat(shift) : digits.slice(0, shift);
};

describe("JSON readers: integers", () => {
  for (const kind of scalarKinds) {
    const table = integers[sameRange[kind] ?? kind];
    if (table === undefined) continue;
    it(`reads ${kind} exactly, and nothing else as one`, () => {
      const name = `opt${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
      for (const json of table.good) {
        const expected = fromJsonString(All, `{"${name}": "${exactText(json)}"}`);
        const actual = fromBinary(All, read(`{"${name}": ${json}}`));
        assert.deepEqual((actual as never)[name], (expected as never)[name], `${kind} ${json}`);
      }
      for (const json of table.bad) {
        const { code, message, field } = refusal(`{"${name}":${json}}`);
        assert.equal(code, "FIELD_INVALID", json);
        assert.equal(field, name);
        assert.match(message, new RegExp(`^${name}: expected an? ${kind}, got `), json);
      }
    });
  }
});

describe("JSON readers: every kind as protobuf-es reads it", () => {
  const values: Record<string, string[]> = {
    double: [
      "0",
      "-0.0",
      "0.1",
      "1e300",
      "-1.5E-7",
      "1e-400",
      '"NaN"',
      '"Infinity"',
      '"-Infinity"',
      '"0.5"',
      "123456789012345678901234567890",
      "0.30000000000000004",
      "5e-324",
      "1.7976931348623157e308",
      "9007199254740993.5",
    ],
    float: ["0", "0.1", "3.4028234663852886e38", "-3.402823e38", '"NaN"', '"-Infinity"', "1e-40", '"1.5"'],
    bool: ["true", "false"],
    string: [
      '""',
      '"abc"',
      '"\\u0000\\"\\\\\\/\\b\\f\\n\\r\\t"',
      '"é €😀"',
      '"\\u00e9\\u20ac\\ud83d\\ude00"',
      JSON.stringify("x".repeat(300)),
      JSON.stringify("é\n".repeat(300)),
      JSON.stringify("y".repeat(47)),
      JSON.stringify("y".repeat(48)),
      JSON.stringify("y".repeat(49)),
      JSON.stringify("z".repeat(127) + "\n"),
      JSON.stringify("z".repeat(128)),
      JSON.stringify("\n" + "z".repeat(20_000)),
    ],
    bytes: [
      '""',
      '"AQID"',
      '"AQI="',
      '"AQI"',
      '"AQ=="',
      '"AQ"',
      '"-_-_"',
      '"+/+/"',
      '"\\u0041QID"',
      JSON.stringify(Buffer.alloc(500, 7).toString("base64")),
      JSON.stringify(Buffer.alloc(499, 250).toString("base64url")),
    ],
  };
  for (const kind of scalarKinds) {
    it(`${kind}: bare, with presence, in a list`, () => {
      for (const value of values[kind] ?? ["0", "1", '"5"']) {
        const pascal = kind.charAt(0).toUpperCase() + kind.slice(1);
        sameAsOracle(`{"a${pascal}":${value}}`);
        sameAsOracle(`{"opt_${kind}" : ${value} }`);
        sameAsOracle(`{"list${pascal}":[${value} , ${value},${value}]}`);
        assert.deepEqual(
          read(`{"a${pascal}":${value}}`),
          Buffer.from(toBinary(All, fromJsonString(All, `{"a${pascal}":${value}}`))),
        );
      }
    });
  }

  for (const kind of keyKinds) {
    it(`${kind} as a map's key`, () => {
      const keys =
        kind === "bool"
          ? ["true", "false"]
          : kind === "string"
            ? ["", "a", "é", "x".repeat(200)]
            : ["0", "1", "77", "2147483647"];
      const name = `key${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
      sameAsOracle(`{"${name}":{${keys.map((key) => `${JSON.stringify(key)}:"v"`).join(" , ")}}}`);
      const twice = refusal(`{"${name}":{"${keys[1]}":"a","${keys[1]}":"b"}}`);
      assert.deepEqual([twice.code, twice.message.split(": ")[1]], ["FIELD_INVALID", "given twice"]);
    });
  }

  const messages = [
    "{}",
    " \t\r\n{ } \n",
    '{"color":"RED","colors":["GREEN",-1,0,"BELOW",7],"colorByName":{"a":"GREEN","b":5}}',
    '{"child":{"child":{"aInt32":1}},"children":[{},{"aString":"x"}],"childByName":{"k":{"aInt32":1},"":{}}}',
    '{"pickText":""}',
    '{"pickNumber":0}',
    '{"pickChild":{}}',
    '{"pickNull":null}',
    '{"pickNull":"NULL_VALUE"}',
    '{"pickText":null,"pickNumber":3}',
    '{"nullValue":null,"value":null,"values":[null,1]}',
    '{"aInt32":null,"listInt32":null,"keyString":null,"child":null,"color":null,"wInt32":null,"any":null,"time":null}',
    '{"listString":[],"keyString":{},"children":[]}',
    '{"farAway":5}',
    '{"a_int32":1,"aInt64":"2"}',
    '{"\\u0061Int32":1}',
    '{"empty":{}}',
  ];
  it("messages, lists, maps, enums, oneofs, null", () => {
    for (const json of messages) sameAsOracle(json);
  });

  it("groups, closed enums, packed and unpacked lists, extensions", () => {
    sameAsOracle('{"data":{"aString":"x","old":{"data":{}}},"datas":[{},{"aString":"y"}]}', Old);
    sameAsOracle('{"closed":"TWO","closeds":["ONE",2]}', Old);
    sameAsOracle('{"listInt32":[1,-2,300],"packedInt32":[1,-2,300],"aInt32":0,"aString":""}', Old);
    sameAsOracle('{"[test.v1.ext_int32]":5,"aInt32":1,"[test.v1.ext_old]":{"[test.v1.ext_list]":["a","b"]}}', Old);
    assert.equal(read('{"listInt32":[1,2]}', Old).toString("hex"), "28012802");
    assert.equal(read('{"packedInt32":[1,2]}', Old).toString("hex"), "32020102");
    assert.equal(read('{"data":{"aString":"x"}}', Old).toString("hex"), "3b0a01783c");
  });

  it("names that JavaScript knows are names like others", () => {
    const json =
      '{"constructor":"a","__proto__":"b","toString":"c","hasOwnProperty":"d","prototype":"e","while":"f","o":"g","I":"h"}';
    const expected = [..."abcdefgh"].map((letter, i) => Buffer.from([((i + 1) << 3) | 2, 1, letter.charCodeAt(0)]));
    assert.deepEqual(read(json, messageType("Odd")), Buffer.concat(expected));
    assert.equal(refusal('{"__proto__":{}}').message, "__proto__: unknown field");
    assert.equal(refusal('{"constructor":1}').code, "FIELD_UNKNOWN");
    sameAsOracle('{"keyString":{"__proto__":"x","constructor":"y"},"struct":{"__proto__":{"toString":1}}}');
  });

  it("leaves out a default without presence, and writes one with presence", () => {
    for (const kind of scalarKinds) {
      const zero = kind === "string" || kind === "bytes" ? '""' : kind === "bool" ? "false" : "0";
      assert.equal(read(`{"a_${kind}":${zero}}`).length, 0, kind);
      assert.ok(read(`{"opt_${kind}":${zero}}`).length > 0, kind);
    }
    assert.equal(read('{"color":"COLOR_UNSPECIFIED","nullValue":null}').length, 0);
    assert.equal(read('{"aDouble":-0.0}').toString("hex"), "090000000000000080"); // -0 is not the default
  });
});

describe("JSON readers: refusals", () => {
  const table: readonly (readonly [
    json: string,
    code: ErrorCode,
    message: string,
    field: string,
    desc?: DescMessage,
  ])[] = [
    // not JSON
    ["", "BODY_MALFORMED", "unexpected end at line 1, column 1; expected a JSON value", "body"],
    ["{", "BODY_MALFORMED", "unexpected end at line 1, column 2; expected a name in double quotes", "body"],
    [
      '{"aInt32":1}x',
      "BODY_MALFORMED",
      'unexpected "x" at line 1, column 13; expected nothing after the value',
      "body",
    ],
    ["{}{}", "BODY_MALFORMED", 'unexpected "{" at line 1, column 3; expected nothing after the value', "body"],
    [
      '\n{"aInt32":\n 01}',
      "BODY_MALFORMED",
      'unexpected "1" at line 3, column 3; expected a number as JSON writes it',
      "aInt32",
    ],
    ['{"aInt32":+1}', "BODY_MALFORMED", 'unexpected "+" at line 1, column 11; expected a JSON value', "aInt32"],
    [
      '{"aInt32":1,}',
      "BODY_MALFORMED",
      'unexpected "}" at line 1, column 13; expected a name in double quotes',
      "body",
    ],
    ['{"aInt32" 1}', "BODY_MALFORMED", 'unexpected "1" at line 1, column 11; expected ":"', "aInt32"],
    [
      '{"aInt32":1 "aInt64":2}',
      "BODY_MALFORMED",
      'unexpected quote at line 1, column 13; expected "," or "}"',
      "aInt32",
    ],
    [
      '{"listInt32":[1,]}',
      "BODY_MALFORMED",
      'unexpected "]" at line 1, column 17; expected a JSON value',
      "listInt32[1]",
    ],
    [
      '{"listInt32":[1 2]}',
      "BODY_MALFORMED",
      'unexpected "2" at line 1, column 17; expected "," or "]"',
      "listInt32[0]",
    ],
    ['{"aDouble":NaN}', "BODY_MALFORMED", 'unexpected "N" at line 1, column 12; expected a JSON value', "aDouble"],
    ['{"aBool":truE}', "BODY_MALFORMED", 'unexpected "E" at line 1, column 13; expected "true"', "aBool"],
    [
      "{'aBool':true}",
      "BODY_MALFORMED",
      `unexpected "'" at line 1, column 2; expected a name in double quotes`,
      "body",
    ],
    [
      '{"aString":"é\t"}',
      "BODY_MALFORMED",
      "unexpected control character 0x09 at line 1, column 14; expected control characters in strings to be escaped",
      "aString",
    ],
    [
      '{"aString":"\\x"}',
      "BODY_MALFORMED",
      'unexpected "x" at line 1, column 14; expected one of "\\/bfnrtu after a backslash',
      "aString",
    ],
    [
      '{"aString":"\\u12g4"}',
      "BODY_MALFORMED",
      'unexpected "g" at line 1, column 17; expected four hexadecimal digits',
      "aString",
    ],
    ['{"aString":"abc', "BODY_MALFORMED", "unexpected end at line 1, column 16; expected a closing quote", "aString"],
    [
      '{"aString":"\u0000"}',
      "BODY_MALFORMED",
      "unexpected control character 0x00 at line 1, column 13; expected control characters in strings to be escaped",
      "aString",
    ],
    [
      "{}\u0000",
      "BODY_MALFORMED",
      "unexpected control character 0x00 at line 1, column 3; expected nothing after the value",
      "body",
    ],
    ["\ufeff{}", "BODY_MALFORMED", "unexpected byte order mark at line 1, column 1; expected a JSON value", "body"],
    [
      '{"child":{"aInt32":[1,{"x":tru}]}}',
      "BODY_MALFORMED",
      'unexpected "}" at line 1, column 31; expected "true"',
      "child.aInt32[1].x",
    ],
    [
      '{"keyString":{a:"b"}}',
      "BODY_MALFORMED",
      'unexpected "a" at line 1, column 15; expected a name in double quotes',
      "keyString",
    ],
    // JSON, but not this message
    ["[]", "FIELD_INVALID", "expected an object, got an array", "body"],
    ["null", "FIELD_INVALID", "expected an object, got null", "body"],
    ['"x"', "FIELD_INVALID", 'expected an object, got "x"', "body"],
    ['{"child":[]}', "FIELD_INVALID", "expected an object, got an array", "child"],
    [
      '{"children":[{},{"children":[{"aInt32":"x"}]}]}',
      "FIELD_INVALID",
      'expected an int32, got "x"',
      "children[1].children[0].aInt32",
    ],
    ['{"children":{}}', "FIELD_INVALID", "expected an array, got an object", "children"],
    ['{"children":[null]}', "FIELD_INVALID", "expected an object, got null", "children[0]"],
    ['{"wList":[1,null]}', "FIELD_INVALID", "expected a value, got null", "wList[1]"],
    ['{"keyInt32":[]}', "FIELD_INVALID", "expected an object, got an array", "keyInt32"],
    ['{"keyInt32":{"1":null}}', "FIELD_INVALID", "expected a string, got null", 'keyInt32["1"]'],
    ['{"keyInt32":{"x":""}}', "FIELD_INVALID", 'expected an int32, got "x"', "keyInt32.x"],
    ['{"keyBool":{"1":""}}', "FIELD_INVALID", 'expected true or false, got "1"', 'keyBool["1"]'],
    ['{"keyInt32":{"1":"","1.0":""}}', "FIELD_INVALID", "given twice", 'keyInt32["1.0"]'],
    ['{"keyString":{"a b":"","\\u0061 b":""}}', "FIELD_INVALID", "given twice", 'keyString["a b"]'],
    ['{"aString":5}', "FIELD_INVALID", "expected a string, got 5", "aString"],
    ['{"aBool":"true"}', "FIELD_INVALID", 'expected true or false, got "true"', "aBool"],
    ['{"aBool":1}', "FIELD_INVALID", "expected true or false, got 1", "aBool"],
    ['{"aFloat":1e39}', "FIELD_INVALID", "expected a float, got 1e39, which is out of range", "aFloat"],
    ['{"aDouble":1e309}', "FIELD_INVALID", "expected a double, got 1e309, which is out of range", "aDouble"],
    ['{"aDouble":"1e309"}', "FIELD_INVALID", 'expected a double, got "1e309", which is out of range', "aDouble"],
    ['{"aDouble":"nan"}', "FIELD_INVALID", 'expected a double, got "nan"', "aDouble"],
    ['{"aDouble":true}', "FIELD_INVALID", "expected a double, got true", "aDouble"],
    ['{"aBytes":"A"}', "FIELD_INVALID", 'expected base64, got "A"', "aBytes"],
    ['{"aBytes":"AQI*"}', "FIELD_INVALID", 'expected base64, got "AQI*"', "aBytes"],
    ['{"aBytes":"AQ="}', "FIELD_INVALID", 'expected base64, got "AQ="', "aBytes"],
    ['{"aBytes":"A==="}', "FIELD_INVALID", 'expected base64, got "A==="', "aBytes"],
    ['{"aBytes":"AQ==AQ=="}', "FIELD_INVALID", 'expected base64, got "AQ==AQ=="', "aBytes"],
    [`{"aBytes":"${"A".repeat(200)} AAA"}`, "FIELD_INVALID", `expected base64, got "${"A".repeat(39)}…`, "aBytes"],
    ['{"aString":"\\ud800"}', "FIELD_INVALID", 'expected a string without lone surrogates, got "\\ud800"', "aString"],
    [
      '{"aString":"\\udc00\\ud800"}',
      "FIELD_INVALID",
      'expected a string without lone surrogates, got "\\udc00\\ud800"',
      "aString",
    ],
    [
      '{"aString":"\\ud800\\u0041"}',
      "FIELD_INVALID",
      'expected a string without lone surrogates, got "\\ud800\\u0041"',
      "aString",
    ],
    [
      '{"color":"REDD"}',
      "FIELD_INVALID",
      'expected a value of test.v1.Color, got "REDD"; did you mean "RED"?',
      "color",
    ],
    ['{"color":"__proto__"}', "FIELD_INVALID", 'expected a value of test.v1.Color, got "__proto__"', "color"],
    ['{"color":"1"}', "FIELD_INVALID", 'expected a value of test.v1.Color, got "1"', "color"],
    ['{"color":1.5}', "FIELD_INVALID", "expected a value of test.v1.Color, got 1.5", "color"],
    [
      '{"color":2147483648}',
      "FIELD_INVALID",
      "expected a value of test.v1.Color, got 2147483648, which is out of range",
      "color",
    ],
    ['{"colors":[null]}', "FIELD_INVALID", "expected a value of test.v1.Color, got null", "colors[0]"],
    ['{"closed":3}', "FIELD_INVALID", "expected a value of test.v1.Closed, got 3", "closed", Old],
    ['{"aInt32":1,"aInt32":2}', "FIELD_INVALID", "given twice", "aInt32"],
    ['{"aInt32":null,"a_int32":2}', "FIELD_INVALID", "given twice", "a_int32"],
    ['{"aInt32":1,"a\\u0049nt32":2}', "FIELD_INVALID", "given twice", "aInt32"],
    ['{"pickText":"a","pickNumber":1}', "FIELD_INVALID", 'another field of oneof "pick" is given too', "pickNumber"],
    ['{"pickNull":null,"pickChild":{}}', "FIELD_INVALID", 'another field of oneof "pick" is given too', "pickChild"],
    ['{"[test.v1.ext_int32]":1,"[test.v1.ext_int32]":2}', "FIELD_INVALID", "given twice", "[test.v1.ext_int32]", Old],
    // unknown
    ['{"aInt33":1}', "FIELD_UNKNOWN", 'unknown field; did you mean "aInt32"?', "aInt33"],
    [
      '{"child":{"children":[{"nothing-like it":1}]}}',
      "FIELD_UNKNOWN",
      "unknown field",
      'child.children[0]["nothing-like it"]',
    ],
    ['{"":1}', "FIELD_UNKNOWN", "unknown field", '[""]'],
    ['{"[test.v1.ext_int32]":1}', "FIELD_UNKNOWN", "unknown field", "[test.v1.ext_int32]"],
    ['{"[test.v1.no_such]":1}', "FIELD_UNKNOWN", "unknown field", "[test.v1.no_such]", Old],
    ['{"@type":"x"}', "FIELD_UNKNOWN", "unknown field", '["@type"]'],
  ];
  for (const [json, code, reason, path, desc] of table) {
    it(`${JSON.stringify(json.slice(0, 60))}: ${code} at ${path}`, () => {
      const prefix = code === "BODY_MALFORMED" ? "body is not valid JSON" : path;
      assert.deepEqual(refusal(json, desc), { code, message: `${prefix}: ${reason}`, field: path });
    });
  }

  it("says where bytes are not UTF-8", () => {
    const bad = [
      [0xff],
      [0xc0, 0x80],
      [0xe0, 0x80, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe2, 0x82],
      [0x80],
      [0xf8],
    ];
    for (const bytes of bad) {
      const json = Buffer.concat([Buffer.from('{"child":{\n"aString":"é'), Buffer.from(bytes), Buffer.from('"}}')]);
      assert.deepEqual(refusal(json), {
        code: "BODY_MALFORMED",
        message: "body is not valid JSON: invalid UTF-8 at line 2, column 13",
        field: "child.aString",
      });
    }
  });

  it("leaves what was written before as it was", () => {
    wire.reset();
    const json = Buffer.from('{"aInt32":1,"aString":5}');
    assert.throws(() => strict.message(All)(json, 0, json.length));
    assert.equal(wire.length, 0);
  });

  it("shortens values, names and paths to what a message can hold", () => {
    const value = refusal(`{"aInt32":"${"😀".repeat(1000)}"}`);
    assert.ok(value.message.length < 150, value.message);
    assert.doesNotMatch(value.message, /[\ud800-\udbff](?![\udc00-\udfff])/);
    const name = refusal(`{"${"n".repeat(100_000)}":1}`);
    assert.equal(name.field, `${"n".repeat(40)}…`);
    const path = refusal('{"child":'.repeat(99) + "5" + "}".repeat(99));
    assert.equal(path.field.length, 201);
  });
});

describe("JSON readers: unknown fields ignored", () => {
  it("skips unknown fields of any shape, and unknown enum names in fields, lists and maps", () => {
    const unknown = [
      "1",
      '"a\\n"',
      "true",
      "null",
      "{}",
      "[]",
      '{"a":{"b":[1,{"c":null}]},"d":-1.5e3}',
      "[[],[[]],{}]",
    ];
    for (const value of unknown) {
      sameAsOracle(`{"nope":${value},"aInt32":1,"child":{"x y":${value}}}`, All, lenient);
    }
    sameAsOracle(
      '{"color":"NEW","colors":["RED","NEW","GREEN","NEW"],"colorByName":{"a":"NEW","b":"RED"}}',
      All,
      lenient,
    );
    sameAsOracle('{"closed":"NEW","closeds":["NEW","TWO"]}', Old, lenient);
    sameAsOracle('{"[test.v1.no_such]":{"a":1},"aInt32":1}', Old, lenient);
    sameAsOracle('{"pickColor":"NEW"}', All, lenient);
  });

  it("still refuses what is no JSON in them, and known fields given wrongly", () => {
    for (const bad of [
      "01",
      "tru",
      '"\t"',
      "{a:1}",
      "[1,]",
      '{"a":1,}',
      '{"a"}',
      "[1}",
      '"\\x"',
      "-",
      "1.",
      "1e",
      ".5",
      "+1",
    ]) {
      assert.equal(refusal(`{"nope":${bad}}`, All, lenient).code, "BODY_MALFORMED", bad);
    }
    assert.equal(refusal('{"aInt32":"x"}', All, lenient).code, "FIELD_INVALID");
    assert.equal(refusal('{"color":true}', All, lenient).code, "FIELD_INVALID");
  });
});

describe("JSON readers: one field", () => {
  const readField = (json: string, name: string): Buffer => {
    wire.reset();
    const bytes = Buffer.from(json);
    strict.field(All, fieldOf(All, name))(bytes, 0, bytes.length);
    return wire.take();
  };

  it("writes the field with its tag; nothing for null", () => {
    for (const [name, json] of [
      ["child", '{"aInt32":1}'],
      ["a_string", ' "x" '],
      ["list_int32", "[1,2]"],
      ["children", "[{},{}]"],
      ["key_string", '{"a":"b"}'],
      ["pick_text", '"t"'],
      ["value", "null"],
      ["time", '"1970-01-01T00:00:01Z"'],
    ] as const) {
      const field = fieldOf(All, name);
      assert.deepEqual(
        readField(json, name),
        Buffer.from(toBinary(All, fromJsonString(All, `{"${field.jsonName}":${json}}`))),
      );
    }
    assert.equal(readField("null", "child").length, 0);
    assert.equal(readField(" null ", "list_int32").length, 0);
  });

  it("puts the field's name before paths", () => {
    const fails = (json: string, name: string): string => {
      try {
        readField(json, name);
      } catch (error) {
        assert.ok(error instanceof GatewayError);
        return `${error.violations[0]?.field}`;
      }
      assert.fail(json);
    };
    assert.equal(fails('{"aInt32":"x"}', "child"), "child.aInt32");
    assert.equal(fails('[{"x":1}]', "children"), "children[0].x");
    assert.equal(fails("5", "list_int32"), "listInt32");
    assert.equal(fails("{} {}", "child"), "child");
  });

  it("reads a part of a larger buffer", () => {
    wire.reset();
    const bytes = Buffer.from('xx{"aInt32":1}"yy');
    strict.message(All)(bytes, 2, 14);
    assert.deepEqual(wire.take(), read('{"aInt32":1}'));
  });
});

describe("JSON readers: the order of members", () => {
  it("may change from one object to the next", () => {
    const members = [
      '"aInt32":1',
      '"aInt64":"2"',
      '"a_string":"x"',
      '"color":"RED"',
      '"child":{"aBool":true,"color":"GREEN"}',
    ];
    const orders = members.flatMap((_, i) =>
      members.map((_, j) => [...members.slice(i), ...members.slice(0, i), members[j]]),
    );
    for (const order of orders) {
      const unique = [...new Set(order)].reverse();
      sameAsOracle(`{${unique.join(",")}}`);
      sameAsOracle(`{"children":[{${order.slice(0, 3).join(",")}},{${order.slice(2, 5).join(",")}},{}]}`);
    }
  });

  it("makes nobody read a name that only begins like the expected one, or ends where the text ends", () => {
    // What was read last is expected next.
    for (const name of ["aInt32", "a_int32", "color", "any", "mask"]) {
      sameAsOracle(`{"${name}":null,"aBool":true}`);
      assert.equal(refusal(`{"${name}x":null}`).code, "FIELD_UNKNOWN");
      assert.equal(refusal(`{"${name.slice(0, -1)}":null}`).code, "FIELD_UNKNOWN");
      for (const cut of [`{"${name}"`, `{"${name}`, `{"${name.slice(0, 2)}`, '{"', "{"]) {
        assert.equal(refusal(cut).code, "BODY_MALFORMED");
      }
      sameAsOracle(`{ "${name}" : null , "aBool" : true }`);
      sameAsOracle(`{"\\u${name.charCodeAt(0).toString(16).padStart(4, "0")}${name.slice(1)}":null}`);
    }
  });
});
