import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary, toJson, type JsonValue } from "@bufbuild/protobuf";
import { GatewayError } from "../../../src/core/errors.ts";
import { checkBinding, compileBinder, type Binding, type BinderOptions } from "../../../src/transcode/bind.ts";
import { createJsonReaders } from "../../../src/transcode/json-read.ts";
import { defaultJsonOptions, defaultRequestOptions } from "../../../src/transcode/options.ts";
import { messageType, registry } from "../../support/transcode-schema.ts";

const All = messageType("All");
const Old = messageType("Old");
const options: BinderOptions = { ...defaultJsonOptions, ...defaultRequestOptions };
const readers = createJsonReaders(registry, options);

interface Request extends Partial<Binding> {
  /** Values of the variables, in order. */
  readonly values?: readonly string[];
  readonly query?: string;
  readonly json?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly options?: Partial<BinderOptions>;
}

function bytesOf({ values = [], query = "", json = null, headers = {}, ...rest }: Request): Buffer {
  const binding: Binding = {
    method: rest.method ?? "GET",
    input: rest.input ?? All,
    variables: rest.variables ?? [],
    body: rest.body ?? "",
    sources: rest.sources ?? [],
  };
  assert.deepEqual(checkBinding(binding), []);
  const bind = compileBinder(binding, readers, { ...options, ...rest.options });
  const header = (name: string): string | undefined => headers[name];
  return bind(values, query, json === null ? null : Buffer.from(json), { header });
}

function bound(request: Request): JsonValue {
  const desc = request.input ?? All;
  return toJson(desc, fromBinary(desc, bytesOf(request)), { registry });
}

function refusal(request: Request): string {
  try {
    bytesOf(request);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.violations.length, 1);
    if (error.code !== "BODY_MALFORMED") assert.ok(error.message.startsWith(`${error.violations[0]?.field}: `));
    return `${error.code} ${error.message}`;
  }
  assert.fail("accepted");
}

describe("checkBinding()", () => {
  const check = (variables: readonly string[], body = ""): string[] =>
    checkBinding({ method: "GET", input: All, variables, body, sources: [] }).map(
      (problem) => `${problem.part}: ${problem.message}`,
    );

  it("takes every field that one value can set, by either name", () => {
    const names = [
      "a_int32",
      "aString",
      "color",
      "child.child.a_bytes",
      "time",
      "duration",
      "w_int64",
      "pick_text",
      "pick_child.a_int32",
    ];
    assert.deepEqual(check(names), []);
    for (const body of ["", "*", "child", "child_by_name", "listInt32", "a_string"])
      assert.deepEqual(check(["time"], body), []);
  });

  const table: readonly (readonly [variables: readonly string[], body: string, problem: string])[] = [
    [["aInt33"], "", 'path: variable {aInt33} of test.v1.All: unknown field "aInt33"; did you mean "aInt32"?'],
    [["child.nope"], "", 'path: variable {child.nope} of test.v1.All: unknown field "nope"'],
    [
      ["list_int32"],
      "",
      "path: variable {list_int32} of test.v1.All: list_int32 is repeated; it takes more than one value",
    ],
    [
      ["children.a_int32"],
      "",
      "path: variable {children.a_int32} of test.v1.All: children is repeated; it takes more than one value",
    ],
    [
      ["key_string"],
      "",
      "path: variable {key_string} of test.v1.All: key_string is a map; it takes more than one value",
    ],
    [
      ["key_string.x"],
      "",
      "path: variable {key_string.x} of test.v1.All: key_string is a map; it takes more than one value",
    ],
    [["child"], "", "path: variable {child} of test.v1.All: is a message; name one of its fields, or set it in a body"],
    [
      ["struct"],
      "",
      "path: variable {struct} of test.v1.All: struct holds google.protobuf.Struct, which only a body can set",
    ],
    [["a_int32.x"], "", "path: variable {a_int32.x} of test.v1.All: a_int32 has no fields"],
    [["time.seconds"], "", "path: variable {time.seconds} of test.v1.All: time has no fields"],
    [["mask"], "", "path: variable {mask} of test.v1.All: mask is a field mask"],
    [["a_int32", "aInt32"], "", "path: variable {aInt32} of test.v1.All: the same field as variable {a_int32}"],
    [[], "childs", 'body: no field "childs" in test.v1.All; did you mean "child"?'],
    [[], "child.child", 'body: no field "child.child" in test.v1.All'],
    [["__proto__"], "constructor", 'path: variable {__proto__} of test.v1.All: unknown field "__proto__"'],
  ];
  for (const [variables, body, problem] of table) {
    it(`finds {${variables.join("}, {")}} ${body}: ${problem}`, () => assert.equal(check(variables, body)[0], problem));
  }

  it("finds everything at once", () => {
    assert.equal(check(["nope", "child", "a_int32", "a_int32"], "nope").length, 4);
  });
});

