import {
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  fromJsonString,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import { WireError } from "../../src/transcode/json-write.ts";
import type { JsonOptions } from "../../src/transcode/options.ts";
import { Transcoder } from "../support/protojson.ts";
import { randomBytes } from "../support/random-message.ts";
import { allFieldsOf, type Draw, messagesOf, randomSchema } from "../support/random-schema.ts";
import { freshSeed } from "../support/seeded-random.ts";
import { bytes, group } from "../support/wire-bytes.ts";
import { strictly } from "../support/wire-reference.ts";

// Random descriptors and random messages of them, both ways, through our compiled code and through protobuf-es. Where
// protobuf-es refuses, we must; where both accept, both must see the same. What only we refuse, on purpose, is here.

/** Bytes that protobuf-es takes. */
const STRICTER_WITH_BYTES = [
  /a string is not valid UTF-8/, // in a field that does not ask for the check
  /no kind is set/, // in a Struct, where protobuf-es writes null
  /names no known message/, // a type URL without a slash
  /a value without a type_url/,
  /deeper than 100 levels/,
  /does not come back from lowerCamelCase/, // signs that no name has
];
/** JSON that protobuf-es takes. */
const STRICTER_WITH_JSON = [
  /expected base64, got "="/,
  /expected the message under "value"/, // in an Any of a well-known type
  /has "@type" and "value" alone/,
  /: expected (true or false|an? \w+\d\d), got "/, // a map's key beside a value that is ignored
];
/**
 * What protobuf-es reads otherwise: null for an extension as a value, an enum's unknown name there as its first; "10.0"
 * and "1e1" as integers of 32 bits alone, not of 64.
 */
const READ_OTHERWISE = /"\[r\.x\d\]"|"-?\d+(?:\.\d+|(?:\.\d+)?e[-+]?\d+)"/i;

const BUDGET_MS = 2500;
// A schema costs more to make than a message.
const MESSAGES = 10;

interface Case {
  readonly registry: FileRegistry;
  readonly message: DescMessage;
  readonly options: Partial<JsonOptions>;
  readonly transcoder: Transcoder;
  readonly draw: Draw;
}

/** Without a liking for the ends, which would make most messages very large. */
const evenly = (min: number, max: number): fc.Arbitrary<number> => fc.noBias(fc.integer({ min, max }));

/** Runs a property on random schemas for a while; what fails is shown with the seed that repeats it. */
function check(t: TestContext, property: (given: Case) => void): void {
  const seed = freshSeed();
  t.diagnostic(`seed ${seed} (SEED)`);
  let runs = 0;
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const draw: Draw = {
        int: (min, max) => g(evenly, min, max),
        pick: (from) => from[g(evenly, 0, from.length - 1)] as (typeof from)[number],
        chance: (percent) => g(evenly, 0, 99) < percent,
      };
      const registry = randomSchema(draw);
      const options: Partial<JsonOptions> = {
        names: draw.pick(["json", "proto"]),
        emitDefaults: draw.pick(["none", "none", "all"]),
        enums: draw.pick(["name", "name", "number"]),
        unknownFields: draw.pick(["reject", "ignore"]),
      };
      const transcoder = new Transcoder(options, registry);
      for (const message of messagesOf(registry)) {
        for (let i = 0; i < MESSAGES; i++) {
          runs++;
          property({ registry, message, options, transcoder, draw });
        }
      }
    }),
    { seed, numRuns: 1_000_000, interruptAfterTimeLimit: BUDGET_MS, endOnFailure: true },
  );
  t.diagnostic(`${runs} messages`);
  assert.ok(runs > 20, "too slow to say anything");
}

/** JSON as protobuf-es writes it with the same options. */
function oracleJson({ registry, message, options }: Case, bytes: Buffer): JsonValue {
  return toJson(message, fromBinary(message, strictly(registry, message, bytes).bytes), {
    registry,
    useProtoFieldName: options.names === "proto",
    enumAsInteger: options.enums === "number",
    alwaysEmitImplicit: options.emitDefaults === "all",
  });
}

/** A message in a form that is deeply equal where messages are, content of an Any included. */
function canonical({ registry, message }: Case, bytes: Uint8Array): unknown {
  const read = fromBinary(message, bytes);
  try {
    return withTypes(toJson(message, read, { registry }));
  } catch {
    // A FieldMask may be read from JSON that cannot be written.
    return Buffer.from(toBinary(message, read)).toString("hex");
  }
}

/** Type URLs by what they name: protobuf-es makes all of them begin alike. */
function withTypes(json: JsonValue): JsonValue {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(withTypes);
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [
      name,
      name === "@type" && typeof value === "string" ? value.replace(/^.*\//s, "") : withTypes(value as JsonValue),
    ]),
  );
}

/** Equal but for floats, which protobuf-es writes with the digits of a double. */
function similar(want: unknown, got: unknown): boolean {
  if (typeof want === "number" && typeof got === "number") return Math.fround(want) === Math.fround(got);
  if (typeof want !== "object" || want === null || typeof got !== "object" || got === null) return want === got;
  const names = Object.keys(want);
  return (
    Array.isArray(want) === Array.isArray(got) &&
    names.length === Object.keys(got).length &&
    names.every((name) => similar((want as never)[name], (got as never)[name]))
  );
}

