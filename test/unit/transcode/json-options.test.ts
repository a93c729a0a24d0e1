import { type DescMessage, fromBinary, type JsonWriteOptions, toJson } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { prettyJson } from "../../../src/transcode/json-pretty.ts";
import { defaultJsonOptions, type JsonOptions } from "../../../src/transcode/options.ts";
import { sink } from "../../../src/transcode/sink.ts";
import { wire } from "../../../src/transcode/wire.ts";
import { messageType, registry, Transcoder } from "../../support/protojson.ts";

const plain = new Transcoder();

/** What replies with these options say of the message that the JSON is. */
function rewritten(options: Partial<JsonOptions>, type: string, json: string): string {
  const message = messageType(type);
  return new Transcoder(options).write(message, plain.read(message, json));
}

function oracle(message: DescMessage, bytes: Uint8Array, options: Partial<JsonWriteOptions>): unknown {
  return toJson(message, fromBinary(message, bytes), { registry, ...options });
}

const SAMPLES: readonly (readonly [string, string])[] = [
  ["Scalars", "{}"],
  ["Scalars", '{"aInt32":5,"aColor":"COLOR_RED","aString":"x"}'],
  ["Scalars", '{"aDouble":-0,"aInt64":"-9223372036854775808","aUint64":"18446744073709551615"}'],
  ["Optionals", "{}"],
  ["Optionals", '{"aInt32":0,"aColor":77,"aMessage":{}}'],
  ["Lists", "{}"],
  ["Lists", '{"aInt32":[0],"aColor":["COLOR_BELOW",9],"aMessage":[{}]}'],
  ["MapValues", "{}"],
  ["MapValues", '{"aInt32":{"a":0},"aMessage":{"b":{}},"aColor":{"c":"COLOR_FAR"}}'],
  ["MapKeys", '{"aInt64":{"1":"x"}}'],
  ["Pick", "{}"],
  ["Pick", '{"aString":"","child":{"aNull":null}}'],
  ["Wrappers", '{"anInt64":"0","list":[0]}'],
  ["WellKnown", "{}"],
  ["WellKnown", '{"any":{"@type":"x/test.json.Tree"},"value":null,"struct":{},"nulls":[null]}'],
  ["WellKnown", '{"anys":[{"@type":"x/google.protobuf.Int64Value","value":"7"},{}],"times":["1970-01-01T00:00:00Z"]}'],
  ["Tree", '{"left":{},"children":[{},{"name":"a"}],"byName":{"k":{}}}'],
  ["Names", "{}"],
  ["Old", '{"required":0,"data":{},"item":[{}],"[test.json.number_ext]":0}'],
  ["Old", '{"required":0,"closeds":["CLOSED_ONE"],"packed":[]}'],
  ["Enums", '{"version":"THREE","versions":["HTTP_VERSION_1_1"],"byName":{"a":"OTHER"},"picked":"OTHER"}'],
];