describe("compileBinder(): path variables", () => {
  it("reads each kind from its text", () => {
    const texts: Record<string, readonly [text: string, json: JsonValue]> = {
      a_double: ["-1.5e3", -1500],
      a_float: ["NaN", "NaN"],
      a_int64: ["9223372036854775807", "9223372036854775807"],
      a_uint64: ["18446744073709551615", "18446744073709551615"],
      a_int32: ["-2147483648", -2147483648],
      a_fixed64: ["1", "1"],
      a_fixed32: ["4294967295", 4294967295],
      a_bool: ["true", true],
      a_string: ['a/b "c" é😀\n', 'a/b "c" é😀\n'],
      a_bytes: ["-_8", "+/8="],
      a_uint32: ["7", 7],
      a_sfixed32: ["-7", -7],
      a_sfixed64: ["-8", "-8"],
      a_sint32: ["-9", -9],
      a_sint64: ["-9223372036854775808", "-9223372036854775808"],
      color: ["GREEN", "GREEN"],
      time: ["2024-02-29T00:00:00+01:00", "2024-02-28T23:00:00Z"],
      duration: ["-1.5s", "-1.500s"],
      w_uint64: ["5", "5"],
      w_string: ["", ""],
      far_away: ["1", 1],
      null_value: ["0", null as never],
    };
    for (const [variable, [text, json]] of Object.entries(texts)) {
      const message = bound({ variables: [variable], values: [text] }) as Record<string, JsonValue>;
      const name = variable.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
      assert.deepEqual(message, json === null ? {} : { [name]: json }, variable);
    }
    assert.deepEqual(bound({ variables: ["color"], values: ["-1"] }), { color: "BELOW" });
    assert.deepEqual(bound({ variables: ["color"], values: ["99"] }), { color: 99 });
    assert.deepEqual(bound({ variables: ["data.old.data.a_string"], values: ["x"], input: Old }), {
      data: { old: { data: { aString: "x" } } },
    });
    const long = "x".repeat(100_000);
    assert.deepEqual(bound({ variables: ["child.child.a_string", "a_int32"], values: [long, "1"] }), {
      aInt32: 1,
      child: { child: { aString: long } },
    });
  });

  it("says which variable has what wrong", () => {
    const table: readonly (readonly [variable: string, text: string, message: string])[] = [
      ["a_int32", "x", 'FIELD_INVALID a_int32: expected an int32, got "x"'],
      ["a_int32", "", 'FIELD_INVALID a_int32: expected an int32, got ""'],
      ["a_int32", "1 ", 'FIELD_INVALID a_int32: expected an int32, got "1 "'],
      ["a_int32", "0x10", 'FIELD_INVALID a_int32: expected an int32, got "0x10"'],
      ["a_int32", '"5"', 'FIELD_INVALID a_int32: expected an int32, got "\\"5\\""'],
      ["a_int32", "1,2", 'FIELD_INVALID a_int32: expected an int32, got "1,2"'],
      ["a_int32", "1\u0000", 'FIELD_INVALID a_int32: expected an int32, got "1\\u0000"'],
      [
        "a_sint64",
        "9223372036854775808",
        'FIELD_INVALID a_sint64: expected a sint64, got "9223372036854775808", which is out of range',
      ],
      ["child.a_uint32", "-1", 'FIELD_INVALID child.a_uint32: expected a uint32, got "-1", which is out of range'],
      ["a_bool", "1", 'FIELD_INVALID a_bool: expected true or false, got "1"'],
      ["a_double", "1x", 'FIELD_INVALID a_double: expected a double, got "1x"'],
      ["a_float", "1e39", 'FIELD_INVALID a_float: expected a float, got "1e39", which is out of range'],
      ["a_bytes", "%%%%", 'FIELD_INVALID a_bytes: expected base64, got "%%%%"'],
      ["color", "GREN", 'FIELD_INVALID color: expected a value of test.v1.Color, got "GREN"; did you mean "GREEN"?'],
      ["color", "1x", 'FIELD_INVALID color: expected a value of test.v1.Color, got "1x"'],
      ["time", "today", 'FIELD_INVALID time: expected a timestamp such as "2026-01-31T23:59:59.5Z", got "today"'],
      ["w_int32", "x", 'FIELD_INVALID w_int32: expected an int32, got "x"'],
      [
        "a_int32",
        "9".repeat(100),
        `FIELD_INVALID a_int32: expected an int32, got "${"9".repeat(40)}…", which is out of range`,
      ],
    ];
    for (const [variable, text, message] of table)
      assert.equal(refusal({ variables: [variable], values: [text] }), message);
    assert.equal(
      refusal({ variables: ["closed"], values: ["3"], input: Old }),
      'FIELD_INVALID closed: expected a value of test.v1.Closed, got "3"',
    );
  });
});

