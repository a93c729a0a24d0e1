import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary, toJson, type JsonValue } from "@bufbuild/protobuf";
import type { NameOptions } from "../../../src/transcode/named-values.ts";
import { compileQuery } from "../../../src/transcode/query.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { wire } from "../../../src/transcode/wire.ts";
import { fieldOf, messageType, registry } from "../../support/transcode-schema.ts";
import { refusalOf } from "../../support/refusal.ts";

const All = messageType("All");

function bytesOf(query: string, options: Partial<NameOptions> = {}): Buffer {
  const read = compileQuery({
    message: All,
    unknown: "reject",
    enums: defaultJsonOptions,
    bodyField: undefined,
    ...options,
  });
  wire.reset();
  read(query);
  return wire.take();
}

function read(query: string, options: Partial<NameOptions> = {}): JsonValue {
  const message = options.message ?? All;
  return toJson(message, fromBinary(message, bytesOf(query, options)), { registry });
}

function refusal(query: string, options: Partial<NameOptions> = {}): string {
  const { code, message, violations } = refusalOf(() => bytesOf(query, options), query);
  assert.equal(violations.length, 1);
  return `${code} ${message}`;
}

describe("compileQuery(): maps", () => {
  it("takes keys of every kind, in brackets and behind a dot", () => {
    const table: readonly (readonly [query: string, message: JsonValue])[] = [
      ["keyString[a]=x&keyString[b]=y", { keyString: { a: "x", b: "y" } }],
      ["keyString.a=x&key_string.b=y", { keyString: { a: "x", b: "y" } }],
      ["keyString.app.kubernetes.io/name=x", { keyString: { "app.kubernetes.io/name": "x" } }],
      ["keyString[a.b]=x&keyString[c[0]]=y&keyString[d]e]=z", { keyString: { "a.b": "x", "c[0]": "y", "d]e": "z" } }],
      ["keyString.a[b]=x&keyString.]=y", { keyString: { "a[b]": "x", "]": "y" } }],
      ["keyString%5Ba%5D=x", { keyString: { a: "x" } }],
      ["keyString[%C3%A9+%26%3D]=x", { keyString: { "é &=": "x" } }],
      ["keyString[__proto__]=x&keyString[constructor]=y", { keyString: { ["__proto__"]: "x", constructor: "y" } }],
      ["keyString[a]=&keyString[b]", { keyString: { a: "", b: "" } }],
      ["keyInt32[-1]=a&keyInt32[0]=b&keyInt32.7=c", { keyInt32: { "-1": "a", "0": "b", "7": "c" } }],
      ["keyUint32[4294967295]=a", { keyUint32: { "4294967295": "a" } }],
      ["keyInt64[-9223372036854775808]=a", { keyInt64: { "-9223372036854775808": "a" } }],
      ["keyUint64[18446744073709551615]=a", { keyUint64: { "18446744073709551615": "a" } }],
      ["keySint32[-5]=a&keySint64[-6]=b", { keySint32: { "-5": "a" }, keySint64: { "-6": "b" } }],
      ["keyFixed32[5]=a&keyFixed64[6]=b", { keyFixed32: { "5": "a" }, keyFixed64: { "6": "b" } }],
      ["keySfixed32[-5]=a&keySfixed64[-6]=b", { keySfixed32: { "-5": "a" }, keySfixed64: { "-6": "b" } }],
      ["keyBool[true]=a&keyBool.false=b", { keyBool: { true: "a", false: "b" } }],
      [
        "colorByName[a]=RED&colorByName[b]=-1&colorByName[c]=0",
        {
          colorByName: { a: "RED", b: "BELOW", c: "COLOR_UNSPECIFIED" },
        },
      ],
    ];
    for (const [query, message] of table) assert.deepEqual(read(query), message, query);
  });

  it("gathers what belongs to one entry that is a message", () => {
    assert.deepEqual(
      read(
        "childByName[a].aInt32=1&aInt32=5&childByName.b.aString=y&childByName[a].a_string=x&childByName.b.child.aInt32=2",
      ),
      { aInt32: 5, childByName: { a: { aInt32: 1, aString: "x" }, b: { aString: "y", child: { aInt32: 2 } } } },
    );
    assert.deepEqual(read("childByName[a.b].keyString[c.d]=x"), {
      childByName: { "a.b": { keyString: { "c.d": "x" } } },
    });
    assert.deepEqual(read("child.childByName[k].children[0].aInt32=1&child.aInt32=3"), {
      child: { aInt32: 3, childByName: { k: { children: [{ aInt32: 1 }] } } },
    });
  });

  it("refuses what is no entry, or twice the same", () => {
    const table: readonly (readonly [query: string, refusal: string])[] = [
      ["keyString=x", "FIELD_INVALID keyString: is a map; name an entry, as in key_string[key]"],
      ["keyString[]=x", "FIELD_INVALID keyString[]: empty key; name an entry, as in key_string[key]"],
      ["keyString.=x", "FIELD_INVALID keyString.: empty key; name an entry, as in key_string[key]"],
      ["keyString[a=x", 'FIELD_INVALID keyString[a: no "]" behind key_string[key'],
      ["keyString[a].b=x", 'FIELD_INVALID keyString[a].b: no "]" behind key_string[key'],
      ["childByName[a]b=x", 'FIELD_INVALID childByName[a]b: expected "." or nothing behind child_by_name[a]'],
      ["childByName[a]=x", "FIELD_INVALID childByName[a]: is a message; name one of its fields, or set it in a body"],
      ["childByName[a].=x", 'FIELD_UNKNOWN childByName[a].: unknown field ""'],
      ["childByName[a].nope=x", 'FIELD_UNKNOWN childByName[a].nope: unknown field "nope"'],
      [
        "childByName[a].aInt33=x",
        'FIELD_UNKNOWN childByName[a].aInt33: unknown field "aInt33"; did you mean "aInt32"?',
      ],
      ["keyString[a]=x&keyString.a=y", "FIELD_INVALID keyString.a: given twice"],
      ["keyInt32[1]=x&keyInt32[1.0]=y", "FIELD_INVALID keyInt32[1.0]: given twice"],
      ["childByName[a].aInt32=1&child_by_name.a.a_int32=2", "FIELD_INVALID child_by_name.a.a_int32: given twice"],
      [
        "childByName[a].pickText=x&childByName[a].pickNumber=1",
        'FIELD_INVALID childByName[a].pickNumber: another field of oneof "pick" is given too',
      ],
      ["keyInt32[x]=y", 'FIELD_INVALID keyInt32[x]: expected an int32, got "x"'],
      [
        "keyInt32[4294967296]=y",
        'FIELD_INVALID keyInt32[4294967296]: expected an int32, got "4294967296", which is out of range',
      ],
      ["keyBool[1]=y", 'FIELD_INVALID keyBool[1]: expected true or false, got "1"'],
      [
        "colorByName[a]=GREN",
        'FIELD_INVALID colorByName[a]: expected a value of test.v1.Color, got "GREN"; did you mean "GREEN"?',
      ],
      ["keyString[%ff]=x", "FIELD_INVALID keyString[%ff]: percent-encoding is not valid UTF-8"],
      ["aInt32[0]=1", "FIELD_INVALID aInt32[0]: a_int32 is neither repeated nor a map; it takes no brackets"],
      ["child[aInt32]=1", "FIELD_INVALID child[aInt32]: child is neither repeated nor a map; it takes no brackets"],
      ["[a]=1", 'FIELD_UNKNOWN [a]: unknown field ""'],
    ];
    for (const [query, message] of table) assert.equal(refusal(query), message, query);
  });
});