describe("json.emit_defaults", () => {
  it("all is what protobuf-es writes with alwaysEmitImplicit", () => {
    for (const names of ["json", "proto"] as const) {
      const all = new Transcoder({ emitDefaults: "all", names });
      for (const [type, json] of SAMPLES) {
        const message = messageType(type);
        const bytes = plain.read(message, json);
        const expected = oracle(message, bytes, { alwaysEmitImplicit: true, useProtoFieldName: names === "proto" });
        assert.deepEqual(JSON.parse(all.write(message, bytes)), expected, `${type} ${json}`);
      }
    }
  });

  it("all writes every field without presence of an empty message, at the end of what is set", () => {
    assert.equal(
      rewritten({ emitDefaults: "all" }, "Scalars", '{"aString":"x"}'),
      '{"aString":"x","aDouble":0,"aFloat":0,"aInt32":0,"aInt64":"0","aUint32":0,"aUint64":"0","aSint32":0,' +
        '"aSint64":"0","aFixed32":0,"aFixed64":"0","aSfixed32":0,"aSfixed64":"0","aBool":false,"aBytes":"",' +
        '"aColor":"COLOR_UNSPECIFIED"}',
    );
    assert.equal(rewritten({ emitDefaults: "all" }, "Tree", "{}"), '{"name":"","children":[],"byName":{}}');
  });

  it("scalars leaves empty lists and maps out", () => {
    assert.equal(rewritten({ emitDefaults: "scalars" }, "Tree", '{"left":{}}'), '{"left":{"name":""},"name":""}');
    assert.equal(rewritten({ emitDefaults: "scalars" }, "Lists", "{}"), "{}");
    assert.equal(rewritten({ emitDefaults: "scalars" }, "MapValues", '{"aInt32":{}}'), "{}");
  });

  it("leaves out what can be absent: messages, optional fields, oneofs, extensions", () => {
    for (const type of ["Optionals", "Pick", "Wrappers"]) {
      const expected = type === "Wrappers" ? '{"list":[],"map":{}}' : "{}";
      assert.equal(rewritten({ emitDefaults: "all" }, type, "{}"), expected, type);
    }
  });

  it("none is the default, as protobuf-es", () => {
    for (const [type, json] of SAMPLES) {
      const message = messageType(type);
      const bytes = plain.read(message, json);
      assert.deepEqual(JSON.parse(plain.write(message, bytes)), oracle(message, bytes, {}));
    }
  });

  it("writes [] and {} where a closed enum knew no value, and where a packed list is empty", () => {
    const all = new Transcoder({ emitDefaults: "all" });
    const old = messageType("Old");
    const rest = '"expanded":[],"packed":[],"item":[]';
    const list = Buffer.from("4009", "hex"); // closeds = 9
    assert.equal(all.write(old, list), `{"closeds":[],${rest},"byName":{}}`);
    assert.equal(new Transcoder({ emitDefaults: "scalars" }).write(old, list), "{}");
    const map = Buffer.from("4a050a01611009", "hex"); // by_name = {a: 9}
    assert.equal(all.write(old, map), `{"byName":{},${rest},"closeds":[]}`);
    assert.equal(new Transcoder({ emitDefaults: "scalars" }).write(old, map), "{}");
    assert.equal(all.write(messageType("Lists"), Buffer.from("1a00", "hex")).includes('"aInt32":[]'), true);
  });

  it("writes each default once where fields come in any order and twice", () => {
    const all = new Transcoder({ emitDefaults: "all" });
    // name, children, name again: merged and written anew
    assert.equal(
      all.write(messageType("Tree"), Buffer.from("0a01611a000a0162", "hex")),
      '{"name":"b","children":[{"name":"","children":[],"byName":{}}],"byName":{}}',
    );
  });

  it("writes the value of one field alone as ever", () => {
    const message = messageType("Scalars");
    const { writers } = new Transcoder({ emitDefaults: "all" });
    for (const [bytes, expected] of [
      ["", "0"],
      ["1800", "0"],
      ["1805", "5"],
    ] as const) {
      sink.reset();
      const field = message.fields[2];
      assert.ok(field !== undefined);
      writers.field(message, field)(Buffer.from(bytes, "hex"), 0, bytes.length / 2);
      assert.equal(sink.take().toString(), expected);
    }
  });

  it("follows messages of hundreds of fields and of names that are long", () => {
    const all = new Transcoder({ emitDefaults: "all" });
    sink.reset();
    // What is written near the end of the sink makes room.
    for (let i = 0; i < 400; i++) all.writers.message(messageType("Scalars"))(Buffer.alloc(0), 0, 0);
    const one = all.write(messageType("Scalars"), Buffer.alloc(0));
    sink.reset();
    for (let i = 0; i < 400; i++) all.writers.message(messageType("Scalars"))(Buffer.alloc(0), 0, 0);
    assert.equal(sink.take().toString(), one.repeat(400));
  });
});