describe("compileBinder(): body", () => {
  it("is the whole message, one field, or nothing", () => {
    assert.deepEqual(bound({ body: "*", json: '{"aInt32":1}' }), { aInt32: 1 });
    assert.deepEqual(bound({ body: "child", json: '{"aInt32":1}' }), { child: { aInt32: 1 } });
    assert.deepEqual(bound({ body: "listInt32", json: "[1,2]" }), { listInt32: [1, 2] });
    assert.deepEqual(bound({ body: "a_string", json: '"x"' }), { aString: "x" });
    assert.deepEqual(bound({ body: "", json: "not read at all" }), {});
  });

  it("may be missing, empty or blank: nothing is set", () => {
    for (const body of ["*", "child", ""]) {
      for (const json of [null, "", " \r\n\t"]) assert.equal(bytesOf({ body, json }).length, 0);
    }
    assert.equal(bytesOf({ body: "child", json: "null" }).length, 0);
    assert.equal(bytesOf({ body: "child", json: "{}" }).length, 3); // the field is set
  });

  it("names the body's field in what it refuses", () => {
    assert.equal(
      refusal({ body: "child", json: '{"child":{"aInt32":"x"}}' }),
      'FIELD_INVALID child.child.aInt32: expected an int32, got "x"',
    );
    assert.equal(refusal({ body: "a_int32", json: "[]" }), "FIELD_INVALID aInt32: expected an int32, got an array");
    assert.match(
      refusal({ body: "*", json: "{" }),
      /^BODY_MALFORMED body is not valid JSON: unexpected end at line 1, column 2/,
    );
    assert.equal(refusal({ body: "*", json: '{"nope":1}' }), "FIELD_UNKNOWN nope: unknown field");
  });

  it("owns the bytes that it gives", () => {
    const first = bytesOf({ body: "*", json: '{"aInt32":1}' });
    const copy = Buffer.from(first);
    bytesOf({ body: "*", json: '{"aInt32":2}' });
    assert.deepEqual(first, copy);
  });
});

