import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { fromBinary, fromJsonString, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { GatewayError } from "../../../src/core/errors.ts";
import { createJsonReaders } from "../../../src/transcode/json-read.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { wire } from "../../../src/transcode/wire.ts";
import { messageType, registry } from "../../support/transcode-schema.ts";
import { freshSeed } from "../../support/seeded-random.ts";

// Texts are drawn at random and read twice: by our readers and by protobuf-es. Both must refuse the same, and see the
// same message in what they accept. Left out is where the two differ on purpose: protobuf-es takes more than ProtoJSON
// in some strings (`"0x10"`, `"1sx"` for a Duration, February 30th), passes JSON numbers through a double, and takes null
// for an enum in a oneof as a member that is set.

const All = messageType("All");
const readers = createJsonReaders(registry, defaultJsonOptions);
const lenient = createJsonReaders(registry, { ...defaultJsonOptions, unknownFields: "ignore" });

type Outcome = { readonly bytes: Uint8Array } | { readonly error: unknown };

function ours(json: string, from = readers): Outcome {
  const bytes = Buffer.from(json);
  wire.reset();
  try {
    from.message(All)(bytes, 0, bytes.length);
    return { bytes: wire.take() };
  } catch (error) {
    assert.ok(error instanceof GatewayError, `${json}\n${error instanceof Error ? error.stack : String(error)}`);
    return { error };
  }
}

function oracle(json: string, ignoreUnknownFields = false): Outcome {
  try {
    return { bytes: toBinary(All, fromJsonString(All, json, { registry, ignoreUnknownFields })) };
  } catch (error) {
    return { error };
  }
}

/** A message in a form that is deeply equal where messages are, content of an Any included. */
function canonical(bytes: Uint8Array): unknown {
  const read = fromBinary(All, bytes);
  try {
    return toJson(All, read, { registry });
  } catch {
    // Some field masks can be read from JSON but not be written; bytes tell as well, but for the order in an Any.
    return Buffer.from(toBinary(All, read)).toString("hex");
  }
}

function assertSame(json: string, actual: Outcome, expected: Outcome): void {
  if ("error" in expected)
    assert.ok("error" in actual, `accepted, though protobuf-es says ${String(expected.error)}: ${json}`);
  else if ("error" in actual) assert.fail(`refused: ${String(actual.error)}: ${json}`);
  else assert.deepEqual(canonical(actual.bytes), canonical(expected.bytes), json);
}

const anyOf = (texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const wrong = anyOf(["null", "true", "[]", "{}", '"x*y"', "[null]", '{"a":1}', "1.5"]);
// Mostly right, so that whole messages are accepted often enough.
const mostly = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 40, arbitrary: value }, { weight: 1, arbitrary: wrong });

const text = fc.string({ unit: "grapheme", maxLength: 60 }).map((value) => JSON.stringify(value));
const int32 = fc.oneof(
  fc.integer().map(String),
  fc.integer().map((value) => `"${value}"`),
  anyOf(["1.0", "1e2", "2147483648", "-0", '"1e3"', "12.50"]),
);
const uint32 = fc.oneof(fc.nat().map(String), anyOf(["4294967295", "4294967296", "-1", '"7"']));
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map((value) => `"${value}"`),
  fc.maxSafeInteger().map(String),
  anyOf(["1.0", "10e1", '"-0"']),
);
const uint64 = fc.oneof(
  fc.bigInt({ min: -5n, max: 2n ** 65n }).map((value) => `"${value}"`),
  fc.maxSafeNat().map(String),
);
const double = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? "-0" : String(value))),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `"${value}"`),
  anyOf(['"NaN"', '"Infinity"', '"-Infinity"', "1e400", "0.1", "123456789.125"]),
);
const bytes = fc
  .uint8Array({ maxLength: 200 })
  .chain((value) =>
    anyOf([`"${Buffer.from(value).toString("base64")}"`, `"${Buffer.from(value).toString("base64url")}"`]),
  );
