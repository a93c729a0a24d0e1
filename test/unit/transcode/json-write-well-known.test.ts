import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { jsonOf, messageType, oracle, refusal } from "../../support/json-write.ts";
import { bytes, double, group, number, tag, varint } from "../../support/wire-bytes.ts";

const fields = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
const parts = (seconds: number | bigint, nanos: number): Buffer => fields(number(1, seconds), number(2, nanos));

/** Checks bytes of a well-known type against JSON text, which protobuf-es gives as well. */
function expectAll(typeName: string, rows: readonly (readonly [Buffer, string])[]): void {
  const message = messageType(`google.protobuf.${typeName}`);
  for (const [input, expected] of rows) {
    assert.equal(jsonOf(input, message), expected);
    assert.deepEqual(JSON.parse(expected), oracle(input, message));
  }
}

function refuseAll(typeName: string, rows: readonly (readonly [Buffer, string])[]): void {
  const message = messageType(`google.protobuf.${typeName}`);
  for (const [input, reason] of rows) assert.equal(refusal(input, message), `google.protobuf.${typeName}: ${reason}`);
}

describe("writeTimestamp()", () => {
  it("writes RFC 3339 with no, 3, 6 or 9 decimals", () => {
    expectAll("Timestamp", [
      [fields(), '"1970-01-01T00:00:00Z"'],
      [parts(1_709_208_896, 0), '"2024-02-29T12:14:56Z"'],
      [parts(1_709_208_896, 120_000_000), '"2024-02-29T12:14:56.120Z"'],
      [parts(1_709_208_896, 120_000), '"2024-02-29T12:14:56.000120Z"'],
      [parts(1_709_208_896, 1), '"2024-02-29T12:14:56.000000001Z"'],
      [parts(-1, 999_999_999), '"1969-12-31T23:59:59.999999999Z"'],
      [parts(-62_135_596_800, 0), '"0001-01-01T00:00:00Z"'],
      [parts(253_402_300_799, 999_999_999), '"9999-12-31T23:59:59.999999999Z"'],
      [parts(86_399, 0), '"1970-01-01T23:59:59Z"'],
      [parts(86_400, 0), '"1970-01-02T00:00:00Z"'],
      [fields(number(1, 5), number(3, 7), number(1, 6)), '"1970-01-01T00:00:06Z"'],
    ]);
  });

  it("refuses what is out of range", () => {
    const seconds = "seconds are not within the years 0001 to 9999";
    refuseAll("Timestamp", [
      [parts(-62_135_596_801, 0), seconds],
      [parts(253_402_300_800, 0), seconds],
      [parts(2n ** 63n - 1n, 0), seconds],
      [parts(-(2n ** 63n), 0), seconds],
      [parts(0, -1), "nanos -1 are not within 0 to 999999999"],
      [parts(0, 1_000_000_000), "nanos 1000000000 are not within 0 to 999999999"],
    ]);
  });
});

describe("writeDuration()", () => {
  it("writes seconds with no, 3, 6 or 9 decimals", () => {
    expectAll("Duration", [
      [fields(), '"0s"'],
      [parts(1, 0), '"1s"'],
      [parts(0, -500_000_000), '"-0.500s"'],
      [parts(-1, -1000), '"-1.000001s"'],
      [parts(0, 1), '"0.000000001s"'],
      [parts(1_234_567, 0), '"1234567s"'],
      [parts(315_576_000_000, 999_999_999), '"315576000000.999999999s"'],
      [parts(-315_576_000_000, 0), '"-315576000000s"'],
    ]);
  });

  it("refuses what is out of range, or of two signs", () => {
    refuseAll("Duration", [
      [parts(315_576_000_001, 0), "seconds are not within 315576000000 either way"],
      [parts(-315_576_000_001, 0), "seconds are not within 315576000000 either way"],
      [parts(1, 1_000_000_000), "nanos 1000000000 are not within 999999999 either way"],
      [parts(1, -1), "seconds and nanos differ in sign"],
      [parts(-1, 1), "seconds and nanos differ in sign"],
    ]);
  });
});

describe("writeFieldMask()", () => {
  it("writes paths in lowerCamelCase", () => {
    expectAll("FieldMask", [
      [fields(), '""'],
      [bytes(1, "foo"), '"foo"'],
      [fields(bytes(1, "foo_bar.baz_qux"), bytes(1, "a.b")), '"fooBar.bazQux,a.b"'],
      [bytes(1, "*"), '"*"'],
    ]);
  });

  it("refuses paths that do not come back", () => {
    const irreversible = "a path does not come back from lowerCamelCase";
    for (const path of ["fooBar", "foo__bar", "foo_3_bar", "foo_", "foo_Bar", "a,b", 'a"b', "a b", "ä", "_.a"]) {
      refuseAll("FieldMask", [[bytes(1, path), irreversible]]);
    }
    refuseAll("FieldMask", [[bytes(1, ""), "a path is empty"]]);
  });
});

