import type { DescMessage } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { createJsonReaders, type JsonReaders } from "../../src/transcode/json-read.ts";
import { createJsonWriters, WireError } from "../../src/transcode/json-write.ts";
import { defaultJsonOptions } from "../../src/transcode/options.ts";
import { sink } from "../../src/transcode/sink.ts";
import { wire } from "../../src/transcode/wire.ts";
import { type ConformanceAnswer, type ConformanceCase, judge, loadConformance } from "../support/conformance.ts";

const TOTAL = 2812;
// Never falls.
const FLOOR = 2812;

describe("ProtoJSON conformance", () => {
  const suite = loadConformance();
  if ("missing" in suite) {
    console.log(`conformance: skipped, no cases.jsonl in ${suite.missing} (SLUICE_CONFORMANCE names another folder)`);
    return;
  }
  const { cases, registry } = suite;
  const writers = createJsonWriters(registry, defaultJsonOptions);
  const strict = createJsonReaders(registry, defaultJsonOptions);
  const lenient = createJsonReaders(registry, { ...defaultJsonOptions, unknownFields: "ignore" });

  it(`replays protobuf's own cases: at least ${FLOOR} of ${TOTAL} pass`, () => {
    const failures: string[] = [];
    for (const test of cases) {
      const reason = judge(test, answer(test), registry);
      if (reason !== undefined) failures.push(`${test.name}: ${reason.slice(0, 300)}`);
    }
    const passed = cases.length - failures.length;
    console.log(`conformance: ${passed} passed of ${TOTAL}`);
    assert.equal(cases.length, TOTAL);
    assert.ok(passed >= FLOOR, failures.slice(0, 20).join("\n"));
  });

  function answer(test: ConformanceCase): ConformanceAnswer {
    const message = registry.getMessage(test.type);
    assert.ok(message !== undefined, test.type);
    try {
      if ("json" in test.input) {
        const bytes = read(test.ignore_unknown ? lenient : strict, message, Buffer.from(test.input.json));
        return test.output === "binary" ? { binary: bytes } : { json: write(message, bytes) };
      }
      return { json: write(message, Buffer.from(test.input.binary, "base64")) };
    } catch (error) {
      // Anything else is a defect, not a refusal.
      if (!(error instanceof GatewayError || error instanceof WireError)) throw error;
      return { error };
    }
  }

  function read(readers: JsonReaders, message: DescMessage, json: Buffer): Buffer {
    wire.reset();
    readers.message(message)(json, 0, json.length);
    return wire.take();
  }

  function write(message: DescMessage, bytes: Buffer): string {
    sink.reset();
    writers.message(message)(bytes, 0, bytes.length);
    const { ascii } = sink;
    const taken = sink.take();
    assert.equal(ascii, typeof taken === "string");
    return taken.toString();
  }
});
