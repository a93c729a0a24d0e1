import { createFileRegistry, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { join } from "node:path";
import { GatewayError } from "../../src/core/errors.ts";
import { parseProtoFiles } from "../../src/schema/proto-files.ts";
import { createJsonReaders, type JsonReaders } from "../../src/transcode/json-read.ts";
import { createJsonWriters, type JsonWriters } from "../../src/transcode/json-write.ts";
import { defaultJsonOptions, type JsonOptions } from "../../src/transcode/options.ts";
import { sink } from "../../src/transcode/sink.ts";
import { wire } from "../../src/transcode/wire.ts";

/** The messages of test/fixtures/transcode/protojson*.proto. */
export const registry: FileRegistry = createFileRegistry(
  parseProtoFiles({
    files: ["protojson.proto", "protojson-proto2.proto", "protojson-editions.proto"],
    include: [join(import.meta.dirname, "../fixtures/transcode")],
  }).set,
);

export function messageType(name: string): DescMessage {
  const found = registry.getMessage(name.includes(".") ? name : `test.json.${name}`);
  assert.ok(found !== undefined, name);
  return found;
}

/** Reads and writes messages of one registry with one set of options. */
export class Transcoder {
  readonly readers: JsonReaders;
  readonly writers: JsonWriters;

  constructor(options: Partial<JsonOptions> = {}, types: FileRegistry = registry) {
    this.readers = createJsonReaders(types, { ...defaultJsonOptions, ...options });
    this.writers = createJsonWriters(types, { ...defaultJsonOptions, ...options });
  }

  read(message: DescMessage, json: string | Uint8Array): Buffer {
    const bytes = Buffer.from(json);
    wire.reset();
    this.readers.message(message)(bytes, 0, bytes.length);
    return wire.take();
  }

  write(message: DescMessage, bytes: Uint8Array): string {
    sink.reset();
    this.writers.message(message)(bytes, 0, bytes.length);
    const { ascii } = sink;
    const text = sink.take().toString();
    // Text that is taken back, as a map's entry whose value is dropped, may leave it false.
    assert.ok(!ascii || /^[\x00-\x7f]*$/.test(text), `sink.ascii of ${text}`);
    return text;
  }

  /** Why a text is refused: `CODE path: reason`. */
  refusal(message: DescMessage, json: string): string {
    try {
      this.read(message, json);
    } catch (error) {
      assert.ok(error instanceof GatewayError, String(error));
      assert.equal(wire.length, 0);
      const [violation] = error.violations;
      return `${error.code} ${violation?.field}: ${violation?.description}`;
    }
    return assert.fail(`accepted: ${json.slice(0, 200)}`);
  }
}