describe("json.int64", () => {
  const kinds = ["aInt64", "aUint64", "aSint64", "aFixed64", "aSfixed64"];

  it("number writes all digits, safe a string where a double would lose some", () => {
    for (const [value, isSafe] of [
      ["0", true],
      ["1", true],
      ["4294967296", true],
      ["9007199254740991", true],
      ["9007199254740992", false],
      ["9223372036854775807", false],
      ["-1", true],
      ["-4294967296", true],
      ["-9007199254740991", true],
      ["-9007199254740992", false],
      ["-9007199254740993", false],
      ["-9223372036854775808", false],
      ["18446744073709551615", false],
      ["18446744073709551614", false],
    ] as const) {
      for (const name of kinds) {
        const isUnsigned = name === "aUint64" || name === "aFixed64";
        if (BigInt(value) < 0n ? isUnsigned : BigInt(value) >= 2n ** 63n && !isUnsigned) continue;
        for (const type of ["Optionals", "Lists"]) {
          const json = (text: string): string => `{"${name}":${type === "Lists" ? `[${text}]` : text}}`;
          assert.equal(rewritten({ int64: "number" }, type, json(`"${value}"`)), json(value));
          assert.equal(rewritten({ int64: "safe" }, type, json(`"${value}"`)), json(isSafe ? value : `"${value}"`));
        }
      }
    }
  });

  it("holds for defaults, values of maps, wrappers, and in an Any; keys of maps are strings", () => {
    for (const int64 of ["number", "safe"] as const) {
      assert.equal(rewritten({ int64 }, "MapValues", '{"aInt64":{"a":"0"}}'), '{"aInt64":{"a":0}}');
      assert.equal(rewritten({ int64 }, "MapKeys", '{"aInt64":{"7":"x"}}'), '{"aInt64":{"7":"x"}}');
      assert.equal(rewritten({ int64 }, "MapKeys", '{"aFixed64":{"0":"x"}}'), '{"aFixed64":{"0":"x"}}');
      assert.equal(
        rewritten({ int64 }, "Wrappers", '{"anInt64":"7","aUint64":"0","map":{"a":"-1"}}'),
        '{"anInt64":7,"aUint64":0,"map":{"a":-1}}',
      );
      const any = '{"any":{"@type":"x/google.protobuf.Int64Value","value":';
      assert.equal(rewritten({ int64 }, "WellKnown", `${any}"7"}}`), `${any}7}}`);
      assert.match(rewritten({ int64, emitDefaults: "scalars" }, "Scalars", "{}"), /"aInt64":0,.*"aUint64":0,/);
    }
  });
});

describe("json.enums", () => {
  it("number is what protobuf-es writes with enumAsInteger", () => {
    for (const emitDefaults of ["none", "all"] as const) {
      const numbers = new Transcoder({ enums: "number", emitDefaults });
      for (const [type, json] of SAMPLES) {
        const message = messageType(type);
        const bytes = plain.read(message, json);
        const expected = oracle(message, bytes, { enumAsInteger: true, alwaysEmitImplicit: emitDefaults === "all" });
        assert.deepEqual(JSON.parse(numbers.write(message, bytes)), expected, `${type} ${json}`);
      }
    }
  });

  it("number leaves NullValue null, and values that a closed enum does not have out", () => {
    assert.equal(rewritten({ enums: "number" }, "Pick", '{"aNull":null}'), '{"aNull":null}');
    assert.equal(
      new Transcoder({ enums: "number" }).write(messageType("Old"), Buffer.from("400940014002", "hex")),
      '{"closeds":[1,2]}',
    );
    assert.equal(rewritten({ enums: "number" }, "Lists", '{"aColor":[-1,2147483647]}'), '{"aColor":[-1,2147483647]}');
  });
});

