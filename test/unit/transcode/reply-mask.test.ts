import assert from "node:assert/strict";
import path from "node:path";
import { before, describe, it } from "node:test";
import type { DescMessage } from "@bufbuild/protobuf";
import { loadSchema } from "../../../src/schema/load.ts";
import { filteredWriter } from "../../../src/transcode/json-filter.ts";
import { compileReplyMask, type Maskable } from "../../../src/transcode/reply-mask.ts";
import { sink } from "../../../src/transcode/sink.ts";
import { refusalOf } from "../../support/refusal.ts";

let Kind: DescMessage;

before(async () => {
  const include = [path.join(import.meta.dirname, "../../fixtures/protos")];
  const schema = await loadSchema({ kind: "proto", files: ["kinds/v1/kinds.proto"], include });
  Kind = schema.registry.getMessage("kinds.v1.Kind") as DescMessage; // it is in the file
});

/** What the mask leaves of a JSON value, behind other text in the sink. */
function filter(value: unknown, mask: string, root: Maskable = Kind, names: "json" | "proto" = "json"): unknown {
  const compiled = compileReplyMask(mask, root, names);
  const json = Buffer.from(JSON.stringify(value));
  const write = (): void => {
    sink.grow(sink.length, json.length).set(json, sink.length);
    sink.length += json.length;
  };
  sink.reset();
  sink.text("before");
  (compiled === undefined ? write : filteredWriter(write, compiled))(json, 0, json.length);
  const text = sink.bytes.utf8Slice(0, sink.length);
  assert.ok(text.startsWith("before"));
  return JSON.parse(text.slice(6));
}

function refusal(mask: string): string {
  const { code, message, violations } = refusalOf(() => compileReplyMask(mask, Kind, "json"), mask);
  assert.equal(violations[0]?.field, "fields");
  return `${code} ${message}`;
}

const VALUE = {
  fInt32: -1.5e3,
  fString: 'a "quoted" \\ {[,]} ä',
  fMessage: { fString: "b", fBool: true, fMessage: { fInt32: 3, fString: "c" } },
  rString: ["x", "]"],
  rMessage: [{ fString: "d", fInt32: 1 }, {}, { fInt32: 2 }],
  mString: { a: 1, "b.c": 2, 'd"': 3 },
  mInt32: { "1": { fString: "e", fBool: true }, "2": { fBool: true } },
  wStruct: { any: { thing: [1, "}"] } },
  wDuration: "1s",
};

describe("compileReplyMask() and filteredWriter()", () => {
  it("leave what was chosen", () => {
    const table: readonly (readonly [mask: string, left: unknown])[] = [
      ["fInt32", { fInt32: -1500 }],
      ["f_string,fInt32", { fInt32: -1500, fString: VALUE.fString }],
      ["fMessage", { fMessage: VALUE.fMessage }],
      ["fMessage.fString", { fMessage: { fString: "b" } }],
      ["fMessage/fMessage/fInt32", { fMessage: { fMessage: { fInt32: 3 } } }],
      ["fMessage(fBool, fMessage.fString)", { fMessage: { fBool: true, fMessage: { fString: "c" } } }],
      ["fMessage.fString,fMessage", { fMessage: VALUE.fMessage }],
      ["fMessage,fMessage.fString", { fMessage: VALUE.fMessage }],
      ["fMessage.fBool,fMessage(fString)", { fMessage: { fString: "b", fBool: true } }],
      ["fMessage.*", { fMessage: VALUE.fMessage }],
      ["rString,wStruct,wDuration", { rString: ["x", "]"], wStruct: VALUE.wStruct, wDuration: "1s" }],
      ["rMessage.fString", { rMessage: [{ fString: "d" }, {}, {}] }],
      ["rMessage(fInt32)", { rMessage: [{ fInt32: 1 }, {}, { fInt32: 2 }] }],
      ["mString.a", { mString: { a: 1 } }],
      ['mString(a,d")', { mString: { a: 1, 'd"': 3 } }],
      ["mString.nothing", { mString: {} }],
      ["mInt32.*.fString", { mInt32: { "1": { fString: "e" }, "2": {} } }],
      ["mInt32(1(fString),2)", { mInt32: { "1": { fString: "e" }, "2": { fBool: true } } }],
      ["fBool", {}], // known, but not in this reply
      ["*", VALUE],
      ["*,fInt32", VALUE],
    ];
    for (const [mask, left] of table) assert.deepEqual(filter(VALUE, mask), left, mask);
  });

  it("go by the names that replies are written with, and into the value of one field", () => {
    assert.deepEqual(filter({ f_string: "a", f_int32: 1 }, "fString", Kind, "proto"), { f_string: "a" });
    const items = Kind.fields.find((field) => field.name === "r_message");
    assert.deepEqual(filter(VALUE.rMessage, "fString", items), [{ fString: "d" }, {}, {}]);
    const entries = Kind.fields.find((field) => field.name === "m_int32");
    assert.deepEqual(filter(VALUE.mInt32, "2", entries), { "2": { fBool: true } });
  });

  it("refuse what names no field, and what is no mask", () => {
    for (const [mask, expected] of [
      ["fStrin", /^FIELD_UNKNOWN fields: unknown field "fStrin" of kinds\.v1\.Kind; did you mean "fString"\?$/],
      ["rMessage.nothing", /^FIELD_UNKNOWN fields: unknown field "nothing" of kinds\.v1\.Kind/],
      ["*,nothing", /^FIELD_UNKNOWN fields: unknown field "nothing"/],
      ["fString.x", /^FIELD_UNKNOWN fields: f_string has no fields to choose from$/],
      ["wStruct.any", /^FIELD_UNKNOWN fields: w_struct has no fields/],
      ["wAny.value", /^FIELD_UNKNOWN fields: w_any has no fields/],
      ["*.fString", /^FIELD_INVALID fields: nothing may follow "\*"/],
      ["fString,", /^FIELD_INVALID fields: expected a name at the end$/],
      [",fString", /^FIELD_INVALID fields: expected a name in place of ","$/],
      ["fMessage(fString", /^FIELD_INVALID fields: expected "\)"$/],
      ["fMessage()", /^FIELD_INVALID fields: expected a name in place of "\)"$/],
      ["fString)", /^FIELD_INVALID fields: unexpected "\)"$/],
      ["x".repeat(2001), /^FIELD_INVALID fields: longer than 2000 characters$/],
      ["fMessage(".repeat(222), /^FIELD_INVALID fields: expected a name at the end$/],
    ] as const) {
      assert.match(refusal(mask), expected);
    }
  });
});