function attempt<T>(run: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
  }
}

/** What a message's bytes are in our JSON; the error where it must be refused. */
function compareWriting(given: Case, bytes: Buffer, mayDiffer: (reason: string) => boolean): string | undefined {
  const { message, transcoder } = given;
  const expected = attempt(() => oracleJson(given, bytes));
  const actual = attempt(() => transcoder.write(message, bytes));
  const shown = `${message.typeName} ${bytes.toString("hex")}`;
  if ("error" in actual) {
    assert.ok(actual.error instanceof WireError, `${shown}: ${String(actual.error)}`);
    assert.ok(actual.error.message.length > 10, shown);
    const { message: reason } = actual.error;
    // Malformed bytes in an Any we refuse also where another Any has replaced it.
    const isReplaced = (): boolean => strictly(given.registry, message, bytes).hasMalformedAny;
    assert.ok("error" in expected || mayDiffer(reason) || isReplaced(), `${shown}: refused (${reason})`);
    return undefined;
  }
  assert.ok("value" in expected, `${shown}: accepted, though ${"error" in expected && String(expected.error)}`);
  const parsed: unknown = JSON.parse(actual.value);
  assert.ok(similar(expected.value, parsed), `${shown}: ${actual.value}, not ${JSON.stringify(expected.value)}`);
  return actual.value;
}

function compareReading(given: Case, json: string, mayDiffer: (reason: string) => boolean): boolean {
  const { message, transcoder, registry, options } = given;
  const ignoreUnknownFields = options.unknownFields === "ignore";
  const expected = attempt(() => toBinary(message, fromJsonString(message, json, { registry, ignoreUnknownFields })));
  const actual = attempt(() => transcoder.read(message, json));
  const shown = `${message.typeName} ${json}`;
  if ("error" in actual) {
    const { error } = actual;
    assert.ok(error instanceof GatewayError, `${shown}: ${error instanceof Error ? error.stack : String(error)}`);
    const [violation] = error.violations;
    assert.ok(violation !== undefined && violation.field !== "" && violation.description.length > 10, shown);
    assert.ok("error" in expected || mayDiffer(error.message), `${shown}: refused (${error.message})`);
    return false;
  }
  assert.ok("value" in expected, `${shown}: accepted, though ${"error" in expected && String(expected.error)}`);
  assert.deepEqual(canonical(given, actual.value), canonical(given, expected.value), shown);
  return true;
}

const never = (): boolean => false;

describe("compiled transcoders and protobuf-es, given random descriptors", () => {
  it("write the same JSON for bytes, and read it back as the same message", (t) => {
    let written = 0;
    let refused = 0;
    check(t, (given) => {
      const bytes = randomBytes(given.draw, given.registry, given.message);
      const json = compareWriting(given, bytes, never);
      if (json === undefined) return refused++;
      written++;
      // Exactly the same, every digit of a float too; protobuf-es itself is asked by its own reading of our JSON.
      const { registry, message, transcoder } = given;
      const back = attempt(() => toBinary(message, fromJson(message, oracleJson(given, bytes), { registry })));
      if ("error" in back) return;
      const wanted = canonical(given, back.value);
      assert.deepEqual(canonical(given, toBinary(message, fromJsonString(message, json, { registry }))), wanted, json);
      assert.deepEqual(canonical(given, transcoder.read(message, json)), wanted, json);
      return;
    });
    t.diagnostic(`${written} written, ${refused} refused`);
    assert.ok(written > 10);
  });

  it("refuse the same malformed bytes, and write the same for what is left of them", (t) => {
    let written = 0;
    const reasons = new Map<string, number>();
    check(t, (given) => {
      const { draw } = given;
      const whole = randomBytes(draw, given.registry, given.message);
      const input = draw.chance(50) ? damaged(draw, whole) : Buffer.concat([damagedPiece(given), whole]);
      const differs = (reason: string): boolean => {
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        return STRICTER_WITH_BYTES.some((known) => known.test(reason));
      };
      if (compareWriting(given, input, differs) !== undefined) written++;
    });
    t.diagnostic(`${written} written; ${[...reasons].map(([reason, count]) => `${count}: ${reason}`).join("; ")}`);
  });

  it("read the same from JSON whose values, names and members are changed", (t) => {
    let accepted = 0;
    let refused = 0;
    check(t, (given) => {
      const bytes = randomBytes(given.draw, given.registry, given.message);
      const json = attempt(() => given.transcoder.write(given.message, bytes));
      if ("error" in json) return;
      const changed = changeJson(given.draw, JSON.parse(json.value) as JsonValue);
      const text = JSON.stringify(changed);
      if (READ_OTHERWISE.test(text)) return;
      if (compareReading(given, text, (reason) => STRICTER_WITH_JSON.some((known) => known.test(reason)))) accepted++;
      else refused++;
    });
    t.diagnostic(`${accepted} accepted, ${refused} refused`);
    assert.ok(accepted > 0 && refused > 0);
  });

  it("agree on what is JSON after a slip of the pen", (t) => {
    let accepted = 0;
    check(t, (given) => {
      const { draw } = given;
      const bytes = randomBytes(draw, given.registry, given.message);
      const json = attempt(() => given.transcoder.write(given.message, bytes));
      if ("error" in json) return;
      const at = draw.int(0, json.value.length);
      const slip = draw.pick([...'{}[]",:012.-+ntf \\u\n', "", "é", "\u0001"]);
      const text = json.value.slice(0, at) + slip + json.value.slice(at + draw.int(0, 1));
      if (!text.isWellFormed()) return;
      // A slip may make of a string what only JavaScript takes for a number or a date: "0x1", "1sx" for a Duration.
      if (!READ_OTHERWISE.test(text) && compareReading(given, text, () => true)) accepted++;
      const isJson = "value" in attempt(() => JSON.parse(text) as unknown);
      const actual = attempt(() => given.transcoder.read(given.message, text));
      const isMalformed = "error" in actual && (actual.error as GatewayError).code === "BODY_MALFORMED";
      assert.ok(isJson || "error" in actual, `accepted: ${text}`);
      assert.ok(!(isJson && isMalformed), `called malformed: ${text}`);
    });
    t.diagnostic(`${accepted} accepted`);
  });
});

