import { create, createFileRegistry } from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createJsonWriters, WireError } from "../../../src/transcode/json-write.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { sink } from "../../../src/transcode/sink.ts";
import { jsonOf, messageType, Node, refusal, writers, written } from "../../support/json-write.ts";
import { bytes, END_GROUP, FIXED64, GROUP, group, number, tag, varint } from "../../support/wire-bytes.ts";

const CUT = "the message is cut short";
const OVERLONG = "a varint is longer than 10 bytes";
const TOO_LARGE = "a varint is larger than 64 bits";
const fields = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
const ones = (count: number): Buffer => Buffer.alloc(count, 0xff);
const zeros = (count: number): Buffer => Buffer.alloc(count, 0x80); // of a varint that goes on

describe("createJsonWriters() given malformed bytes", () => {
  const table: readonly (readonly [string, Buffer, string])[] = [
    ["a tag alone", tag(1, 0), CUT],
    ["half a tag", Buffer.from([0x80]), CUT],
    ["half a varint", fields(tag(1, 0), Buffer.from([0x80])), CUT],
    ["half a long varint", fields(tag(5000, 0), ones(6)), CUT],
    ["a varint of 11 bytes", fields(tag(1, 0), ones(10), Buffer.from([1])), OVERLONG],
    ["a 64-bit varint of 11 bytes", fields(tag(5000, 0), ones(10), Buffer.from([1])), OVERLONG],
    ["an unknown varint of 11 bytes", fields(tag(99, 0), ones(10), Buffer.from([1])), OVERLONG],
    ["a tag of 11 bytes", ones(11), OVERLONG],
    // Its 64 bits alone would be the tag of field 1, a length of 0, and 0.
    ["a tag of 67 bits", fields(Buffer.from([0x88]), zeros(8), Buffer.from([0x10, 5])), TOO_LARGE],
    ["a length of 67 bits", fields(tag(2, 2), zeros(9), Buffer.from([0x10])), TOO_LARGE],
    ["an int32 of 67 bits", fields(tag(1, 0), zeros(9), Buffer.from([0x10])), TOO_LARGE],
    ["an unknown varint of 65 bits", fields(tag(99, 0), zeros(9), Buffer.from([2])), TOO_LARGE],
    [
      "a tag of more than 32 bits",
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x1f]),
      "a field number is larger than 536870911",
    ],
    ["field number 0", number(0, 1), "a field has the number 0"],
    ["field number 0 as a group", group(0), "a field has the number 0"],
    ["wire type 6", tag(99, 6), "field 99 has the wire type 6"],
    ["wire type 7 of a known field", tag(1, 7), "field 1 has the wire type 7"],
    ["a length without content", fields(tag(2, 2), varint(1)), CUT],
    ["a length beyond the end", fields(tag(2, 2), varint(5), Buffer.from("abcd")), CUT],
    ["a length of 3 GiB", fields(tag(2, 2), varint(3 * 2 ** 30), Buffer.from("abcd")), "a length is larger than 2 GiB"],
    ["a length of 2^64 - 1", fields(tag(2, 2), ones(9), Buffer.from([1])), "a length is larger than 2 GiB"],
    ["an unknown length beyond the end", fields(tag(99, 2), varint(5), Buffer.from("abcd")), CUT],
    ["half an unknown double", fields(tag(99, FIXED64), Buffer.alloc(7)), CUT],
    ["half a double", fields(tag(30, 1), Buffer.alloc(7)), CUT],
    ["half a float", fields(tag(41, 5), Buffer.alloc(3)), CUT],
    ["half a fixed64", fields(tag(39, 1), Buffer.alloc(7)), CUT],
    ["half a sfixed32", fields(tag(40, 5), Buffer.alloc(3)), CUT],
    ["a message beyond the one it is in", fields(tag(3, 2), varint(2), bytes(2, "abc")), CUT],
    ["a varint beyond the message it is in", fields(bytes(3, tag(1, 0)), number(1, 5)), CUT],
    ["a packed varint beyond its list", fields(tag(5, 2), varint(1), varint(300)), CUT],
    ["packed doubles of 12 bytes", bytes(34, Buffer.alloc(12)), CUT],
    ["packed floats of 6 bytes", bytes(35, Buffer.alloc(6)), CUT],
    ["a packed varint cut, going on in the next chunk", fields(bytes(5, ones(1)), bytes(5, varint(1))), CUT],
    [
      "the same with a list in several pieces",
      fields(bytes(5, varint(1)), number(1, 1), bytes(5, ones(1)), bytes(5, varint(1))),
      CUT,
    ],
    ["a map's entry cut in its key", bytes(9, tag(1, 0)), CUT],
    ["a map's entry cut in its value", bytes(9, number(1, 1), tag(2, 2), varint(4)), CUT],
    ["a map's key beyond its entry", fields(tag(7, 2), varint(3), tag(1, 2), varint(4), Buffer.from("abcd")), CUT],
    [
      "a map's value beyond its entry",
      fields(tag(8, 2), varint(3), number(1, 1), tag(2, 0), Buffer.from([0x83, 0])),
      CUT,
    ],
    ["an end of a group without its start", tag(99, END_GROUP), "group 99 ends without a start"],
    ["an end of a group in a message", bytes(3, tag(3, END_GROUP)), "group 3 ends without a start"],
    ["a group without its end", fields(tag(15, GROUP), number(1, 1)), CUT],
    ["an unknown group without its end", fields(tag(99, GROUP), number(1, 1)), CUT],
    ["a group with the end of another", fields(tag(15, GROUP), tag(16, END_GROUP)), "group 16 ends without a start"],
    ["a group that ends beyond its message", fields(bytes(3, tag(15, GROUP)), tag(15, END_GROUP)), CUT],
    ["a group that ends within a field", fields(tag(15, GROUP), tag(2, 2), varint(9), tag(15, END_GROUP)), CUT],
    ["seconds cut", bytes(26, tag(1, 0)), CUT],
    ["a varint of 11 bytes in a timestamp", bytes(26, tag(1, 0), ones(11)), OVERLONG],
    ["a struct's value beyond its entry", bytes(25, bytes(1, bytes(1, "a"), tag(2, 2), varint(9))), CUT],
    ["a value's number cut", bytes(24, tag(2, 1), Buffer.alloc(7)), CUT],
    ["a value's text beyond the end", bytes(24, tag(3, 2), varint(4)), CUT],
    ["an any's value beyond the end", bytes(23, bytes(1, "a/b.C"), tag(2, 2), varint(4)), CUT],
    ["field number 0 in a struct", bytes(25, number(0, 1)), "a field has the number 0"],
  ];

  it("refuses them, with the reason", () => {
    for (const [name, input, reason] of table) {
      assert.equal(refusal(input), reason, name);
      // The same in the slow path, with what follows, and with more of the buffer behind the end.
      assert.notEqual(refusal(fields(number(1, 1), number(1, 1), input)), "", `${name}, after a repeated field`);
      const longer = fields(input, Buffer.alloc(64, 1));
      assert.throws(() => writers.message(Node)(longer, 0, input.length), WireError, `${name}, bytes behind`);
    }
  });

  it("refuses every message that is cut within a field, and reads nothing behind its end", () => {
    const whole = fields(
      number(1, 300),
      bytes(2, "text"),
      bytes(3, bytes(7, bytes(1, "key"), bytes(2, number(1, 5)))),
      bytes(5, varint(1), varint(70000)),
      group(15, bytes(2, "x")),
      bytes(24, bytes(5, bytes(1, bytes(1, "k"), bytes(2, bytes(3, "v"))))),
      bytes(26, number(1, 1_700_000_000), number(2, 5)),
      number(5000, 2n ** 64n - 1n),
    );
    const accepted: string[] = [];
    for (let end = 0; end < whole.length; end++) {
      try {
        accepted.push(written(writers.message(Node), whole, 0, end));
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
      }
    }
    // Between two fields only.
    assert.equal(accepted.length, 8);
    assert.equal(jsonOf(whole).startsWith(accepted.at(-1)?.slice(0, -1) ?? "?"), true);
  });

  it("refuses what is malformed also where a later value replaces it", () => {
    const cut = fields(tag(2, 2), varint(5), Buffer.from("abcd"));
    assert.equal(refusal(fields(bytes(18, cut), bytes(19, "x"))), CUT, "a member of a oneof");
    assert.equal(refusal(fields(bytes(3, cut), bytes(3, "e"))), CUT, "the first piece of a message");
    assert.equal(refusal(bytes(7, bytes(1, "a"), bytes(2, cut), bytes(2, "e"))), CUT, "a map's value in pieces");
    const text = "a string is not valid UTF-8";
    assert.equal(refusal(fields(bytes(2, ones(1)), bytes(2, "a"))), text, "a field given twice");
    assert.equal(refusal(fields(bytes(19, ones(1)), bytes(18))), text, "another member of a oneof");
    assert.equal(refusal(bytes(7, bytes(1, ones(1)), bytes(1, "a"))), text, "a map's key given twice");
  });

  it("refuses text that is not UTF-8, whatever the field declares", () => {
    assert.equal(refusal(bytes(2, Buffer.from([0xff]))), "a string is not valid UTF-8");
    assert.equal(refusal(bytes(32, Buffer.from([0xff]))), "a string is not valid UTF-8", "utf8_validation = NONE");
    assert.equal(refusal(bytes(7, bytes(1, Buffer.from([0xc0, 0x80])))), "a string is not valid UTF-8", "a map's key");
    assert.equal(
      refusal(bytes(24, bytes(3, Buffer.from([0xed, 0xa0, 0x80])))),
      "a string is not valid UTF-8",
      "a value",
    );
    assert.equal(refusal(bytes(23, bytes(1, Buffer.from([0x80, 0x2f])))).startsWith("google.protobuf.Any"), true);
  });

  it("follows 100 levels and no more", () => {
    const tooDeep = "the message is nested deeper than 100 levels";
    const nested = (levels: number, wrap: (inner: Buffer) => Buffer): Buffer => {
      let input = fields();
      for (let i = 0; i < levels; i++) input = wrap(input);
      return input;
    };
    const value = (inner: Buffer): Buffer => bytes(6, bytes(1, inner));
    const shapes: readonly (readonly [string, (inner: Buffer) => Buffer])[] = [
      ["messages", (inner) => bytes(3, inner)],
      ["lists", (inner) => bytes(4, inner)],
      ["groups", (inner) => group(15, inner)],
      ["maps", (inner) => bytes(7, bytes(2, inner))],
    ];
    for (const [name, wrap] of shapes) {
      assert.equal(jsonOf(nested(100, wrap)).length > 100, true, name);
      assert.equal(refusal(nested(101, wrap)), tooDeep, name);
      assert.equal(refusal(fields(number(1, 1), number(1, 1), nested(101, wrap))), tooDeep, `${name}, slow path`);
    }
    const Value = messageType("google.protobuf.Value");
    const empty = bytes(6, fields());
    const lists = (levels: number): Buffer => {
      let input = empty;
      for (let i = 1; i < levels; i++) input = value(input);
      return input;
    };
    assert.equal(jsonOf(lists(100), Value), "[".repeat(100) + "]".repeat(100), "counted by the JSON's levels");
    assert.equal(refusal(lists(102), Value), tooDeep);
    assert.equal(refusal(nested(101, (inner) => group(99, inner))), tooDeep, "unknown groups");
    assert.equal(jsonOf(nested(100, (inner) => group(99, inner))), "{}");
  });

  it("takes a time in proportion to the input for irregular messages at every level", () => {
    // Each level alone would be written twice: 2^90 times without the slow path's care for the levels below.
    const again = number(1, 1);
    let input = fields(again, again);
    for (let i = 0; i < 90; i++) input = fields(again, bytes(3, input), again);
    assert.equal(jsonOf(input), '{"number":1,"child":'.repeat(90) + '{"number":1}' + "}".repeat(90));
    let any = fields(again, again);
    for (let i = 0; i < 40; i++) any = fields(again, bytes(23, bytes(1, "x/test.write.Node"), bytes(2, any)), again);
    assert.equal(jsonOf(any).split("@type").length, 41);
  });

  it("leaves the sink as it was", () => {
    sink.reset();
    sink.text("[");
    assert.throws(() => writers.message(Node)(fields(bytes(2, "ü"), tag(1, 0)), 0, 5), WireError);
    assert.deepEqual([sink.length, sink.ascii], [1, true]);
    assert.throws(
      () => writers.message(Node)(fields(number(1, 1), number(1, 1), bytes(2, "ü"), tag(1, 0)), 0, 9),
      WireError,
    );
    assert.deepEqual([sink.length, sink.ascii], [1, true]);
  });

  it("goes on working after a refusal", () => {
    refusal(bytes(9, number(1, 1), tag(2, 2), varint(4)));
    assert.equal(
      jsonOf(fields(bytes(9, number(1, 1)), bytes(9, number(1, 1), bytes(2, "b")))),
      '{"byFlag":{"true":"b"}}',
    );
  });
});

describe("createJsonWriters() given hostile descriptors", () => {
  it("brings no name into code", () => {
    // Names themselves are checked when descriptors are loaded; json_name may be anything.
    const evil = "\"];globalThis.injected=1;//\n`${globalThis.injected=1}`\u2028\u2029'\\";
    const field = (number: number, name: string, jsonName: string): FieldDescriptorProto =>
      create(FieldDescriptorProtoSchema, { name, jsonName, number, type: Type.INT32, label: Label.OPTIONAL });
    const fieldsOfM = [field(1, "a", evil), field(2, "__proto__", "__proto__"), field(3, "constructor", "constructor")];
    const file = { name: "evil.proto", syntax: "proto3", messageType: [{ name: "O", field: fieldsOfM }] };
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
    const message = registry.getMessage("O");
    assert.ok(message !== undefined);
    const writer = createJsonWriters(registry, defaultJsonOptions).message(message);
    const text = written(writer, fields(number(1, 4), number(2, 5), number(3, 6)));
    assert.deepEqual(Object.entries(JSON.parse(text) as object), [
      [evil, 4],
      ["__proto__", 5],
      ["constructor", 6],
    ]);
    assert.equal("injected" in globalThis, false);
  });
});
