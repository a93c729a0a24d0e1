import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonValue } from "@bufbuild/protobuf";
import { loadSchema } from "../../../src/schema/load.ts";
import { compileFieldText, whyNoText } from "../../../src/transcode/field-text.ts";
import { createJsonWriters } from "../../../src/transcode/json-write.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { WireError } from "../../../src/transcode/wire-scan.ts";
import { encode } from "../../support/kinds.ts";

const { registry } = await loadSchema({
  kind: "proto",
  files: ["kinds/v1/kinds.proto"],
  include: ["test/fixtures/protos"],
});
const kind = registry.getMessage("kinds.v1.Kind") ?? assert.fail("no Kind");
const writers = createJsonWriters(registry, defaultJsonOptions);

function textOf(path: string, bytes: Buffer): string {
  const around = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)]);
  return compileFieldText(kind, path, writers)(around, 3, 3 + bytes.length);
}

describe("compileFieldText()", () => {
  const cases: readonly (readonly [path: string, json: JsonValue, text: string])[] = [
    ["f_string", { fString: 'a "ü"\n' }, 'a "ü"\n'],
    ["fString", { fString: "by its JSON name" }, "by its JSON name"],
    ["f_string", {}, ""],
    ["f_bytes", { fBytes: "+/8=" }, "-_8"],
    ["f_int32", { fInt32: -7 }, "-7"],
    ["f_int32", {}, "0"],
    ["f_int64", { fInt64: "9007199254740993" }, "9007199254740993"],
    ["f_fixed64", { fFixed64: "18446744073709551615" }, "18446744073709551615"],
    ["f_sint32", { fSint32: -1 }, "-1"],
    ["f_bool", { fBool: true }, "true"],
    ["f_double", { fDouble: 1.5 }, "1.5"],
    ["f_enum", { fEnum: "GREEN" }, "GREEN"],
    ["f_enum", {}, "COLOUR_UNSPECIFIED"],
    ["f_enum", { fEnum: 77 }, "77"],
    ["f_optional", {}, ""],
    ["f_optional", { fOptional: 0 }, "0"],
    ["f_message.f_message.f_string", { fMessage: { fMessage: { fString: "deep" } } }, "deep"],
    ["f_message.f_int32", {}, ""],
    ["f_message.f_int32", { fMessage: {} }, "0"],
    ["o_int64", { oString: "other" }, ""],
    ["o_int64", { oInt64: "0" }, "0"],
    ["w_timestamp", { wTimestamp: "2024-02-29T12:00:00.5Z" }, "2024-02-29T12:00:00.500Z"],
    ["w_timestamp", {}, ""],
    ["w_duration", { wDuration: "1.5s" }, "1.500s"],
    ["w_mask", { wMask: "fInt32,fString" }, "fInt32,fString"],
    ["w_int64", { wInt64: "0" }, "0"],
    ["w_int64", {}, ""],
    ["w_string", { wString: "x" }, "x"],
  ];
  for (const [path, json, text] of cases) {
    it(`${path} of ${JSON.stringify(json)} is ${JSON.stringify(text)}`, () => {
      assert.equal(textOf(path, encode("Kind", json)), text);
    });
  }

  it("takes the last of several, and messages that come in pieces as one", () => {
    const several = (...all: JsonValue[]): Buffer => Buffer.concat(all.map((json) => encode("Kind", json)));
    assert.equal(textOf("f_string", several({ fString: "a" }, { fString: "b" })), "b");
    assert.equal(textOf("f_int32", several({ fInt32: 1 }, { fInt32: 2 })), "2");
    const pieces = several({ fMessage: { fString: "a" } }, { fMessage: { fInt32: 1 } });
    assert.deepEqual([textOf("f_message.f_string", pieces), textOf("f_message.f_int32", pieces)], ["a", "1"]);
  });

  it("knows that a later member of a oneof clears an earlier one", () => {
    const both = Buffer.concat([
      encode("Kind", { oMessage: { fString: "x" } }),
      encode("Kind", { oString: "y" }),
      encode("Kind", { oMessage: { fInt32: 1 } }),
    ]);
    assert.deepEqual([textOf("o_message.f_string", both), textOf("o_message.f_int32", both)], ["", "1"]);
    assert.equal(textOf("o_string", both), "");
  });

  it("refuses bytes that are no message, and reads nothing beyond them", () => {
    for (const bytes of [[0x72, 5, 0x61], [0x72], [0x8a, 1, 9, 0x72, 1], [0x00, 0x00]]) {
      assert.throws(() => textOf("f_message.f_string", Buffer.from(bytes)), WireError, String(bytes));
    }
  });
});

describe("whyNoText()", () => {
  for (const [path, reason] of [
    ["f_strin", /^unknown field "f_strin"; did you mean "f_string"\?$/],
    ["f_message.nam", /^unknown field "nam"/],
    ["r_int32", /^r_int32 is repeated/],
    ["m_string", /^m_string is a map/],
    ["f_message", /^is a message/],
    ["w_struct", /google\.protobuf\.Struct/],
  ] as const) {
    it(path, () => assert.match(whyNoText(kind, path) ?? "", reason));
  }

  it("is null where there is text", () => assert.equal(whyNoText(kind, "f_message.w_int64"), null));
});