describe("compileBinder(): which value wins", () => {
  it("is the path's, over body and query, nested, in oneofs and against defaults", () => {
    const json =
      '{"aInt32":1,"aString":"body","child":{"aInt32":2,"aString":"kept"},"pickText":"x","time":"2020-01-01T00:00:00.5Z","wInt32":5,"color":"RED","optBool":true}';
    const variables = ["a_int32", "a_string", "child.a_int32", "pick_number", "time", "w_int32", "color", "opt_bool"];
    const values = ["0", "", "7", "9", "1970-01-01T00:00:00Z", "0", "0", "false"];
    assert.deepEqual(bound({ body: "*", variables, values, json }), {
      child: { aInt32: 7, aString: "kept" },
      pickNumber: 9,
      time: "1970-01-01T00:00:00Z",
      wInt32: 0,
      optBool: false,
    });
    assert.deepEqual(
      bound({ body: "child", variables: ["child.a_string"], values: ["path"], json: '{"aString":"body","aInt32":3}' }),
      { child: { aString: "path", aInt32: 3 } },
    );
    assert.deepEqual(
      bound({
        variables: ["a_int32", "child.a_int32"],
        values: ["1", "2"],
        query: "aInt32=5&child.aInt32=6&child.aString=q",
      }),
      { aInt32: 1, child: { aInt32: 2, aString: "q" } },
    );
    assert.deepEqual(bound({ variables: ["pick_text"], values: ["p"], query: "pickNumber=6" }), { pickText: "p" });
    assert.deepEqual(bound({ variables: ["pick_child.a_string"], values: ["p"], query: "pickChild.aInt32=6" }), {
      pickChild: { aInt32: 6, aString: "p" },
    });
    assert.deepEqual(
      bound({
        input: Old,
        body: "*",
        variables: ["data.a_string"],
        values: ["p"],
        json: '{"data":{"aString":"b","old":{}}}',
      }),
      { data: { aString: "p", old: {} } },
    );
  });
});

describe("compileBinder(): headers and cookies", () => {
  const sources = [
    { field: "aString", kind: "header", name: "X-Tenant" },
    { field: "child.a_int32", kind: "header", name: "x-count" },
    { field: "pick_text", kind: "cookie", name: "sid" },
  ] as const;

  it("win over body and parameters, and say nothing where they did not come", () => {
    const headers = { "x-tenant": "acme", "x-count": "7", cookie: "a=b; sid=s=1 ;sid=2" };
    assert.deepEqual(bound({ sources, headers }), { aString: "acme", child: { aInt32: 7 }, pickText: "s=1" });
    assert.deepEqual(bound({ sources, headers: { cookie: "side=1; xsid=2" } }), {});
    const json = '{"aString":"body","child":{"aInt32":1,"aString":"kept"},"pickNumber":1}';
    assert.deepEqual(bound({ sources, headers, body: "*", json }), {
      aString: "acme",
      child: { aInt32: 7, aString: "kept" },
      pickText: "s=1",
    });
    assert.deepEqual(bound({ sources, headers, query: "aString=query&pickNumber=1" }), bound({ sources, headers }));
    assert.deepEqual(bound({ sources, query: "aString=query" }), { aString: "query" });
  });

  it("are blamed for values that do not suit", () => {
    assert.equal(
      refusal({ sources, headers: { "x-count": "many" } }),
      'FIELD_INVALID header x-count: expected an int32, got "many"',
    );
    assert.equal(
      refusal({ sources, headers: { "x-tenant": "\u00e9" } }),
      "FIELD_INVALID header X-Tenant: expected visible ASCII characters",
    );
  });

  it("cannot set what takes more than one value, or what the path sets", () => {
    const check = (field: string): string[] =>
      checkBinding({
        method: "GET",
        input: All,
        variables: ["a_int32"],
        body: "",
        sources: [{ field, kind: "header", name: "x-a" }],
      }).map(({ part, message }) => `${typeof part === "string" ? part : part.name}: ${message}`);
    const blame = (field: string): string => `x-a: field ${field} from header x-a of test.v1.All:`;
    assert.deepEqual(check("aString"), []);
    assert.deepEqual(check("listInt32"), [
      `${blame("listInt32")} list_int32 is repeated; it takes more than one value`,
    ]);
    assert.deepEqual(check("aInt32"), [`${blame("aInt32")} the same field as variable {a_int32}`]);
    assert.deepEqual(check("nope"), [`${blame("nope")} unknown field "nope"`]);
  });
});

