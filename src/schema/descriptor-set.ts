import { readFile } from "node:fs/promises";
import { create, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, type FileDescriptorProto, type FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import { gatewayError } from "../core/errors.ts";
import { findFile } from "./proto/find-file.ts";
import { parseProtoFiles } from "./proto-files.ts";

/**
 * Reads a FileDescriptorSet as `protoc --include_imports -o FILE` writes it. Bundled files (google/protobuf, google/api,
 * google/rpc, google/type) are supplied where they are missing.
 *
 * @throws SCHEMA_INVALID for a file that cannot be read, is no descriptor set, or lacks imports, which are named.
 */
export async function readDescriptorSet(file: string): Promise<FileDescriptorSet> {
  const fail = (reason: string, cause?: unknown): never => {
    throw gatewayError("SCHEMA_INVALID", { place: file, reason }, { cause });
  };
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) =>
    fail(error.code === "ENOENT" ? "there is no such file" : error.message, error),
  );
  let set: FileDescriptorSet;
  try {
    set = fromBinary(FileDescriptorSetSchema, bytes);
  } catch (error) {
    return fail(describeWrong(bytes), error);
  }
  // A FileDescriptorProto alone, or any other message, may well read as a set of nameless files.
  if (set.file.length === 0 || set.file.some(({ name }) => !name.endsWith(".proto"))) return fail(describeWrong(bytes));
  const { complete, missing } = completeSet(set);
  if (missing.length === 0) return complete;
  const names = missing.map((name) => `"${name}"`).join(", ");
  return fail(`lacks the imported ${names}; write it with protoc --include_imports or buf build`);
}

const EXPECTED = "expected a binary FileDescriptorSet as protoc --include_imports -o FILE writes it";

function describeWrong(bytes: Buffer): string {
  const start = bytes.subarray(0, 200).toString("latin1");
  if (bytes.length === 0) return `is empty; ${EXPECTED}`;
  if (/^\s*\{/.test(start)) return `is JSON; ${EXPECTED}`;
  if (/\b(syntax|edition)\s*=\s*["']/.test(start))
    return `looks like a .proto file, which goes under "proto"; ${EXPECTED}`;
  return `is no descriptor set; ${EXPECTED}`;
}

/** The set with the bundled files that it imports and does not have; `missing` are those that are nowhere. */
function completeSet(set: FileDescriptorSet): { complete: FileDescriptorSet; missing: readonly string[] } {
  const known = new Set(set.file.map(({ name }) => name));
  const absent = [...new Set(set.file.flatMap(({ dependency }) => dependency))].filter((name) => !known.has(name));
  const missing = absent.filter((name) => "problem" in findFile(name, []));
  const bundled = absent.filter((name) => !missing.includes(name));
  if (bundled.length === 0) return { complete: set, missing };
  const supplied: FileDescriptorProto[] = parseProtoFiles({ files: bundled, include: [] }).set.file;
  const file = [...supplied.filter(({ name }) => !known.has(name)), ...set.file];
  return { complete: create(FileDescriptorSetSchema, { file }), missing };
}