describe("json.enum_prefix: strip", () => {
  const enums = messageType("Enums");
  const strip = new Transcoder({ enumPrefix: "strip" });

  for (const [name, short, reason] of [
    ["HTTP_VERSION_UNSPECIFIED", "UNSPECIFIED", "the prefix in upper snake case"],
    ["HTTPVERSION_TWO", "TWO", "the prefix in one word"],
    ["http_version_lower", "lower", "case does not count"],
    ["HTTP_VERSION_1_1", "HTTP_VERSION_1_1", "the rest begins with a digit"],
    ["HTTP_VERSION_THREE", "HTTP_VERSION_THREE", "the rest is another's name"],
    ["THREE", "THREE", "no prefix"],
    ["HTTP_VERSION_", "HTTP_VERSION_", "nothing is left"],
    ["HTTP_VERSION_SAME", "HTTP_VERSION_SAME", "two have the same rest"],
    ["HTTPVERSION_SAME", "HTTPVERSION_SAME", "two have the same rest"],
    ["OTHER", "OTHER", "no prefix"],
  ] as const) {
    it(`writes ${name} as ${short}: ${reason}; reads both`, () => {
      const bytes = plain.read(enums, `{"versions":["${name}"]}`);
      assert.equal(strip.write(enums, bytes), `{"versions":["${short}"]}`);
      for (const given of [name, short]) {
        assert.deepEqual(strip.read(enums, `{"versions":["${given}"]}`), bytes);
        assert.deepEqual(
          strip.read(enums, `{"byName":{"a":"${given}"}}`),
          plain.read(enums, `{"byName":{"a":"${name}"}}`),
        );
      }
    });
  }

  it("writes short names in lists, maps, oneofs, defaults and as one field", () => {
    assert.equal(
      rewritten({ enumPrefix: "strip" }, "Enums", '{"byName":{"a":"HTTPVERSION_TWO"},"picked":"HTTPVERSION_TWO"}'),
      '{"byName":{"a":"TWO"},"picked":"TWO"}',
    );
    assert.match(
      rewritten({ enumPrefix: "strip", emitDefaults: "scalars" }, "Scalars", "{}"),
      /"aColor":"UNSPECIFIED"/,
    );
    assert.equal(rewritten({ enumPrefix: "strip" }, "Scalars", '{"aColor":"COLOR_CRIMSON"}'), '{"aColor":"RED"}');
  });

  it("keeps short names out where it is off, and suggests them where it is on", () => {
    assert.match(
      plain.refusal(enums, '{"version":"TWO"}'),
      /^FIELD_INVALID version: expected a value of test.json.HTTPVersion/,
    );
    assert.match(strip.refusal(messageType("Scalars"), '{"aColor":"CRIMSN"}'), /; did you mean "CRIMSON"\?$/);
    assert.match(strip.refusal(messageType("Scalars"), '{"aColor":"red"}'), /^FIELD_INVALID aColor/);
  });
});

describe("json.enum_case: ignore", () => {
  const enums = messageType("Enums");
  const ignore = new Transcoder({ enumCase: "ignore" });
  const both = new Transcoder({ enumCase: "ignore", enumPrefix: "strip" });

  it("reads names in any case, in fields, lists and maps", () => {
    const scalars = messageType("Scalars");
    for (const name of ["COLOR_RED", "color_red", "Color_Red", "COLOR_CRIMSON", "color_crimson"]) {
      assert.deepEqual(ignore.read(scalars, `{"aColor":"${name}"}`), plain.read(scalars, '{"aColor":1}'));
      assert.deepEqual(
        ignore.read(messageType("Lists"), `{"aColor":["${name}","\\u0063olor_red"]}`),
        plain.read(messageType("Lists"), '{"aColor":[1,1]}'),
      );
      assert.deepEqual(
        ignore.read(messageType("MapValues"), `{"aColor":{"a":"${name}"}}`),
        plain.read(messageType("MapValues"), '{"aColor":{"a":1}}'),
      );
    }
    assert.deepEqual(both.read(scalars, '{"aColor":"red"}'), plain.read(scalars, '{"aColor":1}'));
    assert.deepEqual(ignore.read(enums, '{"case":"MIXED"}'), plain.read(enums, '{"case":1}'));
  });

  it("tells names that differ by case alone apart, and refuses others that could be either", () => {
    assert.deepEqual(ignore.read(enums, '{"cases":["BOTH","both"]}'), plain.read(enums, '{"cases":[2,3]}'));
    assert.match(ignore.refusal(enums, '{"case":"Both"}'), /^FIELD_INVALID case/);
  });

  it("is off by default, and no way for unknown names", () => {
    assert.match(plain.refusal(enums, '{"case":"MIXED"}'), /^FIELD_INVALID case/);
    assert.match(ignore.refusal(enums, '{"case":"MIXER"}'), /^FIELD_INVALID case/);
    assert.equal(new Transcoder({ enumCase: "ignore", unknownFields: "ignore" }).read(enums, '{"case":"X"}').length, 0);
  });
});

