import { describe } from "node:test";
import {
  type Accepted,
  checkAccepted,
  checkRefused,
  checkWritten,
  type Refused,
  type Written,
} from "../../support/json-rules.ts";
import { bytes, double, number, tag } from "../../support/wire-bytes.ts";

// How far the rules of json-rules.test.ts go: of each kind of value, which spellings are taken, and which no longer.

// What protobuf-es reads otherwise.
const BIGINT = "protobuf-es reads 64 bits by BigInt, and JSON numbers as doubles first";
const LOOSE_NUMBER = "protobuf-es reads what JavaScript's Number reads";
const LOOSE_BASE64 = "protobuf-es passes over padding and spaces";
const URL = "protobuf-es makes all type URLs begin alike";
const NULL_IN_ONEOF = "protobuf-es takes null for a member that is set";
const DATE = "protobuf-es reads what Date.parse reads";
const REQUIRED = "protobuf-es asks for required fields";

/** `written` is "" where nothing is; left out, the same text. */
type Take = readonly [value: string, written?: string | undefined, apart?: string];
type Leave = readonly [value: string, apart?: string];

const take = (type: string, name: string, rows: readonly Take[]): Accepted[] =>
  rows.map(([value, written = value, apart]) => ({
    rule: `${type}.${name}: ${value}`,
    type,
    json: `{"${name}":${value}}`,
    canonical: written === "" ? "{}" : `{"${name}":${written}}`,
    ...(apart === undefined ? {} : { apart }),
  }));
const leave = (type: string, name: string, rows: readonly Leave[], as = `FIELD_INVALID ${name}`): Refused[] =>
  rows.map(([value, apart]) => ({
    rule: `${type}.${name}: ${value}`,
    type,
    json: `{"${name}":${value}}`,
    as,
    ...(apart === undefined ? {} : { apart }),
  }));

const TREE = "type.googleapis.com/test.json.Tree";
const any = (name: string, rest: string): string => `{"@type":"type.googleapis.com/google.protobuf.${name}"${rest}}`;