// What takes the place of a varint: too long, too large, longer than it needs to be.
const ODD_VARINTS = [
  Buffer.from([...Buffer.alloc(10, 0xff), 1]),
  Buffer.from([...Buffer.alloc(9, 0x88), 0x10]),
  Buffer.from([...Buffer.alloc(9, 0x80), 0x02]),
  Buffer.from([...Buffer.alloc(9, 0xff), 0x01]),
  Buffer.from([0x8a, 0x80, 0x00]),
];

/** Bytes with one to three slips. */
function damaged(draw: Draw, whole: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(whole);
  for (let count = draw.int(1, 3); count > 0 && bytes.length > 0; count--) {
    const at = draw.int(0, bytes.length - 1);
    const how = draw.int(0, 4);
    if (how === 0) bytes = bytes.subarray(0, at);
    else if (how === 1) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else if (how === 2) bytes = Buffer.concat([bytes.subarray(0, at), draw.pick(ODD_VARINTS), bytes.subarray(at + 1)]);
    else bytes[at] = draw.int(0, 255);
  }
  return bytes;
}

/** A message with slips as the value of a field: its length is right, and what follows may replace it. */
function damagedPiece({ draw, registry, message }: Case): Buffer {
  const fields = allFieldsOf(registry, message).filter((field) => field.message !== undefined);
  if (fields.length === 0) return Buffer.alloc(0);
  const field = draw.pick(fields);
  const inner = damaged(draw, randomBytes(draw, registry, field.message as DescMessage, 1)); // as filtered
  if (field.fieldKind === "map") return bytes(field.number, bytes(2, inner));
  return "delimitedEncoding" in field && field.delimitedEncoding
    ? group(field.number, inner)
    : bytes(field.number, inner);
}

/** JSON with one to three of its values replaced, removed, moved or renamed. */
function changeJson(draw: Draw, json: JsonValue): JsonValue {
  for (let count = draw.int(1, 3); count > 0; count--) json = changeOne(draw, json);
  return json;
}

const VALUES: readonly JsonValue[] = [
  ...[null, true, false, 0, 1, -1, 1.5, 1e300, 2 ** 31, 2 ** 32, -(2 ** 31), 77, "", "x", "V0", "1", "-1", "NaN"],
  ...["true", "1970-01-01T00:00:00Z", "1s", "-0.5s", "a.bC", "AAEC", "_-8", "=", "18446744073709551616", "2147483648"],
  ...[[], {}, [1], [null], [[]], { a: 1 }, { value: 1 }, { "1": "x" }, { true: null }, { "@type": "x/r.M0" }],
];

function changeOne(draw: Draw, json: JsonValue): JsonValue {
  if (typeof json !== "object" || json === null || draw.chance(10)) return draw.pick(VALUES);
  if (Array.isArray(json)) {
    if (json.length === 0 || draw.chance(20)) return [...json, draw.pick(VALUES)];
    const at = draw.int(0, json.length - 1);
    return json.map((item, index) => (index === at ? changeOne(draw, item) : item));
  }
  const names = Object.keys(json);
  if (names.length === 0) return { [draw.pick(["f0", "field0", "x"])]: draw.pick(VALUES) };
  const name = draw.pick(names);
  const how = draw.int(0, 9);
  const entries = Object.entries(json).filter(([key]) => key !== name || how !== 0);
  if (how === 1) entries.push([draw.pick(["nope", "f1", "__proto__", "[r.x9]", "@type"]), draw.pick(VALUES)]);
  // Object.fromEntries, unlike a literal, makes `__proto__` a name like others.
  return Object.fromEntries(
    entries.map(([key, value]): [string, JsonValue] => {
      if (key !== name || how < 2) return [key, value as JsonValue];
      return how === 2 ? [`${key}x`, value as JsonValue] : [key, changeOne(draw, value as JsonValue)];
    }),
  );
}
