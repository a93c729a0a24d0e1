import { createFileRegistry, type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseProtoFiles } from "../../src/schema/proto-files.ts";
import { createJsonWriters, type JsonWriter, WireError } from "../../src/transcode/json-write.ts";
import { defaultJsonOptions } from "../../src/transcode/options.ts";
import { sink } from "../../src/transcode/sink.ts";

const include = [join(import.meta.dirname, "../fixtures/transcode")];

/** The messages of test/fixtures/transcode/json-write.proto, and the well-known types. */
export const registry = createFileRegistry(
  parseProtoFiles({
    files: ["json-write.proto", "google/protobuf/field_mask.proto", "google/protobuf/empty.proto"],
    include,
  }).set,
);
export const writers = createJsonWriters(registry, defaultJsonOptions);
export const Node = messageType("test.write.Node");

export function messageType(name: string): DescMessage {
  const found = registry.getMessage(name);
  assert.ok(found !== undefined, name);
  return found;
}

/** What a writer appends to the sink. */
export function written(writer: JsonWriter, bytes: Uint8Array, start = 0, end = bytes.length): string {
  sink.reset();
  writer(bytes, start, end);
  const { ascii } = sink;
  const text = sink.take().toString();
  assert.equal(ascii, /^[\x00-\x7f]*$/.test(text), `sink.ascii of ${text}`);
  return text;
}

export function jsonOf(bytes: Uint8Array, message = Node): string {
  return written(writers.message(message), bytes);
}

/** What protobuf-es makes of it. */
export function oracle(bytes: Uint8Array, message = Node): unknown {
  return toJson(message, fromBinary(message, bytes), { registry });
}

/** The reason for which bytes are refused. */
export function refusal(bytes: Uint8Array, message = Node): string {
  try {
    jsonOf(bytes, message);
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    assert.equal(sink.length, 0);
    return error.message;
  }
  return assert.fail(`accepted: ${Buffer.from(bytes).toString("hex")}`);
}