const accepted: readonly Accepted[] = [
  ...take("Optionals", "aInt32", [
    ['"-0"', "0"],
    ["-0.0", "0"],
    ["1E2", "100"],
    ["1e+2", "100"],
    ["100e-2", "1"],
    ['"1.0"', "1"],
    ['"\\u0031"', "1"],
    ["2147483647.0", "2147483647"],
    ["2.147483647e9", "2147483647"],
    ["0e999999", "0"],
    ["0.0e-5", "0"],
  ]),
  ...take("Optionals", "aInt64", [
    ['"-0"', '"0"'],
    ['"1.0"', '"1"', BIGINT],
    ['"1E2"', '"100"', BIGINT],
    ["0.1e1", '"1"'],
    ["9223372036854775807.0", '"9223372036854775807"', BIGINT],
    ["9.223372036854775807e18", '"9223372036854775807"', BIGINT],
    ["92233720368547758070e-1", '"9223372036854775807"', BIGINT],
    ["9007199254740993", '"9007199254740993"', BIGINT],
    ["-9223372036854775808", '"-9223372036854775808"'],
    ["1e18", '"1000000000000000000"'],
  ]),
  ...take("Optionals", "aUint64", [
    ["18446744073709551615", '"18446744073709551615"', BIGINT],
    ["1.8446744073709551615e19", '"18446744073709551615"', BIGINT],
    ["-0", '"0"'],
  ]),
  ...take("Optionals", "aDouble", [
    ['"-0"', "-0"],
    ['"1E5"', "100000"],
    ['"\\u0031"', "1"],
    ["1.7976931348623158e308", "1.7976931348623157e+308"],
    ["4.9e-324", "5e-324"],
    ["2e-324", "0"],
    ["123456789012345678901234567890", "1.2345678901234568e+29"],
    ["null", ""],
  ]),
  ...take("Optionals", "aFloat", [
    ["3.4028235677973362e38", "3.4028235e+38"], // rounds down to the largest
    ["7e-46", "0"],
    ["7.1e-46", "1e-45"],
    ["16777217", "16777216"],
    ['"-Infinity"'],
  ]),
  ...take("Optionals", "aBytes", [
    ['"YR=="', '"YQ=="'], // bits that say nothing
    ['"-/+_"', '"+/+/"'], // both alphabets
    ['"\\u0059Q=="', '"YQ=="'],
  ]),
  ...take("Optionals", "aColor", [["1e0", '"COLOR_RED"'], ["-2147483648"], ["null", ""]]),
  ...take("WellKnown", "time", [
    ['"1970-01-01T00:00:00+14:00"', '"1969-12-31T10:00:00Z"'],
    ['"1970-01-01T00:00:00-00:00"', '"1970-01-01T00:00:00Z"'],
    ['"1970-01-01T00:00:00+23:59"', '"1969-12-31T00:01:00Z"'],
    ['"1969-12-31T23:59:59.999999999Z"'],
    ['"2024-02-29T00:00:00Z"'],
    ['"2000-02-29T00:00:00.1Z"', '"2000-02-29T00:00:00.100Z"'],
    ['"\\u0031970-01-01T00:00:00Z"', '"1970-01-01T00:00:00Z"'],
    ["null", ""],
  ]),
  ...take("WellKnown", "duration", [
    ['"01s"', '"1s"'],
    ['"-0s"', '"0s"'],
    ['"-0.0s"', '"0s"'],
    ['"-0.000000001s"'],
    ['"1.5s"', '"1.500s"'],
    ['"315576000000.999999999s"'],
    ["null", ""],
  ]),
  ...take("WellKnown", "mask", [
    ['"a.b.c"'],
    ['"aB.cD"'],
    ['"*"'],
    ['"a.*"'],
    ['"a1"'],
    ['"a,a"'],
    ['"\\u0061"', '"a"'],
  ]),
  ...take("WellKnown", "any", [
    [`{"@type":"/test.json.Tree"}`, undefined, URL],
    [`{"@type":"a/b/test.json.Tree","name":"x"}`, undefined, URL],
    [`{"\\u0040type":"${TREE}"}`, `{"@type":"${TREE}"}`],
    [any("StringValue", ',"value":null'), any("StringValue", ',"value":""')],
    [any("Value", ',"value":null')],
    [any("FieldMask", ',"value":""')],
    [any("Any", ',"value":{}')],
    [any("Struct", ',"value":{"@type":"x"}')],
    ["null", ""],
  ]),
  ...take("WellKnown", "value", [
    ["-0"],
    ["1e308", "1e+308"],
    ["9007199254740993", "9007199254740992"], // a double, as the type says
    ['"NaN"'],
    ['{"":""}'],
    ['{"__proto__":1,"constructor":2}'],
  ]),
  ...take("MapKeys", "aInt32", [
    ['{"-0":"a"}', '{"0":"a"}'],
    ['{"1e0":"a"}', '{"1":"a"}'],
  ]),
  ...take("MapKeys", "aInt64", [['{"1.0":"a"}', '{"1":"a"}', BIGINT]]),
  ...take("MapKeys", "aUint64", [['{"18446744073709551615":"a"}']]),
  ...take("Lists", "aFloat", [['["NaN",1,"-Infinity",1.5]']]),
  ...take("Wrappers", "aBytes", [['"-_8"', '"+/8="']]),
  {
    rule: "oneof: a null beside the one that is set",
    type: "Pick",
    json: '{"aMessage":null,"aInt32":1,"aString":null}',
    canonical: '{"aInt32":1}',
    apart: NULL_IN_ONEOF,
  },
  {
    rule: "extensions: null",
    type: "Old",
    json: '{"required":1,"[test.json.number_ext]":null}',
    canonical: '{"required":1}',
    apart: "protobuf-es takes null for a value of an extension",
  },
  { rule: "proto2: a required field left out is the server's to miss", type: "Old", json: "{}", apart: REQUIRED },
];

