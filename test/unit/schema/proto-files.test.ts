import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { problemsOf } from "../../../src/core/problem.ts";
import { parseProtoFiles } from "../../../src/schema/proto-files.ts";
import type { FileAccess } from "../../../src/schema/proto/find-file.ts";
import { createSchema } from "../../../src/schema/registry.ts";
import { diffMessages } from "../../support/descriptor-diff.ts";
import { freshSeed, seededRandom } from "../../support/seeded-random.ts";

const FIXTURES = path.join(import.meta.dirname, "../../fixtures/schema");
const fixtures = readdirSync(FIXTURES).filter((name) => name.endsWith(".proto"));

/** Files in memory, by their path. */
function inMemory(files: Readonly<Record<string, string>>): FileAccess {
  const byPath = new Map(Object.entries(files));
  return {
    read: (file) => {
      const text = byPath.get(file);
      return text === undefined ? undefined : Buffer.from(text);
    },
    list: (folder) =>
      [...byPath.keys()].filter((file) => path.dirname(file) === folder).map((file) => path.basename(file)),
  };
}

describe("parseProtoFiles() against protoc", () => {
  // Made by scripts/make-schema-fixtures.py.
  const theirs = fromBinary(FileDescriptorSetSchema, readFileSync(path.join(FIXTURES, "protoc.binpb")));
  const { set } = parseProtoFiles({ files: fixtures, include: [FIXTURES] });
  const ours = new Map(set.file.map((file) => [file.name, file]));

  for (const file of theirs.file) {
    it(`makes the same descriptor of ${file.name}`, () => {
      const own = ours.get(file.name);
      assert.ok(own, "the file is missing");
      assert.deepEqual(diffMessages(FileDescriptorProtoSchema, own, file), []);
    });
  }

  it("holds the same files, imports before importers", () => {
    assert.deepEqual([...ours.keys()].sort(), theirs.file.map(({ name }) => name).sort());
    const seen = new Set<string>();
    for (const { name, dependency } of set.file) {
      for (const imported of dependency) assert.ok(seen.has(imported), `${imported} comes after ${name}`);
      seen.add(name);
    }
  });

  it("is a schema for protobuf-es", () => {
    assert.equal(createSchema(parseProtoFiles({ files: fixtures, include: [FIXTURES] }).set).methods.size, 14);
  });
});

describe("parseProtoFiles()", () => {
  const a = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }';
  const b = 'syntax = "proto3"; message B {}';
  const names = (result: ReturnType<typeof parseProtoFiles>): string[] => result.set.file.map(({ name }) => name);

  it("searches the include folders in order", () => {
    const access = inMemory({ "/one/a.proto": a, "/two/b.proto": b, "/two/a.proto": "wrong" });
    assert.deepEqual(names(parseProtoFiles({ files: ["a.proto"], include: ["/one", "/two"] }, access)), [
      "b.proto",
      "a.proto",
    ]);
  });

  it("names an absolute file by its path below an include folder", () => {
    const access = inMemory({ "/protos/x/a.proto": b });
    assert.deepEqual(names(parseProtoFiles({ files: ["/protos/x/a.proto"], include: ["/other", "/protos"] }, access)), [
      "x/a.proto",
    ]);
  });

  it("takes an absolute file outside all include folders, and its neighbours", () => {
    const access = inMemory({ "/x/a.proto": a, "/x/b.proto": b });
    assert.deepEqual(names(parseProtoFiles({ files: ["/x/a.proto"], include: [] }, access)), ["b.proto", "a.proto"]);
  });

  it("finds bundled files, and prefers a user's own", () => {
    const own = 'syntax = "proto3"; package google.api; message Mine {}';
    const use = 'syntax = "proto3"; import "google/api/http.proto"; import "google/protobuf/any.proto";';
    const files = { "/p/use.proto": use, "/p/google/api/http.proto": own };
    const { set } = parseProtoFiles({ files: ["use.proto"], include: ["/p"] }, inMemory(files));
    assert.deepEqual(
      set.file.map(({ name, messageType: [first] }) => [name, first?.name]),
      [
        ["google/api/http.proto", "Mine"],
        ["google/protobuf/any.proto", "Any"],
        ["use.proto", undefined],
      ],
    );
  });

  it("tells where each annotation stands, and where an rpc without one does", () => {
    const { places } = parseProtoFiles({ files: ["http.proto"], include: [FIXTURES] });
    const file = path.join(FIXTURES, "http.proto");
    assert.equal(places.get("fixtures.http.Library/GetBook"), `${file}:30:12`);
    assert.equal(places.get("fixtures.http.Library/Plain"), `${file}:53:7`);
    assert.equal(places.size, 8);
  });

  it("reads comments of text format up to the end of the line", () => {
    const text = `
      syntax = "proto3";
      import "google/api/annotations.proto";
      message M {}
      service S {
        rpc Get(M) returns (M) {
          option (google.api.http) = {
            # get: "/not/this"
            get: "/v1" # nor { this
          };
        }
      }`;
    const { set } = parseProtoFiles({ files: ["c.proto"], include: ["/p"] }, inMemory({ "/p/c.proto": text }));
    assert.equal(createSchema(set).methods.get("S/Get")?.httpRules[0]?.path, "/v1");
  });

  it("answers any damage to a file with problems, never with another error", () => {
    const seed = freshSeed();
    const random = seededRandom(seed);
    const sources = ["proto2.proto", "use_options.proto", "edition2023.proto", "http.proto", "proto3.proto"];
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      "(",
      "<",
      "'",
      '"',
      "\\",
      "=",
      ";",
      "-",
      ".",
      "/*",
      "0x",
      "1e",
      "message",
      "group",
    ];
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T; // within bounds
    const contents = new Map(fixtures.map((name) => [`/p/${name}`, readFileSync(path.join(FIXTURES, name), "utf8")]));
    let refused = 0;
    for (let round = 0; round < 250; round++) {
      const name = pick(sources);
      const text = contents.get(`/p/${name}`) ?? "";
      const start = Math.floor(random() * text.length);
      const end = Math.min(text.length, start + Math.floor(random() * 8));
      const damaged = text.slice(0, start) + pick(pieces) + text.slice(end);
      const access = inMemory({ ...Object.fromEntries(contents), [`/p/${name}`]: damaged });
      try {
        createSchema(parseProtoFiles({ files: [name], include: ["/p"] }, access).set);
      } catch (error) {
        const context = `seed ${seed}, round ${round}: ${name} at ${start}`;
        assert.ok(problemsOf(error)?.length, `${context}: ${(error as Error).stack}`);
        refused++;
      }
    }
    assert.ok(refused > 100, `only ${refused} were refused`);
  });
});