const bool = anyOf(["true", "false"]);
const color = anyOf(['"RED"', '"GREEN"', '"BELOW"', "1", "-7", '"PINK"']);
const time = fc.oneof(
  fc
    .date({ noInvalidDate: true, min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z") })
    .map((date) => `"${date.toISOString()}"`),
  anyOf(['"2024-02-29T23:59:59.123456789+05:30"', '"10000-01-01T00:00:00Z"', '"2024-01-01"']),
);
const duration = fc
  .tuple(fc.integer({ min: -4000, max: 4000 }), fc.nat({ max: 999_999_999 }))
  .map(([seconds, nanos]) => `"${seconds}.${String(nanos).padStart(9, "0")}s"`);
const mask = fc
  .array(fc.stringMatching(/^[a-z][a-zA-Z.]{0,8}$/), { maxLength: 4 })
  .map((paths) => `"${paths.join(",")}"`);
const json = fc.json({ maxDepth: 4, noUnicodeString: true } as never);
const space = anyOf(["", "", "", " ", "\n\t "]);

const list = (item: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(item, { maxLength: 5 }).map((items) => `[${items.join(",")}]`);
const map = (key: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(key, value), { maxLength: 12 })
    .map((entries) => `{${entries.map(([k, v]) => `${k}:${v}`).join(",")}}`);

const { message } = fc.letrec<{ message: string; any: string }>((tie) => {
  const fields: Record<string, fc.Arbitrary<string>> = {
    aInt32: int32,
    opt_int32: int32,
    listInt32: list(mostly(int32)),
    aSint32: int32,
    aSfixed32: int32,
    aUint32: uint32,
    optFixed32: uint32,
    aInt64: int64,
    optInt64: int64,
    listSint64: list(mostly(int64)),
    aSfixed64: int64,
    aUint64: uint64,
    listFixed64: list(mostly(uint64)),
    aDouble: double,
    listDouble: list(mostly(double)),
    aBool: bool,
    listBool: list(mostly(bool)),
    aString: text,
    optString: text,
    listString: list(mostly(text)),
    aBytes: bytes,
    listBytes: list(mostly(bytes)),
    color,
    colors: list(mostly(color)),
    colorByName: map(text, mostly(color)),
    keyString: map(text, mostly(text)),
    keyInt32: map(
      fc.integer().map((key) => `"${key}"`),
      text,
    ),
    keyUint64: map(
      fc.nat({ max: 20 }).map((key) => `"${key}"`),
      text,
    ),
    keyBool: map(anyOf(['"true"', '"false"']), text),
    child: tie("message"),
    children: list(mostly(tie("message"))),
    childByName: map(text, mostly(tie("message"))),
    pickText: text,
    pickNumber: int32,
    pick_color: color,
    wInt32: int32,
    wInt64: int64,
    wString: text,
    wBytes: bytes,
    wBool: bool,
    wDouble: double,
    time,
    times: list(mostly(time)),
    duration,
    mask,
    struct: json,
    value: json,
    listValue: json,
    values: list(json),
    nullValue: anyOf(["null", '"NULL_VALUE"', "0"]),
    any: tie("any"),
    anys: list(mostly(tie("any"))),
    empty: anyOf(["{}"]),
    nope: int32,
  };
  const valueOf = (name: string): fc.Arbitrary<string> => {
    const value = fields[name] as fc.Arbitrary<string>;
    return name === "pick_color" ? value : mostly(value);
  };
  const names = Object.keys(fields).filter((name) => name !== "nope");
  const member = fc
    .oneof({ weight: 60, arbitrary: anyOf(names) }, { weight: 1, arbitrary: anyOf(["nope"]) })
    .chain((name) => fc.tuple(fc.constant(`"${name}"`), valueOf(name), space));
  return {
    // A name is rarely drawn twice, so duplicates come by themselves.
    message: fc
      .array(member, { maxLength: 5, depthIdentifier: "message" })
      .map((members) => `{${members.map(([k, v, s]) => `${s}${k}${s}:${s}${v}${s}`).join(",")}}`),
    any: fc.oneof(
      fc.tuple(tie("message") as fc.Arbitrary<string>, fc.boolean()).map(([inner, first]) => {
        const type = '"@type":"type.googleapis.com/test.v1.All"';
        const content = inner.slice(1, -1).trim();
        return `{${content === "" ? type : first ? `${type},${content}` : `${content},${type}`}}`;
      }),
      duration.map((value) => `{"@type":"type.googleapis.com/google.protobuf.Duration","value":${value}}`),
      json.map((value) => `{"value":${value},"@type":"type.googleapis.com/google.protobuf.Value"}`),
      anyOf(["{}", '{"@type":"type.googleapis.com/no.Such"}', '{"aInt32":1}']),
    ),
  };
});

/** Runs a property for a while; what fails is shrunk and comes with its seed. */
function check<T>(t: TestContext, arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  const seed = freshSeed();
  t.diagnostic(`seed ${seed} (SEED)`);
  let runs = 0;
  let accepted = 0;
  fc.assert(
    fc.property(arbitrary, (value) => {
      runs++;
      if (typeof value === "string" && "bytes" in ours(value)) accepted++;
      property(value);
    }),
    { seed, numRuns: 100_000, interruptAfterTimeLimit: 700 },
  );
  t.diagnostic(`${runs} texts, ${accepted} accepted`);
  assert.ok(runs > 50, "too slow to say anything");
}

describe("JSON readers and protobuf-es", () => {
  it("see the same in messages of every shape", (t) => {
    check(t, message, (json) => assertSame(json, ours(json), oracle(json)));
  });

  it("see the same where unknown fields and enum names are ignored", (t) => {
    check(t, message, (json) => assertSame(json, ours(json, lenient), oracle(json, true)));
  });

  it("agree on what is JSON after a slip of the pen", (t) => {
    const slip = fc.tuple(
      message,
      fc.nat(),
      fc.constantFrom(...'{}[]",:012.-+ntf \\u\n', "", "é", "\u0001"),
      fc.boolean(),
    );
    const slipped = slip.map(([json, at, insert, replace]) => {
      const i = at % (json.length + 1);
      return json.slice(0, i) + insert + json.slice(i + (replace ? 1 : 0));
    });
    check(
      t,
      slipped.filter((json) => json.isWellFormed()),
      (json) => {
        const actual = ours(json);
        const isMalformed = "error" in actual && (actual.error as GatewayError).code === "BODY_MALFORMED";
        let isJson = true;
        try {
          JSON.parse(json);
        } catch {
          isJson = false;
        }
        if (!isJson) assert.ok("error" in actual, `accepted: ${json}`);
        else assert.ok(!isMalformed, `called malformed: ${json}`);
      },
    );
  });
});