const MALFORMED_STRING = "BODY_MALFORMED aString";

const refused: readonly Refused[] = [
  ...leave("Optionals", "aInt32", [
    ['"01"', LOOSE_NUMBER],
    ['"0x1"', LOOSE_NUMBER],
    ["1e-1"],
    ['"1 "'],
    ['"1_0"'],
    ['"١"'],
    ["2147483648.0"],
    ["1e2147483648"],
    ['"Infinity"'],
  ]),
  ...leave("Optionals", "aInt64", [
    ['"01"', BIGINT],
    ["9223372036854775808e-1", BIGINT],
    ["1e19"],
    ["9223372036854775808"],
  ]),
  ...leave("Optionals", "aUint64", [["18446744073709551616"], ["-1"], ['"-1"']]),
  ...leave("Optionals", "aDouble", [
    ['"-NaN"'],
    ['"NAN"'],
    ['"+Infinity"'],
    ['"infinity"'],
    ['" 1.5"'],
    ['"1e400"'],
    ["1.7976931348623159e308"],
    ['".5"', LOOSE_NUMBER],
    ['"5."', LOOSE_NUMBER],
    ['"1,5"'],
  ]),
  ...leave("Optionals", "aFloat", [["3.4028235677973366e38"], ["-3.4028236e38"], ['"3.5e38"']]),
  ...leave("Optionals", "aBool", [['"TRUE"'], ['""'], ["0"]]),
  ...leave("Optionals", "aString", [['"\\uDE00"'], ['"\\uD83Dx"'], ['"\\uD83D\\u0041"'], ["true"], ["{}"]]),
  ...leave("Optionals", "aString", [['"\\u00"'], ['"\\U0041"'], ['"a\tb"'], ["'a'"], ['"\\v"']], MALFORMED_STRING),
  ...leave("Optionals", "aBytes", [
    ['"Y"'],
    ['"é"'],
    ['"YQ="', LOOSE_BASE64],
    ['"YQ==="', LOOSE_BASE64],
    ['"Y Q=="', LOOSE_BASE64],
    ['"YQ\\n=="', LOOSE_BASE64],
    ['"===="', LOOSE_BASE64],
    ['"YQ==YQ=="', LOOSE_BASE64],
  ]),
  ...leave("Optionals", "aColor", [['""'], ['"COLOR_RED "'], ["-2147483649"], ["true"], ["[]"]]),
  ...leave("WellKnown", "time", [
    ['"1970-01-01T00:00:00z"'],
    ['"1970-01-01T00:00:60Z"'],
    ['"1970-01-01T24:00:00Z"', DATE],
    ['"1970-01-01T00:60:00Z"'],
    ['"1970-01-01T00:00Z"'],
    ['"1970-1-1T00:00:00Z"'],
    ['"1970-01-01T00:00:00.Z"'],
    ['"1970-01-01T00:00:00,5Z"'],
    ['"1970-01-01T00:00:00+0100"'],
    ['"1970-01-01T00:00:00+1:00"'],
    ['"1970-13-01T00:00:00Z"'],
    ['"1970-01-00T00:00:00Z"'],
    ['"2023-02-29T00:00:00Z"', DATE],
    ['"2100-02-29T00:00:00Z"', DATE],
    ['"+1970-01-01T00:00:00Z"'],
    ['" 1970-01-01T00:00:00Z"'],
    ['"0001-01-01T00:00:00+00:01"'],
    ['""'],
    ["{}"],
  ]),
  ...leave("WellKnown", "duration", [
    ['"1S"'],
    ['"+1s"'],
    ['".5s"'],
    ['"1.s"'],
    ['"1e3s"'],
    ['" 1s"'],
    ['"s"'],
    ['"-s"'],
    ['"--1s"'],
    ['"1,5s"'],
    ['"3m"'],
    ['""'],
    ["1"],
    ["{}"],
  ]),
  ...leave("WellKnown", "mask", [['"_"'], ['"a.b_c"'], ["[]"], ["{}"]]),
  ...leave("WellKnown", "any", [["[]"], ['"x"'], ['{"value":1}']]),
  ...leave(
    "WellKnown",
    "any",
    [['{"@type":""}'], ['{"@type":1}'], ['{"@type":null}'], ['{"@type":"a/"}']],
    'FIELD_INVALID any["@type"]',
  ),
  ...leave("WellKnown", "any", [[`{"@type":"${TREE}","@type":"${TREE}"}`]], 'FIELD_INVALID any["@type"]'),
  ...leave("WellKnown", "any", [[any("Duration", ',"value":null')]], "FIELD_INVALID any.value"),
  ...leave("WellKnown", "any", [[any("Empty", ',"value":{}')]], "FIELD_UNKNOWN any.value"),
  ...leave("WellKnown", "value", [["1e400", "protobuf-es reads Infinity, which it cannot write"]]),
  ...leave("WellKnown", "value", [['{"a":1,"\\u0061":2}']], "FIELD_INVALID value.a"),
  ...leave("WellKnown", "value", [["NaN"], ["undefined"]], "BODY_MALFORMED value"),
  ...leave("WellKnown", "null", [['"x"'], ["false"], ['"0"']]),
  ...leave("WellKnown", "empty", [["[]"]]),
  ...leave("WellKnown", "empty", [['{"a":1}']], "FIELD_UNKNOWN empty.a"),
  ...leave("MapKeys", "aInt32", [['{"01":"a"}', LOOSE_NUMBER]], 'FIELD_INVALID aInt32["01"]'),
  ...leave("MapKeys", "aInt32", [['{"+1":"a"}', LOOSE_NUMBER]], 'FIELD_INVALID aInt32["+1"]'),
  ...leave("MapKeys", "aInt32", [['{" 1":"a"}']], 'FIELD_INVALID aInt32[" 1"]'),
  ...leave("MapKeys", "aBool", [['{"TRUE":"a"}']], "FIELD_INVALID aBool.TRUE"),
  ...leave("MapKeys", "aString", [['{"a":"1","\\u0061":"2"}']], "FIELD_INVALID aString.a"),
  ...leave("Lists", "aInt32", [["[[1]]"]], "FIELD_INVALID aInt32[0]"),
  ...leave("Lists", "aInt32", [["[,1]"], ["[1,]"], ["[1 2]"], ["[1"]], "BODY_MALFORMED"),
  ...leave("Lists", "aColor", [["[null]"]], "FIELD_INVALID aColor[0]"),
  ...leave("Wrappers", "aBool", [['"true"']]),
  ...leave("Wrappers", "aUint32", [["-1"]]),
  ...leave("Wrappers", "map", [['{"a":null}']], "FIELD_INVALID map.a"),
  ...leave("Old", "test.json.number_ext", [["1"]], "FIELD_UNKNOWN"),
];