describe("compileQuery(): items of lists", () => {
  it("takes them by index, in any order", () => {
    const table: readonly (readonly [query: string, message: JsonValue])[] = [
      ["children[0].aString=a&children[1].aString=b", { children: [{ aString: "a" }, { aString: "b" }] }],
      [
        "children[1].aString=b&children[0].aString=a&children[1].aInt32=2&children[0].aInt32=1",
        {
          children: [
            { aString: "a", aInt32: 1 },
            { aString: "b", aInt32: 2 },
          ],
        },
      ],
      ["children%5B0%5D.child.child.aInt32=1", { children: [{ child: { child: { aInt32: 1 } } }] }],
      [
        "children[0].children[1].aInt32=2&children[0].children[0].aInt32=1&children[0].listString=x&children[0].listString=y",
        { children: [{ listString: ["x", "y"], children: [{ aInt32: 1 }, { aInt32: 2 }] }] },
      ],
      ["listString[1]=b&listString[0]=a", { listString: ["a", "b"] }],
      ["listInt32[0]=0&colors[0]=RED&wList[0]=7", { listInt32: [0], colors: ["RED"], wList: [7] }],
      ["times[0]=1970-01-01T00:00:01Z", { times: ["1970-01-01T00:00:01Z"] }],
      ["children[0].keyString[k]=v", { children: [{ keyString: { k: "v" } }] }],
      ["pickChild.children[0].aInt32=1&pickChild.aInt32=2", { pickChild: { aInt32: 2, children: [{ aInt32: 1 }] } }],
    ];
    for (const [query, message] of table) assert.deepEqual(read(query), message, query);
    assert.deepEqual(read("datas[0].aString=x&datas[1].old.aInt32=1", { message: messageType("Old") }), {
      datas: [{ aString: "x" }, { old: { aInt32: 1 } }],
    });
    const many = Array.from({ length: 1000 }, (_, i) => `children[${999 - i}].aInt32=${999 - i}`).join("&");
    const { children } = read(many) as { children: { aInt32?: number }[] };
    assert.deepEqual(
      children.map((child) => child.aInt32 ?? 0),
      [...Array(1000).keys()],
    );
  });

  it("refuses gaps, what is no index, and mixtures", () => {
    const table: readonly (readonly [query: string, refusal: string])[] = [
      ["children=x", "FIELD_INVALID children: is a list of messages; name a field of an item, as in children[0].name"],
      [
        "children.aInt32=1",
        "FIELD_INVALID children.aInt32: children is repeated; name an item, as in children[0].name",
      ],
      [
        "children.0.aInt32=1",
        "FIELD_INVALID children.0.aInt32: children is repeated; name an item, as in children[0].name",
      ],
      ["listInt32.0=1", "FIELD_INVALID listInt32.0: list_int32 is repeated; name an item, as in list_int32[0]"],
      ["children[0]=x", "FIELD_INVALID children[0]: is a message; name one of its fields, or set it in a body"],
      [
        "children[1].aInt32=1",
        "FIELD_INVALID children[1].aInt32: children[0] is missing; indices go from 0 without gaps",
      ],
      [
        "children[0].aInt32=1&children[2].aInt32=1",
        "FIELD_INVALID children[2].aInt32: children[1] is missing; indices go from 0 without gaps",
      ],
      ["children[1000].aInt32=1", "FIELD_INVALID children[1000].aInt32: index 1000 is above 999"],
      [
        "children[-1].aInt32=1",
        'FIELD_INVALID children[-1].aInt32: "-1" is no index; number the items as in children[0]',
      ],
      [
        "children[01].aInt32=1",
        'FIELD_INVALID children[01].aInt32: "01" is no index; number the items as in children[0]',
      ],
      [
        "children[9999999999].aInt32=1",
        'FIELD_INVALID children[9999999999].aInt32: "9999999999" is no index; number the items as in children[0]',
      ],
      [
        "listInt32[]=1",
        'FIELD_INVALID listInt32[]: "" is no index; number the items as in list_int32[0], or repeat list_int32 without brackets',
      ],
      ["children[0.aInt32=1", 'FIELD_INVALID children[0.aInt32: no "]" behind children[index'],
      ["children[0]aInt32=1", 'FIELD_INVALID children[0]aInt32: expected "." or nothing behind children[0]'],
      ["listInt32[0].x=1", "FIELD_INVALID listInt32[0].x: elements of list_int32 have no fields"],
      ["listInt32[0]=1&listInt32[0]=1", "FIELD_INVALID listInt32[0]: given twice"],
      ["listInt32[0]=1&listInt32=1", "FIELD_INVALID listInt32: given both with and without brackets"],
      ["listInt32=1&list_int32[0]=1", "FIELD_INVALID list_int32[0]: given both with and without brackets"],
      ["children[0].aInt32=1&children[0].a_int32=2", "FIELD_INVALID children[0].a_int32: given twice"],
      [
        "children[0].pickText=a&children[0].pickNumber=1",
        'FIELD_INVALID children[0].pickNumber: another field of oneof "pick" is given too',
      ],
      [
        "pickChild.children[0].aInt32=1&pickText=x",
        'FIELD_INVALID pickText: another field of oneof "pick" is given too',
      ],
      ["children[0].aInt32=x", 'FIELD_INVALID children[0].aInt32: expected an int32, got "x"'],
      ["values[0]=1", "FIELD_INVALID values[0]: values holds google.protobuf.Value, which only a body can set"],
      [
        "values[0].stringValue=1",
        "FIELD_INVALID values[0].stringValue: values holds google.protobuf.Value, which only a body can set",
      ],
    ];
    for (const [query, message] of table) assert.equal(refusal(query), message, query);
  });

  it("sets nothing within what the body sets", () => {
    const bodyField = fieldOf(All, "children");
    assert.equal(
      refusal("children[0].aInt32=1", { bodyField }),
      "FIELD_INVALID children[0].aInt32: children is set by the body, not by parameters",
    );
  });
});

