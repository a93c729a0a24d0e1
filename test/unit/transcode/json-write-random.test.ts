import { type DescExtension, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { WireError } from "../../../src/transcode/json-write.ts";
import { sameJson } from "../../support/conformance.ts";
import { jsonOf, Node, oracle, registry } from "../../support/json-write.ts";
import { bytes, GROUP, group, number, tag, varint } from "../../support/wire-bytes.ts";

const BUDGET_MS = 1000;
const DEPTH = 3;

type AnyField = DescField | DescExtension;

/** Values that a serializer might write, of any type; with lengths that it would not. */
const smallOrAny = fc.oneof(fc.bigInt(-3n, 300n), fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n));
const varints = fc.tuple(smallOrAny, fc.constantFrom(1, 1, 1, 10)).map(([value, length]) => varint(value, length));
const texts = fc
  .oneof(fc.constantFrom("", "a", "b"), fc.string({ unit: "grapheme", maxLength: 60 }))
  .map((text) => Buffer.from(text));
const numbers64 = fc.double().map((value) => {
  const content = Buffer.alloc(8);
  content.writeDoubleLE(value);
  return content;
});
const numbers32 = fc.float().map((value) => {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return content;
});

const KINDS = [number(1, 0), number(4, 1), bytes(3, "x"), bytes(5), bytes(6, bytes(1, number(1, 0)))];

/** Content of one value, without tag and length. */
function contents(scalar: ScalarType | undefined): fc.Arbitrary<Buffer> {
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return numbers64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return numbers32;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return texts;
    default:
      return varints;
  }
}

function wireTypeOf(scalar: ScalarType | undefined): number {
  const fixed64: readonly unknown[] = [ScalarType.DOUBLE, ScalarType.FIXED64, ScalarType.SFIXED64];
  const fixed32: readonly unknown[] = [ScalarType.FLOAT, ScalarType.FIXED32, ScalarType.SFIXED32];
  if (fixed64.includes(scalar)) return 1;
  if (fixed32.includes(scalar)) return 5;
  return scalar === ScalarType.STRING || scalar === ScalarType.BYTES ? 2 : 0;
}

interface Value {
  readonly number: number;
  readonly scalar?: ScalarType | undefined;
  readonly enum?: { readonly open: boolean; readonly values: readonly { readonly number: number }[] } | undefined;
  readonly message?: DescMessage | undefined;
  readonly delimitedEncoding?: boolean;
}

/** One value with its tag. Of closed enums only known ones: protobuf-es keeps others in lists and maps. */
function records(field: Value, depth: number): fc.Arbitrary<Buffer> {
  const { number, message } = field;
  if (message !== undefined) {
    return messages(message, depth - 1).map((inner) =>
      field.delimitedEncoding ? group(number, inner) : bytes(number, inner),
    );
  }
  const wireType = wireTypeOf(field.scalar);
  const content = field.enum && !field.enum.open ? knownNumbers(field.enum) : contents(field.scalar);
  return content.map((value) =>
    wireType === 2 ? bytes(number, value) : Buffer.concat([tag(number, wireType), value]),
  );
}

function knownNumbers(type: NonNullable<Value["enum"]>): fc.Arbitrary<Buffer> {
  return fc.constantFrom(...type.values.map(({ number }) => varint(number)));
}

function fieldRecords(field: AnyField, depth: number): fc.Arbitrary<Buffer> {
  if (field.fieldKind === "map") {
    const key = records({ number: 1, scalar: field.mapKey }, depth);
    const value = records({ ...field, number: 2 }, depth);
    if (field.message?.typeName !== "google.protobuf.Value") {
      return fc.array(fc.oneof(key, value), { maxLength: 3 }).map((parts) => bytes(field.number, ...parts));
    }
    // Below a struct, protobuf-es writes null for a value without a kind; elsewhere it refuses it, too.
    return fc.tuple(key, fc.constantFrom(...KINDS)).map(([name, kind]) => bytes(field.number, name, bytes(2, kind)));
  }
  const one = records(field, depth);
  if (field.fieldKind !== "list" || field.message !== undefined || wireTypeOf(field.scalar) === 2) return one;
  const content = field.enum && !field.enum.open ? knownNumbers(field.enum) : contents(field.scalar);
  return fc.oneof(
    one,
    fc.array(content, { maxLength: 4 }).map((values) => bytes(field.number, ...values)),
  );
}