describe("prettyJson()", () => {
  const samples = [
    "{}",
    "[]",
    "null",
    "1.5e-7",
    '"a{b[c]d},:\\"\\\\"',
    "[1,2,[],{}]",
    '{"a":1,"b":{"c":[],"d":{}},"e":[[1],{"f":"g:h,i"}]}',
    '{"a":"\\"","b":"\\\\"}',
    '{"__proto__":{"2":1,"1":2}}',
    '[true,false,null,-0,"",{"":""}]',
  ];

  it("writes what JSON.stringify would with two spaces", () => {
    for (const text of samples) {
      const pretty = prettyJson(text);
      // JSON.stringify would put numeric keys first and write -0 as 0.
      const expected = JSON.stringify(JSON.parse(text), null, 2);
      if (!/__proto__|-0|e-7/.test(text)) assert.equal(pretty, expected);
      assert.equal((pretty as string).replace(/(?<=[[{},:\n]) *\n? */g, "").replace(/\n *(?=[}\]])/g, ""), text);
    }
    assert.equal(prettyJson('{"b":12345678901234567890,"1":0.10}'), '{\n  "b": 12345678901234567890,\n  "1": 0.10\n}');
  });

  it("gives text for text and bytes for bytes, UTF-8 as it is", () => {
    assert.equal(typeof prettyJson("[1]"), "string");
    const bytes = prettyJson(Buffer.from('{"ü":"😀\u2028"}'));
    assert.ok(Buffer.isBuffer(bytes));
    assert.equal(bytes.toString(), '{\n  "ü": "😀\u2028"\n}');
  });

  it("takes what a writer made", () => {
    const message = messageType("WellKnown");
    const bytes = plain.read(message, '{"struct":{"a":[1,{"b":{}}]},"mask":"a,b","any":{}}');
    sink.reset();
    plain.writers.message(message)(bytes, 0, bytes.length);
    const text = sink.take();
    assert.equal(prettyJson(text), JSON.stringify(JSON.parse(text as string), null, 2));
  });

  it("grows in proportion, however deep", () => {
    const deep = `${"[".repeat(100)}${"1,".repeat(10_000)}1${"]".repeat(100)}`;
    const pretty = prettyJson(deep) as string;
    assert.deepEqual(JSON.parse(pretty), JSON.parse(deep));
    assert.ok(pretty.length < deep.length * 40);
  });
});

describe("warm()", () => {
  it("compiles what was asked for and what it calls, a step each; then there is nothing left", () => {
    const { writers, readers } = new Transcoder();
    assert.deepEqual([...writers.warm()], []);
    const tree = messageType("Tree");
    const known = messageType("WellKnown");
    sink.reset();
    sink.text("kept");
    wire.reset();
    wire.length = 3;
    writers.message(known);
    readers.message(known);
    readers.field(tree, tree.fields[1] ?? assert.fail());
    writers.field(tree, tree.fields[1] ?? assert.fail());
    // WellKnown and its eight types; the field and Tree.
    assert.equal([...writers.warm()].length, 11);
    assert.equal([...readers.warm()].length, 11);
    assert.equal(sink.take(), "kept");
    assert.equal(wire.length, 3);
    assert.equal([...writers.warm()].length, 11, "again, with nothing to compile");
  });

  it("may be interrupted by requests", () => {
    const other = new Transcoder();
    other.readers.message(messageType("WellKnown"));
    other.writers.message(messageType("WellKnown"));
    const steps = [other.readers.warm(), other.writers.warm()];
    let at = 0;
    while (steps.some((step) => step.next().done !== true)) {
      const [type, json] = SAMPLES[at++ % SAMPLES.length] ?? assert.fail();
      const message = messageType(type);
      assert.equal(other.write(message, other.read(message, json)), rewritten({}, type, json));
    }
    assert.ok(at > 11);
  });
});

describe("createJsonWriters() with all options at once", () => {
  it("writes JSON that the readers take back", () => {
    const everything: JsonOptions = {
      ...defaultJsonOptions,
      names: "proto",
      emitDefaults: "all",
      int64: "number",
      enums: "number",
      enumPrefix: "strip",
      enumCase: "ignore",
    };
    const transcoder = new Transcoder(everything);
    for (const [type, json] of SAMPLES) {
      const message = messageType(type);
      const bytes = plain.read(message, json);
      assert.equal(
        plain.write(message, transcoder.read(message, transcoder.write(message, bytes))),
        plain.write(message, bytes),
        `${type} ${json}`,
      );
    }
  });
});