describe("writeStruct(), writeValue() and writeListValue()", () => {
  const entry = (key: string, ...value: readonly Buffer[]): Buffer => bytes(1, bytes(1, key), bytes(2, ...value));

  it("write any JSON", () => {
    expectAll("Value", [
      [number(1, 0), "null"],
      [number(1, 7), "null"],
      [double(2, 1.5), "1.5"],
      [bytes(3, ""), '""'],
      [bytes(3, 'ü "'), '"ü \\""'],
      [number(4, 0), "false"],
      [number(4, 1), "true"],
      [bytes(5), "{}"],
      [bytes(6), "[]"],
      [bytes(6, bytes(1, number(1, 0)), bytes(1, number(4, 1))), "[null,true]"],
      [bytes(5, entry("a", double(2, 1)), entry("b", bytes(5, entry("", bytes(3, "x"))))), '{"a":1,"b":{"":"x"}}'],
    ]);
    expectAll("Struct", [
      [fields(), "{}"],
      [fields(entry("a", number(1, 0)), entry("b", number(1, 0)), entry("a", double(2, 2))), '{"a":2,"b":null}'],
      [bytes(1, bytes(2, number(1, 0))), '{"":null}'],
      [bytes(1, bytes(2, number(1, 0)), bytes(1, "late")), '{"late":null}'],
      [fields(number(9, 1), entry("a", number(9, 1), number(1, 0))), '{"a":null}'],
    ]);
    expectAll("ListValue", [
      [fields(), "[]"],
      [fields(bytes(1, double(2, -0.5)), number(9, 1), bytes(1, bytes(6))), "[-0.5,[]]"],
    ]);
  });

  it("take the last kind of a value, and merge messages", () => {
    expectAll("Value", [
      [fields(number(1, 0), double(2, 3)), "3"],
      [fields(bytes(3, "a"), bytes(3, "b")), '"b"'],
      [fields(bytes(6, bytes(1, number(1, 0))), bytes(6, bytes(1, number(4, 1)))), "[null,true]"],
      [fields(bytes(6, bytes(1, number(1, 0))), bytes(3, "x"), bytes(6)), "[]"],
      [fields(tag(3, 2, 2), varint(1), Buffer.from("x")), '"x"'],
    ]);
  });

  it("write structs of many keys", () => {
    const input = fields(...Array.from({ length: 2000 }, (_, i) => entry(`key${i % 1999}`, double(2, i))));
    const Struct = messageType("google.protobuf.Struct");
    assert.deepEqual(JSON.parse(jsonOf(input, Struct)), oracle(input, Struct));
  });

  it("refuse values that have no JSON", () => {
    refuseAll("Value", [
      [fields(), "no kind is set"],
      [number(9, 1), "no kind is set"],
      [double(2, NaN), "number_value is not finite"],
      [bytes(6, bytes(1, double(2, -Infinity))), "number_value is not finite"],
      [bytes(6, bytes(1)), "no kind is set"],
      [bytes(5, bytes(1, bytes(1, "a"))), "no kind is set"],
      [bytes(5, bytes(1, bytes(1, "a"), bytes(2))), "no kind is set"],
    ]);
  });
});

describe("wrappers", () => {
  it("are their values", () => {
    expectAll("Int64Value", [
      [fields(), '"0"'],
      [number(1, -1), '"-1"'],
      [fields(number(1, 1), number(1, 2)), '"2"'],
    ]);
    expectAll("BoolValue", [
      [fields(), "false"],
      [number(1, 1), "true"],
    ]);
    expectAll("StringValue", [
      [fields(), '""'],
      [bytes(1, "ü"), '"ü"'],
    ]);
    expectAll("BytesValue", [[bytes(1, "abc"), '"YWJj"']]);
    expectAll("DoubleValue", [
      [double(1, NaN), '"NaN"'],
      [double(1, 0.25), "0.25"],
    ]);
    expectAll("Empty", [[number(1, 1), "{}"]]);
  });
});

describe("anyWriter()", () => {
  const any = (url: string, ...value: readonly Buffer[]): Buffer => fields(bytes(1, url), bytes(2, ...value));
  const google = (name: string, ...value: readonly Buffer[]): Buffer =>
    any(`type.googleapis.com/google.protobuf.${name}`, ...value);

  it("writes messages beside their type, and well-known ones under value", () => {
    const at = '"@type":"type.googleapis.com/google.protobuf.';
    expectAll("Any", [
      [fields(), "{}"],
      [any("x/test.write.Node"), '{"@type":"x/test.write.Node"}'],
      [bytes(1, "x/test.write.Node"), '{"@type":"x/test.write.Node"}'],
      [any("x/test.write.Node", number(1, 5), bytes(2, "y")), '{"@type":"x/test.write.Node","number":5,"text":"y"}'],
      [any("a/b\n/test.write.Node", number(1, 5)), '{"@type":"a/b\\n/test.write.Node","number":5}'],
      [google("Timestamp", number(1, 1)), `{${at}Timestamp","value":"1970-01-01T00:00:01Z"}`],
      [google("Int32Value", number(1, 1)), `{${at}Int32Value","value":1}`],
      [google("Value", number(1, 0)), `{${at}Value","value":null}`],
      [google("Struct"), `{${at}Struct","value":{}}`],
      [google("Empty"), `{${at}Empty"}`],
      [google("Any", google("Duration")), `{${at}Any","value":{${at}Duration","value":"0s"}}`],
      [fields(bytes(2, number(1, 5)), bytes(1, "x/test.write.Node")), '{"@type":"x/test.write.Node","number":5}'],
      [any("x/test.write.Node", number(1, 5), number(1, 6)), '{"@type":"x/test.write.Node","number":6}'],
      [any("x/test.write.Node", group(15, number(1, 6))), '{"@type":"x/test.write.Node","delimited":{"number":6}}'],
    ]);
  });

  it("refuses types that the registry does not have", () => {
    refuseAll("Any", [
      [any("x/no.Such"), 'type_url "x/no.Such" names no known message'],
      [any("test.write.Node"), 'type_url "test.write.Node" names no known message'],
      [any("x/"), 'type_url "x/" names no known message'],
      [any("x/test.write.Open"), 'type_url "x/test.write.Open" names no known message'],
      [bytes(2, "abc"), "a value without a type_url"],
    ]);
    const Any = messageType("google.protobuf.Any");
    assert.equal(refusal(any("x/test.write.Node", tag(1, 0)), Any), "the message is cut short");
    assert.equal(refusal(google("Value"), Any), "google.protobuf.Value: no kind is set");
  });
});