const seconds = (value: number, nanos = 0): Buffer => Buffer.concat([number(1, value), number(2, nanos)]);
const NOT_JSON = "what JSON has no number for";

const written: readonly Written[] = [
  { rule: "nothing", type: "Scalars", bytes: Buffer.alloc(0), json: "{}" },
  { rule: "a default that was sent, without presence", type: "Scalars", bytes: number(3, 0), json: "{}" },
  { rule: "the same with presence", type: "Optionals", bytes: number(3, 0), json: '{"aInt32":0}' },
  { rule: "an unknown field", type: "Scalars", bytes: number(99, 1), json: "{}" },
  { rule: "an enum's unknown number", type: "Scalars", bytes: number(16, 77), json: '{"aColor":77}' },
  { rule: "a bool of 64 bits", type: "Scalars", bytes: number(13, 2n ** 63n), json: '{"aBool":true}' },
  { rule: "an int32 of 64 bits", type: "Scalars", bytes: number(3, 2n ** 40n + 7n), json: '{"aInt32":7}' },
  {
    rule: "a field given twice",
    type: "Scalars",
    bytes: Buffer.concat([number(3, 1), number(3, 2)]),
    json: '{"aInt32":2}',
  },
  {
    rule: "two members of a oneof",
    type: "Pick",
    bytes: Buffer.concat([number(3, 1), bytes(14, "a")]),
    json: '{"aString":"a"}',
  },
  {
    rule: "a list in pieces, packed and not",
    type: "Lists",
    bytes: Buffer.concat([bytes(3, Buffer.from([1, 2])), number(3, 3), bytes(3, Buffer.alloc(0))]),
    json: '{"aInt32":[1,2,3]}',
  },
  { rule: "a map's entry without key and value", type: "MapValues", bytes: bytes(3), json: '{"aInt32":{"":0}}' },
  {
    rule: "a map's key given twice",
    type: "MapKeys",
    bytes: Buffer.concat([bytes(1, number(1, 1), bytes(2, "a")), bytes(1, number(1, 1), bytes(2, "b"))]),
    json: '{"aInt32":{"1":"b"}}',
  },
  { rule: "a required field left out", type: "Old", bytes: number(2, 1), json: '{"withDefault":1}', apart: REQUIRED },
  {
    rule: "a closed enum's unknown number",
    type: "Old",
    bytes: Buffer.concat([number(1, 1), number(7, 9)]),
    json: '{"required":1}',
  },
  {
    rule: "Timestamp: before 0001",
    type: "WellKnown",
    bytes: bytes(1, seconds(-62135596801)),
    refused: "google.protobuf.Timestamp: seconds are not within the years 0001 to 9999",
  },
  {
    rule: "Timestamp: negative nanos",
    type: "WellKnown",
    bytes: bytes(1, seconds(0, -1)),
    refused: "google.protobuf.Timestamp: nanos -1 are not within 0 to 999999999",
  },
  {
    rule: "Duration: two signs",
    type: "WellKnown",
    bytes: bytes(2, seconds(1, -1)),
    refused: "google.protobuf.Duration: seconds and nanos differ in sign",
  },
  {
    rule: "Duration: too long",
    type: "WellKnown",
    bytes: bytes(2, seconds(315576000001)),
    refused: "google.protobuf.Duration: seconds are not within 315576000000 either way",
  },
  {
    rule: "FieldMask: no way back",
    type: "WellKnown",
    bytes: bytes(3, bytes(1, "fooBar")),
    refused: "google.protobuf.FieldMask: a path does not come back from lowerCamelCase",
  },
  {
    rule: "Value: no kind",
    type: "WellKnown",
    bytes: bytes(5),
    refused: "google.protobuf.Value: no kind is set",
  },
  {
    rule: "Value: NaN",
    type: "WellKnown",
    bytes: bytes(5, double(2, NaN)),
    refused: "google.protobuf.Value: number_value is not finite",
  },
  {
    rule: "Any: an unknown type",
    type: "WellKnown",
    bytes: bytes(8, bytes(1, "a/no.Such")),
    refused: 'google.protobuf.Any: type_url "a/no.Such" names no known message',
  },
  { rule: `double: ${NOT_JSON}`, type: "Scalars", bytes: double(1, -Infinity), json: '{"aDouble":"-Infinity"}' },
  {
    rule: "a field of another wire type, which is an unknown one",
    type: "Scalars",
    bytes: Buffer.concat([tag(3, 5), Buffer.alloc(4)]),
    json: "{}",
    apart: "protobuf-es does not look at wire types",
  },
];

describe("ProtoJSON, how far its rules go: what is taken", () => checkAccepted(accepted));
describe("ProtoJSON, how far its rules go: what is refused", () => checkRefused(refused));
describe("ProtoJSON: what is written for bytes", () => checkWritten(written));
