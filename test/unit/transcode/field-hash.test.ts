import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DescriptorProtoSchema, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { hashText } from "../../../src/core/hash.ts";
import { compileFieldHash } from "../../../src/transcode/field-hash.ts";

/** A field that is length-delimited, by its number. */
function bytes(number: number, content: string | Buffer): Buffer {
  const value = Buffer.from(content);
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
}

function hashOf(path: string, message: Buffer): number {
  const hash = compileFieldHash(FileDescriptorProtoSchema, path);
  assert.ok(typeof hash === "function", JSON.stringify(hash));
  return hash(message);
}

// FileDescriptorProto: name = 1, options = 8; FileOptions: java_package = 1, java_multiple_files = 10, optimize_for = 9.
describe("compileFieldHash()", () => {
  for (const [what, path, message, expected] of [
    ["a field of the message", "name", bytes(1, "dune"), hashText("dune")],
    [
      "a field among others",
      "name",
      Buffer.concat([bytes(2, "x"), bytes(1, "dune"), bytes(12, "y")]),
      hashText("dune"),
    ],
    ["a nested field, by its proto or JSON name", "options.javaPackage", bytes(8, bytes(1, "a.b")), hashText("a.b")],
    ["the last of several values", "name", Buffer.concat([bytes(1, "old"), bytes(1, "new")]), hashText("new")],
    [
      "a message in parts, of which the last has no such field",
      "options.java_package",
      Buffer.concat([bytes(8, bytes(1, "old")), bytes(8, bytes(1, "new")), bytes(8, bytes(36, "x"))]),
      hashText("new"),
    ],
    ["a bool", "options.java_multiple_files", bytes(8, Buffer.from([0x50, 1])), hashText("\u0001")],
    ["an enum", "options.optimize_for", bytes(8, Buffer.from([0x48, 3])), hashText("\u0003")],
    ["nothing where it is absent", "name", bytes(2, "x"), -1],
    ["nothing where it is empty", "name", bytes(1, ""), -1],
    ["nothing in an empty message", "options.java_package", Buffer.alloc(0), -1],
  ] as const) {
    it(`hashes ${what}`, () => assert.equal(hashOf(path, message), expected));
  }

  for (const [path, reason] of [
    ["nmae", /did you mean "name"/],
    ["options", /a single scalar field/],
    ["dependency", /a single scalar field/],
    ["message_type[0].name", /a single scalar field/],
    ["name.first", /name/],
  ] as const) {
    it(`refuses ${path}`, () => {
      const found = compileFieldHash(FileDescriptorProtoSchema, path);
      assert.ok(typeof found !== "function");
      assert.match(found.reason, reason);
    });
  }

  it("keeps to its own message type", () => {
    assert.equal(typeof compileFieldHash(DescriptorProtoSchema, "options.deprecated"), "function");
  });
});
