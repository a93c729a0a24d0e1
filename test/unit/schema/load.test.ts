import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { problemsOf } from "../../../src/core/problem.ts";
import { bundledRegistry } from "../../../src/schema/bundled.ts";
import { loadSchema } from "../../../src/schema/load.ts";
import { parseProtoFiles } from "../../../src/schema/proto-files.ts";

const FIXTURES = path.join(import.meta.dirname, "../../fixtures/schema");
const EXPECTED = "expected a binary FileDescriptorSet as protoc --include_imports -o FILE writes it";

let folder = "";
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "sluice-schema-"));
});
after(() => rmSync(folder, { recursive: true }));

function write(name: string, content: Uint8Array | string): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

describe("loadSchema() of a descriptor set", () => {
  it("reads what protoc wrote", async () => {
    const schema = await loadSchema({ kind: "descriptor_set", file: path.join(FIXTURES, "protoc.binpb") });
    const method = schema.methods.get("fixtures.http.Library/GetBook");
    assert.equal(method?.httpRules.length, 4);
    assert.equal(method.idempotency, "no_side_effects");
    assert.equal(method.place, "http.proto");
  });

  it("supplies bundled files that the set lacks", async () => {
    const { set } = parseProtoFiles({ files: ["http.proto"], include: [FIXTURES] });
    const own = create(FileDescriptorSetSchema, { file: set.file.filter(({ name }) => name === "http.proto") });
    const file = write("alone.binpb", toBinary(FileDescriptorSetSchema, own));
    const { registry } = await loadSchema({ kind: "descriptor_set", file });
    assert.ok(registry.getMessage("google.api.HttpBody"));
    assert.ok(registry.getMessage("google.protobuf.Any"));
  });

  it("names the imports that are missing", async () => {
    const set = create(FileDescriptorSetSchema, {
      file: [{ name: "a.proto", dependency: ["b.proto", "google/protobuf/any.proto", "c.proto"] }],
    });
    const file = write("missing.binpb", toBinary(FileDescriptorSetSchema, set));
    await assert.rejects(loadSchema({ kind: "descriptor_set", file }), {
      code: "SCHEMA_INVALID",
      message: `${file}: lacks the imported "b.proto", "c.proto"; write it with protoc --include_imports or buf build`,
    });
  });

  const wrong: [what: string, content: Uint8Array | string, reason: string][] = [
    ["an empty file", "", `is empty; ${EXPECTED}`],
    ["a JSON image", ' {"file": []}', `is JSON; ${EXPECTED}`],
    [
      "a .proto file",
      'syntax = "proto3";\nmessage M {}\n',
      `looks like a .proto file, which goes under "proto"; ${EXPECTED}`,
    ],
    ["some other file", "\x00\x01\x02 binary", `is no descriptor set; ${EXPECTED}`],
    [
      "a single descriptor",
      toBinary(
        FileDescriptorProtoSchema,
        create(FileDescriptorProtoSchema, { name: "a.proto", messageType: [{ name: "M" }] }),
      ),
      `is no descriptor set; ${EXPECTED}`,
    ],
    // A group within a group within …: the reader recurses for each.
    ["hostile nesting", Buffer.alloc(200_000, 0x0b), `is no descriptor set; ${EXPECTED}`],
  ];
  for (const [what, content, reason] of wrong) {
    it(`refuses ${what}`, async () => {
      const file = write("wrong.binpb", content);
      await assert.rejects(loadSchema({ kind: "descriptor_set", file }), {
        code: "SCHEMA_INVALID",
        message: `${file}: ${reason}`,
      });
    });
  }

  it("says that there is no such file", async () => {
    const file = path.join(folder, "nowhere.binpb");
    await assert.rejects(loadSchema({ kind: "descriptor_set", file }), {
      code: "SCHEMA_INVALID",
      message: `${file}: there is no such file`,
    });
  });
});

describe("loadSchema() of .proto files", () => {
  it("reads them from disk and knows where annotations stand", async () => {
    const schema = await loadSchema({ kind: "proto", files: ["http.proto"], include: [FIXTURES] });
    assert.equal(
      schema.methods.get("fixtures.http.Library/GetBook")?.place,
      `${path.join(FIXTURES, "http.proto")}:30:12`,
    );
  });

  it("fails with all problems", async () => {
    write("bad.proto", 'syntax = "proto3";\nmessage M { Missing a = 1; Mising b = 2; }\n');
    const error: unknown = await loadSchema({ kind: "proto", files: ["bad.proto"], include: [folder] }).catch((e) => e);
    assert.deepEqual(
      problemsOf(error)?.map(({ file, line, column }) => [file, line, column]),
      [
        [path.join(folder, "bad.proto"), 2, 13],
        [path.join(folder, "bad.proto"), 2, 28],
      ],
    );
  });

  it("says where it looked for a file that is not there", async () => {
    const error: unknown = await loadSchema({ kind: "proto", files: ["htp.proto"], include: [FIXTURES] }).catch(
      (e) => e,
    );
    assert.equal(
      problemsOf(error)?.[0]?.message,
      `"htp.proto" is not found; looked in ${FIXTURES}; did you mean "http.proto"?`,
    );
  });
});

describe("bundledRegistry()", () => {
  it("has google.rpc's details and the well-known types", () => {
    const registry = bundledRegistry();
    for (const name of ["google.rpc.BadRequest", "google.rpc.Status", "google.protobuf.Timestamp"]) {
      assert.ok(registry.getMessage(name), name);
    }
    assert.equal(bundledRegistry(), registry);
  });
});