describe("compileBinder(): query", () => {
  it("sets fields by either name, nested, repeated, decoded", () => {
    const table: readonly (readonly [query: string, message: JsonValue])[] = [
      ["", {}],
      ["&&", {}],
      ["aInt32=5", { aInt32: 5 }],
      ["a_int32=5&", { aInt32: 5 }],
      ["listInt32=1&list_int32=2&listInt32=3", { listInt32: [1, 2, 3] }],
      ["colors=RED&colors=-1&colors=7", { colors: ["RED", "BELOW", 7] }],
      [
        "times=1970-01-01T00:00:00Z&times=1970-01-01T00%3A00%3A01%2B00:01",
        { times: ["1970-01-01T00:00:00Z", "1969-12-31T23:59:01Z"] },
      ],
      [
        "child.child.aString=x&child.aInt32=1&child.child.listString=a&child.child.listString=b",
        { child: { aInt32: 1, child: { aString: "x", listString: ["a", "b"] } } },
      ],
      ["aString=a+b%20c%2Bd%C3%A9%F0%9F%98%80%26%3D", { aString: "a b c+dé😀&=" }],
      ["aString=a=b", { aString: "a=b" }],
      ["optString=", { optString: "" }],
      ["optString", { optString: "" }],
      ["%61String=x", { aString: "x" }],
      ["aBool=true&optBool=false", { aBool: true, optBool: false }],
      ["aDouble=Infinity&aFloat=-0.5", { aDouble: "Infinity", aFloat: -0.5 }],
      ["aBytes=AQI%3D&optBytes=-_8", { aBytes: "AQI=", optBytes: "+/8=" }],
      ["wInt64=0&wBool=false&duration=1.5s&mask=a,bC", { wInt64: "0", wBool: false, duration: "1.500s", mask: "a,bC" }],
      ["pickChild.aInt32=1&pickChild.aString=x", { pickChild: { aInt32: 1, aString: "x" } }],
    ];
    for (const [query, message] of table) assert.deepEqual(bound({ query }), message, query);
  });

  it("refuses what it cannot set, and says why", () => {
    const table: readonly (readonly [query: string, refusal: string])[] = [
      ["aInt32=x", 'FIELD_INVALID aInt32: expected an int32, got "x"'],
      ["aBool=", 'FIELD_INVALID aBool: expected true or false, got ""'],
      ["aBool", 'FIELD_INVALID aBool: expected true or false, got ""'],
      ["aBool=1", 'FIELD_INVALID aBool: expected true or false, got "1"'],
      ["aInt32=1&a_int32=1", "FIELD_INVALID a_int32: given twice"],
      ["child.aInt32=1&aInt32=2&child.a_int32=1", "FIELD_INVALID child.a_int32: given twice"],
      ["pickText=a&pickNumber=1", 'FIELD_INVALID pickNumber: another field of oneof "pick" is given too'],
      [
        "child.pickText=a&child.pick_child.aInt32=1",
        'FIELD_INVALID child.pick_child.aInt32: another field of oneof "pick" is given too',
      ],
      ["child=x", "FIELD_INVALID child: is a message; name one of its fields, or set it in a body"],
      ["value=1", "FIELD_INVALID value: value holds google.protobuf.Value, which only a body can set"],
      ["any.typeUrl=1&any=2", "FIELD_INVALID any: is a message; name one of its fields, or set it in a body"],
      [
        "struct.fields.a=1",
        "FIELD_INVALID struct.fields.a: struct holds google.protobuf.Struct, which only a body can set",
      ],
      ["values=1", "FIELD_INVALID values: values holds google.protobuf.Value, which only a body can set"],
      ["aInt32.a=1", "FIELD_INVALID aInt32.a: a_int32 has no fields"],
      ["aInt33=1", 'FIELD_UNKNOWN aInt33: unknown field "aInt33"; did you mean "aInt32"?'],
      ["child.childd.aInt32=1", 'FIELD_UNKNOWN child.childd.aInt32: unknown field "childd"; did you mean "child"?'],
      ["=1", 'FIELD_UNKNOWN query: unknown field ""'],
      ["child.=1", 'FIELD_UNKNOWN child.: unknown field ""'],
      ["__proto__=1", 'FIELD_UNKNOWN __proto__: unknown field "__proto__"'],
      ["aString=%ff", "FIELD_INVALID aString: percent-encoding is not valid UTF-8"],
      ["aString=%ed%a0%80", "FIELD_INVALID aString: percent-encoding is not valid UTF-8"],
      ["aString=%e", 'FIELD_INVALID aString: "%e" is no percent-encoding; expected two hexadecimal digits after "%"'],
      ["aString=é", "FIELD_INVALID aString: not percent-encoded"],
      ["a%ffb=1", "FIELD_INVALID a%ffb: percent-encoding is not valid UTF-8"],
      [
        `${"child.".repeat(100)}aInt32=1`,
        `FIELD_INVALID ${"child.".repeat(34).slice(0, 200)}…: deeper than 100 fields`,
      ],
    ];
    for (const [query, message] of table) assert.equal(refusal({ query }), message, query);
  });

  it("has no say in what the body sets", () => {
    assert.equal(
      refusal({ body: "*", query: "aInt32=1" }),
      "FIELD_UNKNOWN aInt32: the whole message is in the body; there are no parameters",
    );
    assert.equal(
      refusal({ body: "child", query: "child.aInt32=1" }),
      "FIELD_INVALID child.aInt32: child is set by the body, not by parameters",
    );
    assert.equal(
      refusal({ body: "a_string", query: "aString=1" }),
      "FIELD_INVALID aString: a_string is set by the body, not by parameters",
    );
    assert.deepEqual(bound({ body: "child", query: "aInt32=1", json: '{"aInt32":2}' }), {
      aInt32: 1,
      child: { aInt32: 2 },
    });
    assert.deepEqual(bound({ body: "*", query: "&", json: "{}" }), {});
  });

  it("passes over unknown parameters where that is asked for, and over nothing else", () => {
    const ignore = { options: { unknownQuery: "ignore" } } as const;
    assert.deepEqual(bound({ ...ignore, query: "utm_source=x&aInt32=1&child.nope=%ff" }), { aInt32: 1 });
    assert.deepEqual(bound({ ...ignore, body: "*", query: "utm_source=x", json: "{}" }), {});
    assert.equal(refusal({ ...ignore, query: "aInt32=x" }), 'FIELD_INVALID aInt32: expected an int32, got "x"');
    assert.equal(
      refusal({ options: { unknownFields: "ignore" }, query: "nope=1" }),
      'FIELD_UNKNOWN nope: unknown field "nope"',
    );
  });

  it("is bounded", () => {
    const many = (count: number): string => Array.from({ length: count }, (_, i) => `listInt32=${i}`).join("&");
    assert.equal((bound({ query: many(1000) }) as { listInt32: number[] }).listInt32.length, 1000);
    assert.equal(refusal({ query: many(1001) }), "FIELD_INVALID query: more than 1000 parameters");
    const path = `${"child.".repeat(99)}aInt32`;
    assert.ok(bytesOf({ query: `${path}=1` }).length > 200);
    // Every spelling of one path is another name; not all of them are kept.
    const binder = compileBinder({ method: "GET", input: All, variables: [], body: "", sources: [] }, readers, options);
    for (let i = 0; i < 2000; i++) {
      const steps = Array.from({ length: 11 }, (_, bit) => ((i >> bit) & 1 ? "pickChild" : "pick_child"));
      assert.equal(binder([], `${steps.join(".")}.aInt32=1`, null).length, 2 + 11 * 3);
    }
  });
});