describe("compileQuery(): unknown parameters", () => {
  it("are passed over where that is asked for, an element around them not", () => {
    const ignore = { unknown: "ignore" } as const;
    assert.deepEqual(read("nope[a]=1&children[0].nope=1&children[1].aInt32=1&=2&child.=3", ignore), {
      children: [{}, { aInt32: 1 }],
    });
    assert.deepEqual(read("childByName[a].nope=1", ignore), { childByName: { a: {} } });
    assert.equal(refusal("keyInt32[x]=1", ignore), 'FIELD_INVALID keyInt32[x]: expected an int32, got "x"');
    assert.equal(refusal("listInt32[x]=1", ignore).slice(0, 33), 'FIELD_INVALID listInt32[x]: "x" i');
  });
});

describe("compileQuery(): bounds", () => {
  it("are those of depth, count and names", () => {
    const deep = (count: number): string => `${"children[0].".repeat(count)}aInt32=1`;
    assert.ok(bytesOf(deep(99)).length > 0);
    assert.match(refusal(deep(100)), /^FIELD_INVALID children.*…: deeper than 100 fields$/);
    assert.match(refusal(deep(2000)), /^FIELD_INVALID children.*…: deeper than 100 fields$/);
    const name = "x".repeat(32_755);
    assert.deepEqual(Object.keys((read(`keyString[${name}]=1`) as { keyString: object }).keyString), [name]);
    assert.equal(
      refusal(`keyString[${name}xx]=1&aInt32=1`),
      "FIELD_INVALID query: names of parameters are longer than 32768 characters in all",
    );
    assert.equal(refusal("&a=1".repeat(1001), { unknown: "ignore" }), "FIELD_INVALID query: more than 1000 parameters");
  });

  it("hold for what is remembered", () => {
    const read = compileQuery({ message: All, unknown: "reject", enums: defaultJsonOptions, bodyField: undefined });
    for (let i = 0; i < 2000; i++) {
      const steps = Array.from({ length: 11 }, (_, bit) => ((i >> bit) & 1 ? "pickChild" : "pick_child"));
      wire.reset();
      read(`${steps.join(".")}.children[0].aInt32=1`);
      assert.equal(wire.length, 3 + 2 + 11 * 3);
    }
  });
});

describe("compileQuery(): field masks", () => {
  it("take JSON names and proto names", () => {
    assert.deepEqual(read("mask=aInt32,child.aString,key_string"), { mask: "aInt32,child.aString,keyString" });
  });
});

describe("compileQuery(): the watched field", () => {
  it("is told of", () => {
    const read = compileQuery({
      message: All,
      unknown: "reject",
      enums: defaultJsonOptions,
      bodyField: undefined,
      watched: fieldOf(All, "child"),
    });
    const sees = (query: string): boolean => {
      wire.reset();
      return read(query);
    };
    assert.equal(sees("aInt32=1"), false);
    assert.equal(sees("child.aInt32=1&aInt32=1"), true);
    assert.equal(sees("child.children[0].aInt32=1"), true);
    assert.equal(sees("children[0].child.aInt32=1"), false);
  });
});