const unknownRecords = fc.constantFrom(tag(77, 0), tag(77, 1), tag(77, 2), tag(77, GROUP)).chain((start) => {
  const wireType = (start[0] as number) & 7; // a tag has a byte
  if (wireType === 2) return texts.map((text) => bytes(77, text));
  if (wireType === GROUP) return texts.map((text) => group(77, bytes(1, text)));
  return (wireType === 0 ? varints : numbers64).map((value) => Buffer.concat([start, value]));
});

const cache = new Map<string, fc.Arbitrary<Buffer>>();

/** Fields of a message in any order, each any number of times. */
function messages(message: DescMessage, depth: number): fc.Arbitrary<Buffer> {
  if (depth < 0) return fc.constant(Buffer.alloc(0));
  const name = `${message.typeName} ${depth}`;
  let made = cache.get(name);
  if (made === undefined) {
    const extensions = [...registry].filter((type) => type.kind === "extension" && type.extendee === message);
    const fields = [...message.fields, ...(extensions as DescExtension[])].filter(({ number }) => number !== WRAPPED);
    const any = message.typeName === "google.protobuf.Any";
    const parts = any
      ? anyParts(depth)
      : fc.oneof(unknownRecords, ...fields.map((field) => fieldRecords(field, depth)));
    // An Any without a type and with a value is {} for protobuf-es.
    const first = any ? bytes(1, "x/test.write.Node") : Buffer.alloc(0);
    made = fc.array(parts, { maxLength: 6 }).map((records) => Buffer.concat([first, ...records]));
    cache.set(name, made);
  }
  return made;
}

// protobuf-es does not merge wrappers.
const WRAPPED = 28;

function anyParts(depth: number): fc.Arbitrary<Buffer> {
  const url = fc.constantFrom("x/test.write.Node", "x/test.write.Sparse").map((text) => bytes(1, text));
  return fc.oneof(
    url,
    messages(Node, depth - 1).map((inner) => bytes(2, inner)),
  );
}

/** Runs a property for a while; what fails is shown with the seed that repeats it. */
function check(property: fc.IProperty<unknown>): void {
  fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: BUDGET_MS, markInterruptAsFailure: false });
}

describe("createJsonWriters() given random messages", () => {
  it("writes what protobuf-es writes, and refuses where it refuses", () => {
    let both = 0;
    let refused = 0;
    check(
      fc.property(messages(Node, DEPTH), (input) => {
        const expected = attempt(() => oracle(input));
        const got = attempt(() => jsonOf(input));
        if (got instanceof Error) assert.ok(got instanceof WireError, got);
        const shown = `${input.toString("hex")}: ${JSON.stringify(expected)} ${String(expected)}, got ${String(got)}`;
        assert.equal(got instanceof Error, expected instanceof Error, shown);
        if (got instanceof Error) refused++;
        else (assert.ok(sameJson(expected, JSON.parse(got as string), ""), shown), both++);
      }),
    );
    assert.ok(both > 50 && refused > 10, `compared ${both}, refused ${refused}`);
  });

  it("writes JSON in proportion or throws WireError, whatever bytes are changed", () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }), cut: fc.boolean() });
    check(
      fc.property(messages(Node, DEPTH), fc.array(change, { minLength: 1, maxLength: 3 }), (whole, changes) => {
        let input = Buffer.from(whole);
        for (const { at, to, cut } of changes) {
          if (input.length === 0) return;
          if (cut) input = input.subarray(0, at % input.length);
          else input[at % input.length] = to;
        }
        const text = attempt(() => jsonOf(input));
        if (text instanceof Error) return assert.ok(text instanceof WireError, text);
        JSON.parse(text as string);
        // A tag and an empty length, two bytes, become a name of up to 32 bytes and a value's default.
        assert.ok((text as string).length <= input.length * 40 + 2, input.toString("hex"));
      }),
    );
  });
});

function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}
