import { createFileRegistry, equals, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One case of protobuf's own JSON conformance suite, as data. */
export interface ConformanceCase {
  readonly name: string;
  readonly type: string;
  readonly input: { readonly json: string } | { readonly binary: string };
  readonly output: "json" | "binary";
  readonly ignore_unknown: boolean;
  /** The message, binary in base64; JSON is there where the output is. */
  readonly expect: "parse_error" | "serialize_error" | { readonly json?: string; readonly binary: string };
  readonly rule?: ConformanceRule;
}

/** What the JSON text must look like. */
interface ConformanceRule {
  readonly has?: readonly string[];
  readonly lacks?: readonly string[];
  readonly equals?: Readonly<Record<string, unknown>>;
  readonly empty?: boolean;
}

/** What a transcoder made of a case. */
export type ConformanceAnswer =
  { readonly json: string } | { readonly binary: Uint8Array } | { readonly error: unknown };

/** The cases and their message types, or where they were looked for in vain. */
export function loadConformance():
  { readonly cases: readonly ConformanceCase[]; readonly registry: FileRegistry } | { readonly missing: string } {
  const folder = process.env["SLUICE_CONFORMANCE"] ?? join(import.meta.dirname, "../../../shared/conformance");
  const file = join(folder, "cases.jsonl");
  if (!existsSync(file)) return { missing: folder };
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  const files = fromBinary(FileDescriptorSetSchema, readFileSync(join(folder, "test_messages.binpb")));
  return { cases: lines.map((line) => JSON.parse(line) as ConformanceCase), registry: createFileRegistry(files) };
}

/** What is wrong with an answer, or undefined where it is right. */
export function judge(test: ConformanceCase, answer: ConformanceAnswer, registry: FileRegistry): string | undefined {
  if (typeof test.expect === "string") return "error" in answer ? undefined : `accepted, expected ${test.expect}`;
  if ("error" in answer) return `refused: ${String(answer.error)}`;
  if ("binary" in answer) {
    const want = Buffer.from(test.expect.binary, "base64");
    return sameMessage(test.type, want, answer.binary, registry)
      ? undefined
      : `got ${hex(answer.binary)}, expected ${hex(want)}`;
  }
  let got: unknown;
  try {
    got = JSON.parse(answer.json);
  } catch (error) {
    return `not JSON: ${answer.json} (${String(error)})`;
  }
  if (test.rule !== undefined) return breakOfRule(test.rule, got as Record<string, unknown>);
  if (test.expect.json === undefined) return "JSON where bytes were expected";
  return sameJson(JSON.parse(test.expect.json), got, "")
    ? undefined
    : `got ${answer.json}, expected ${test.expect.json}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Bytes may differ in the order of a map's entries, so messages are compared; NaN is like NaN only as bytes. */
function sameMessage(type: string, want: Uint8Array, got: Uint8Array, registry: FileRegistry): boolean {
  const message = registry.getMessage(type);
  if (message === undefined) throw new Error(`no message ${type}`);
  const [one, other] = [fromBinary(message, want), fromBinary(message, got)];
  if (Buffer.compare(toBinary(message, one), toBinary(message, other)) === 0) return true;
  return equals(message, one, other, { registry, unknown: true, extensions: true, unpackAny: true });
}

/** Equal JSON values: order of keys apart; under keys that name floats, numbers as 32-bit floats. */
export function sameJson(want: unknown, got: unknown, key: string): boolean {
  if (Array.isArray(want) && Array.isArray(got)) {
    return want.length === got.length && want.every((item, index) => sameJson(item, got[index], key));
  }
  if (isObject(want) && isObject(got)) {
    const names = Object.keys(want);
    return (
      names.length === Object.keys(got).length &&
      names.every((name) => name in got && sameJson(want[name], got[name], name))
    );
  }
  if (typeof want === "number" && typeof got === "number" && /float/i.test(key))
    return Math.fround(want) === Math.fround(got);
  return want === got;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function breakOfRule(rule: ConformanceRule, got: Record<string, unknown>): string | undefined {
  for (const key of rule.has ?? []) if (!(key in got)) return `lacks ${key}`;
  for (const key of rule.lacks ?? []) if (key in got) return `has ${key}`;
  for (const [key, want] of Object.entries(rule.equals ?? {})) {
    if (!(key in got) || got[key] !== want)
      return `${key} is ${JSON.stringify(got[key])}, expected ${JSON.stringify(want)}`;
  }
  return rule.empty === true && Object.keys(got).length > 0 ? "has keys" : undefined;
}
