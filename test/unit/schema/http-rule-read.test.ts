import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, MethodOptionsSchema, type MethodOptions } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { readHttpRules } from "../../../src/schema/http-rule-read.ts";
import { parseProtoFiles } from "../../../src/schema/proto-files.ts";
import { createSchema } from "../../../src/schema/registry.ts";

const FIXTURES = path.join(import.meta.dirname, "../../fixtures/schema");

/** Options whose google.api.http is each of the given pieces, one record per piece. */
function withRules(...pieces: ((writer: BinaryWriter) => void)[]): MethodOptions {
  const writer = new BinaryWriter();
  for (const piece of pieces) {
    writer.tag(72295728, WireType.LengthDelimited).fork();
    piece(writer);
    writer.join();
  }
  return fromBinary(MethodOptionsSchema, writer.finish());
}

function text(number: number, value: string): (writer: BinaryWriter) => void {
  return (writer) => void writer.tag(number, WireType.LengthDelimited).string(value);
}

function message(number: number, ...parts: ((writer: BinaryWriter) => void)[]): (writer: BinaryWriter) => void {
  return (writer) => {
    writer.tag(number, WireType.LengthDelimited).fork();
    for (const part of parts) part(writer);
    writer.join();
  };
}

describe("readHttpRules()", () => {
  const rule = (method: string, path: string, body = "", responseBody = ""): object => ({
    method,
    path,
    body,
    responseBody,
  });

  const expected: [method: string, ...rules: object[]][] = [
    [
      "GetBook",
      rule("GET", "/v1/{name=shelves/*/books/*}"),
      rule("GET", "/v1/books/{name=**}"),
      rule("POST", "/v1/books:get", "*", "name"),
      rule("HEAD", "/v1/{name=books/*}"),
    ],
    ["PutBook", rule("PUT", "/v1/{name=books/*}", "book")],
    ["PatchBook", rule("PATCH", "/v1/{name=books/*}", "*")],
    ["DeleteBook", rule("DELETE", "/c"), rule("DELETE", "/a"), rule("DELETE", "/b")],
    ["Watch", rule("*", "/v1/watch")],
    ["Plain"],
    ["Braces"],
    ["Semicolons"],
  ];
  const schema = createSchema(parseProtoFiles({ files: ["http.proto"], include: [FIXTURES] }).set);
  for (const [method, ...rules] of expected) {
    it(`reads the rules of ${method} in order`, () => {
      assert.deepEqual(schema.methods.get(`fixtures.http.Library/${method}`)?.httpRules, rules);
    });
  }

  it("does not need google/api/annotations.proto", () => {
    const { set } = parseProtoFiles({ files: ["http.proto"], include: [FIXTURES] });
    const file = set.file.find(({ name }) => name === "http.proto");
    assert.ok(file);
    file.dependency = file.dependency.filter((name) => name !== "google/api/annotations.proto");
    const rest = set.file.filter(
      ({ name }) => name !== "google/api/annotations.proto" && name !== "google/api/http.proto",
    );
    const without = createSchema(create(FileDescriptorSetSchema, { file: rest }));
    assert.equal(without.methods.get("fixtures.http.Library/GetBook")?.httpRules.length, 4);
  });

  it("gives nothing where there are no options, no rule or an empty rule", () => {
    assert.deepEqual(readHttpRules(undefined), []);
    assert.deepEqual(readHttpRules(create(MethodOptionsSchema, { deprecated: true })), []);
    assert.deepEqual(readHttpRules(withRules(() => {})), []);
  });

  it("merges a rule in several records; the last pattern wins", () => {
    const options = withRules(text(2, "/get"), (writer) => text(7, "*")(writer), text(4, "/post"));
    assert.deepEqual(readHttpRules(options), [rule("POST", "/post", "*")]);
  });

  it("skips fields that it does not know", () => {
    const options = withRules(
      text(1, "a.selector"),
      text(2, "/get"),
      (writer) => void writer.tag(99, WireType.Varint).uint32(1),
    );
    assert.deepEqual(readHttpRules(options), [rule("GET", "/get")]);
  });

  const refused: [reason: string, options: MethodOptions, message: string][] = [
    [
      "bindings within bindings",
      withRules(text(2, "/a"), message(11, text(2, "/b"), message(11, text(2, "/c")))),
      "google.api.http: additional_bindings within additional_bindings are not allowed",
    ],
    [
      "a body without a pattern",
      withRules(text(7, "*")),
      "google.api.http: a rule needs one of get, put, post, delete, patch and custom",
    ],
    [
      "a custom kind without a path",
      withRules(message(8, text(1, "HEAD"))),
      'google.api.http: a rule needs both a method and a path, found method "HEAD" and path ""',
    ],
    [
      "an empty path",
      withRules(text(2, "")),
      'google.api.http: a rule needs both a method and a path, found method "GET" and path ""',
    ],
  ];
  for (const [reason, options, expectedMessage] of refused) {
    it(`refuses ${reason}`, () => assert.throws(() => readHttpRules(options), { message: expectedMessage }));
  }
});
