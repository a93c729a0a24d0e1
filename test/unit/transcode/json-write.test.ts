import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createJsonWriters } from "../../../src/transcode/json-write.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { sink } from "../../../src/transcode/sink.ts";
import { jsonOf, messageType, Node, oracle, registry, writers, written } from "../../support/json-write.ts";
import { bytes, double, float, group, number, tag, varint } from "../../support/wire-bytes.ts";

const NUMBER = 1;
const TEXT = 2;
const CHILD = 3;
const CHILDREN = 4;
const PACKED = 5;
const EXPANDED = 6;
const BY_NAME = 7;
const MOOD_BY_NUMBER = 8;
const BY_FLAG = 9;
const OPEN_BY_NUMBER = 10;
const CLOSED = 11;
const CLOSEDS = 12;
const CLOSEDS_EXPANDED = 13;
const OPENS = 14;
const DELIMITED = 15;
const DELIMITEDS = 16;
const DELIMITED_TIME = 17;
const PICK_NODE = 18;
const PICK_TEXT = 19;
const PICK_CLOSED = 20;
const PICK_DELIMITED = 21;
const PICK_NULL = 22;
const UNKNOWN = 99;

const fields = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);

/** Input, JSON text, reason. The same text also parses to what protobuf-es gives. */
type Row = readonly [Buffer, string, string?];

function expectAll(rows: readonly Row[], message = Node): void {
  for (const [input, expected, reason = expected] of rows) {
    assert.equal(jsonOf(input, message), expected, reason);
    assert.deepEqual(JSON.parse(expected), oracle(input, message), `protobuf-es: ${reason}`);
  }
}

/** Where protobuf-es is another opinion; these are the words of protobuf.dev and what C++, Go and Python do. */
function expectAlone(rows: readonly Row[]): void {
  for (const [input, expected, reason = expected] of rows) assert.equal(jsonOf(input), expected, reason);
}

describe("createJsonWriters().message()", () => {
  it("writes an empty message, alone and nested", () => {
    expectAll([
      [fields(), "{}"],
      [bytes(CHILD), '{"child":{}}'],
      [bytes(CHILDREN), '{"children":[{}]}'],
    ]);
  });

  it("leaves out what is at its default and has no presence", () => {
    expectAll([
      [number(NUMBER, 0), "{}"],
      [double(30, 0), "{}"],
      [bytes(31, ""), "{}"],
      [number(33, 0), "{}"],
      [double(30, -0), '{"ratio":-0}', "the bits of -0 are not zero"],
      [bytes(TEXT, ""), '{"text":""}', "explicit presence"],
      [number(42, 0), '{"flag":false}', "explicit presence"],
    ]);
  });

  it("keeps 64-bit integers exact", () => {
    const values = [
      0n,
      1n,
      9_007_199_254_740_993n,
      2n ** 63n,
      2n ** 64n - 1n,
      999_999_999n,
      1_000_000_000n,
      4294967296n,
    ];
    for (const value of values) {
      assert.equal(jsonOf(number(5000, value)), `{"large":"${value}"}`);
    }
    expectAll([[number(EXPANDED, 2n ** 64n - 1n), '{"expanded":["-9223372036854775808"]}', "zigzag"]]);
  });

  it("takes the last of a field that occurs twice, and merges messages", () => {
    expectAll([
      [fields(number(NUMBER, 1), number(NUMBER, 2)), '{"number":2}'],
      [fields(number(NUMBER, 1), number(NUMBER, 0)), "{}", "the last one is the default"],
      [
        fields(bytes(CHILD, number(NUMBER, 1)), bytes(TEXT, "x"), bytes(CHILD, bytes(TEXT, "y"))),
        '{"child":{"number":1,"text":"y"},"text":"x"}',
      ],
      [
        fields(bytes(CHILD, bytes(CHILD, number(NUMBER, 1))), bytes(CHILD, bytes(CHILD, bytes(TEXT, "y")))),
        '{"child":{"child":{"number":1,"text":"y"}}}',
        "merged all the way down",
      ],
      [
        fields(bytes(CHILD, bytes(CHILDREN)), bytes(CHILD, bytes(CHILDREN))),
        '{"child":{"children":[{},{}]}}',
        "lists are joined",
      ],
    ]);
    const late = bytes(26, number(1, 2n ** 60n));
    expectAll([
      [fields(late, bytes(26, number(1, 1))), '{"time":"1970-01-01T00:00:01Z"}', "refused but for the second"],
    ]);
    expectAlone([[fields(bytes(28, number(1, 5)), bytes(28)), '{"wrapped":"5"}', "wrappers are messages and merge"]]);
  });

  it("takes lists packed and unpacked, in one piece or in several", () => {
    const packed = bytes(PACKED, varint(1), varint(300), varint(-1));
    expectAll([
      [packed, '{"packed":[1,300,-1]}'],
      [fields(number(PACKED, 1), number(PACKED, 300)), '{"packed":[1,300]}'],
      [fields(packed, number(PACKED, 7), packed), '{"packed":[1,300,-1,7,1,300,-1]}'],
      [fields(number(PACKED, 1), bytes(TEXT, "x"), packed), '{"packed":[1,1,300,-1],"text":"x"}'],
      [bytes(PACKED), "{}", "an empty chunk"],
      [fields(bytes(PACKED), packed, bytes(PACKED)), '{"packed":[1,300,-1]}'],
      [bytes(EXPANDED, varint(2), varint(3)), '{"expanded":["1","-2"]}', "declared as expanded"],
      [fields(bytes(CHILDREN), number(NUMBER, 3), bytes(CHILDREN)), '{"children":[{},{}],"number":3}'],
      [
        fields(bytes(CHILDREN), number(UNKNOWN, 3), bytes(CHILDREN)),
        '{"children":[{},{}]}',
        "an unknown field between",
      ],
      [fields(bytes(37, "a"), bytes(37, ""), bytes(37, "bcd")), '{"datas":["YQ==","","YmNk"]}'],
      [bytes(36, varint(0), varint(2n ** 63n)), '{"flags":[false,true]}', "any bit of 64 is true"],
    ]);
  });

  it("takes maps in any order, with keys or values left out, and the last of equal keys", () => {
    const entry = (...parts: readonly Buffer[]): Buffer => bytes(BY_FLAG, ...parts);
    const yes = number(1, 1);
    expectAll([
      [entry(yes, bytes(2, "x")), '{"byFlag":{"true":"x"}}'],
      [entry(bytes(2, "x"), yes), '{"byFlag":{"true":"x"}}', "the value before the key"],
      [entry(), '{"byFlag":{"false":""}}'],
      [entry(yes), '{"byFlag":{"true":""}}'],
      [entry(bytes(2, "x")), '{"byFlag":{"false":"x"}}'],
      [fields(entry(yes, bytes(2, "x")), entry(), entry(yes, bytes(2, "y"))), '{"byFlag":{"true":"y","false":""}}'],
      [entry(yes, bytes(2, "x"), number(1, 0), bytes(2, "y")), '{"byFlag":{"false":"y"}}', "twice in one entry"],
      [entry(yes, bytes(3, "unknown"), bytes(2, "x")), '{"byFlag":{"true":"x"}}'],
      [fields(entry(yes), number(NUMBER, 1), entry()), '{"byFlag":{"true":"","false":""},"number":1}', "in two pieces"],
      [fields(entry(tag(1, 0), varint(1, 4)), entry(yes, bytes(2, "y"))), '{"byFlag":{"true":"y"}}', "a long varint"],
      [bytes(BY_NAME), '{"byName":{"":{}}}'],
      [
        fields(bytes(BY_NAME, bytes(1, "a"), bytes(2, number(1, 1))), bytes(BY_NAME, bytes(1, "a"))),
        '{"byName":{"a":{}}}',
      ],
      [bytes(BY_NAME, bytes(2, number(1, 1)), bytes(2, bytes(TEXT, "x"))), '{"byName":{"":{"number":1,"text":"x"}}}'],
      [bytes(38, tag(1, 1), Buffer.alloc(8, 0xff), double(2, 0.5)), '{"byFixed":{"-1":0.5}}'],
      [bytes(38), '{"byFixed":{"0":0}}'],
    ]);
  });

  it("sees that a key repeats among many", () => {
    for (const count of [5, 12, 13, 14, 100, 3000]) {
      const keys = Array.from({ length: count }, (_, i) =>
        bytes(BY_NAME, bytes(1, `key ${i}`), bytes(2, number(1, i))),
      );
      const all = JSON.parse(jsonOf(fields(...keys))) as { byName: Record<string, unknown> };
      assert.equal(Object.keys(all.byName).length, count);
      for (const again of [0, count >> 1, count - 1]) {
        const text = jsonOf(fields(...keys, bytes(BY_NAME, bytes(1, `key ${again}`), bytes(2, number(1, 77777)))));
        assert.equal(text.split(`"key ${again}":`).length, 2, `${again} of ${count}`);
        assert.ok(text.includes(`"key ${again}":{"number":77777}`));
      }
    }
  });

  it("keeps the keys of maps within maps apart", () => {
    const inner = (name: string): Buffer =>
      bytes(BY_NAME, bytes(1, name), bytes(2, bytes(BY_NAME, bytes(1, "a")), bytes(BY_NAME, bytes(1, "b"))));
    const names = Array.from({ length: 40 }, (_, i) => `k${i}`);
    const text = jsonOf(fields(...names.map(inner), inner("a"), inner("b")));
    assert.deepEqual(JSON.parse(text), oracle(fields(...names.map(inner), inner("a"), inner("b"))));
  });

  it("takes the last member of a oneof, merging only the same message in a row", () => {
    const node = bytes(PICK_NODE, number(NUMBER, 1));
    expectAll([
      [fields(node, bytes(PICK_TEXT, "x")), '{"pickText":"x"}'],
      [fields(bytes(PICK_TEXT, "x"), node), '{"pickNode":{"number":1}}'],
      [fields(node, bytes(PICK_NODE, bytes(TEXT, "y"))), '{"pickNode":{"number":1,"text":"y"}}'],
      [number(PICK_NULL, 0), '{"pickNull":null}'],
      [fields(node, group(PICK_DELIMITED)), '{"pickDelimited":{}}'],
    ]);
    const cleared = fields(node, bytes(PICK_TEXT, "x"), bytes(PICK_NODE, bytes(TEXT, "y")));
    expectAll([[cleared, '{"pickNode":{"text":"y"}}', "the text cleared the message"]]);
  });

  it("writes enums by name, open ones by number where there is none", () => {
    expectAll([
      [number(33, 1), '{"open":"OPEN_ONE"}', "the first of two names"],
      [number(33, 70000), '{"open":"OPEN_FAR"}'],
      [number(33, -5), '{"open":"OPEN_BELOW"}'],
      [number(33, 2), '{"open":2}'],
      [number(33, -1), '{"open":-1}'],
      [bytes(OPENS, varint(0), varint(9)), '{"opens":["OPEN_ZERO",9]}'],
      [bytes(OPEN_BY_NUMBER, number(1, 2n ** 64n - 1n)), '{"openByNumber":{"18446744073709551615":"OPEN_ZERO"}}'],
    ]);
  });

  it("takes values that a closed enum does not have for unknown fields", () => {
    const entry = (key: number, value: number): Buffer => bytes(MOOD_BY_NUMBER, number(1, key), number(2, value));
    expectAll([
      [number(CLOSED, 9), "{}"],
      [fields(number(CLOSED, 2), number(CLOSED, 9)), '{"closed":"CLOSED_TWO"}', "it was never there"],
      [fields(number(CLOSED, 2), number(CLOSED, 9), number(CLOSED, 3)), '{"closed":"CLOSED_THREE"}'],
      [fields(bytes(PICK_TEXT, "x"), number(PICK_CLOSED, 9)), '{"pickText":"x"}', "it clears nothing"],
    ]);
    expectAlone([
      [bytes(CLOSEDS, varint(9), varint(2), varint(8)), '{"closeds":["CLOSED_TWO"]}', "packed as well"],
      [bytes(CLOSEDS, varint(9), varint(8)), "{}", "nothing is left of the list"],
      [fields(bytes(CLOSEDS, varint(9)), bytes(CLOSEDS, varint(2))), '{"closeds":["CLOSED_TWO"]}'],
      [fields(number(CLOSEDS_EXPANDED, 9), number(CLOSEDS_EXPANDED, 3)), '{"closedsExpanded":["CLOSED_THREE"]}'],
      [fields(number(CLOSEDS, 9), number(NUMBER, 1), number(CLOSEDS, 9)), '{"number":1}'],
      [number(103, 9), "{}", "an extension"],
      [fields(entry(1, 9), entry(2, 3)), '{"moodByNumber":{"2":"MOOD_GOOD"}}', "an entry is unknown as a whole"],
      [entry(1, 9), "{}"],
      [fields(entry(1, 3), entry(1, 9)), '{"moodByNumber":{"1":"MOOD_GOOD"}}'],
    ]);
  });

  it("reads messages in groups", () => {
    expectAll([
      [group(DELIMITED), '{"delimited":{}}'],
      [
        group(DELIMITED, number(NUMBER, 1), group(DELIMITED, bytes(TEXT, "x"))),
        '{"delimited":{"number":1,"delimited":{"text":"x"}}}',
      ],
      [fields(group(DELIMITEDS), group(DELIMITEDS, number(NUMBER, 1))), '{"delimiteds":[{},{"number":1}]}'],
      [
        fields(group(DELIMITED, number(NUMBER, 1)), group(DELIMITED, bytes(TEXT, "x"))),
        '{"delimited":{"number":1,"text":"x"}}',
      ],
      [group(DELIMITED_TIME, number(1, 1)), '{"delimitedTime":"1970-01-01T00:00:01Z"}'],
    ]);
    expectAlone([[bytes(DELIMITED), "{}", "the wrong wire type"]]);
  });

  it("skips unknown fields of every wire type, and known ones of another", () => {
    expectAll([
      [fields(number(UNKNOWN, 5), number(NUMBER, 1)), '{"number":1}'],
      [fields(double(UNKNOWN, 5), float(UNKNOWN, 5), number(NUMBER, 1)), '{"number":1}'],
      [fields(bytes(UNKNOWN, "text"), number(NUMBER, 1)), '{"number":1}'],
      [fields(group(UNKNOWN, group(UNKNOWN, number(1, 1)), bytes(2, "x")), number(NUMBER, 1)), '{"number":1}'],
      [fields(number(536_870_910, 5), number(NUMBER, 1)), '{"number":1}', "the second largest number"],
    ]);
    expectAlone([
      [fields(bytes(NUMBER, "x"), number(TEXT, 1), number(CHILD, 1), float(30, 1)), "{}"],
      [fields(double(PACKED, 1), number(BY_NAME, 1), number(26, 1)), "{}"],
    ]);
  });

  it("reads tags and lengths that are longer than they need be", () => {
    const long = fields(tag(NUMBER, 0, 5), varint(7, 10), tag(TEXT, 2, 2), varint(1, 5), Buffer.from("x"));
    expectAll([[long, '{"number":7,"text":"x"}']]);
    expectAll([[fields(bytes(CHILDREN), tag(CHILDREN, 2, 2), varint(0)), '{"children":[{},{}]}']]);
  });

  it("finds fields whose numbers lie far apart", () => {
    const Sparse = messageType("test.write.Sparse");
    for (const { number: id, jsonName } of Sparse.fields) {
      expectAll([[fields(number(id + 1, 4), number(id, 3)), `{"${jsonName}":3}`]], Sparse);
    }
  });

  it("writes extensions that the registry has, by full name", () => {
    expectAll([
      [bytes(100, "x"), '{"[test.write.note]":"x"}'],
      [fields(number(101, 1), number(101, 2)), '{"[test.write.notes]":[1,2]}'],
      [group(102, bytes(100, "y")), '{"[test.write.linked]":{"[test.write.note]":"y"}}'],
    ]);
  });

  it("writes names as the options say, and escapes them", () => {
    const proto = createJsonWriters(registry, { ...defaultJsonOptions, names: "proto" });
    const input = fields(bytes(BY_NAME), bytes(536_870_911, "x"), bytes(100, "z"));
    assert.equal(written(proto.message(Node), input), '{"by_name":{"":{}},"far":"x","[test.write.note]":"z"}');
    assert.equal(jsonOf(bytes(536_870_911, "x")), '{"so \\"far\\"\\\\\\n\\u00fc\\u2028":"x"}');
  });

  it("appends to the sink, from a part of the bytes, of any kind of Uint8Array", () => {
    const input = fields(bytes(TEXT, "x"), number(NUMBER, 1));
    const array = new Uint8Array([255, ...input, 8, 255]);
    sink.reset();
    sink.text('{"result":');
    writers.message(Node)(array, 1, 1 + input.length);
    assert.equal(sink.take(), '{"result":{"text":"x","number":1}');
  });

  it("grows the sink in the midst of nested messages", () => {
    const leaf = bytes(CHILDREN, number(NUMBER, 123456), bytes(TEXT, "ü".repeat(20)), bytes(34, Buffer.alloc(160, 63)));
    let input = fields(...Array.from({ length: 400 }, () => leaf));
    for (let i = 0; i < 60; i++) input = bytes(CHILD, input, number(NUMBER, i + 1));
    const text = jsonOf(input);
    assert.ok(text.length > 1 << 17);
    assert.deepEqual(JSON.parse(text), oracle(input));
    let closing = bytes(TEXT, "x");
    for (let i = 0; i < 99; i++) closing = bytes(CHILD, closing);
    // Nothing but closing braces at the end of the sink, at every offset.
    for (let used = 65_536 - 1300; used < 65_536; used++) {
      sink.reset();
      sink.length = used;
      writers.message(Node)(closing, 0, closing.length);
      assert.equal(sink.bytes.latin1Slice(used, sink.length), `${'{"child":'.repeat(99)}{"text":"x"}${"}".repeat(99)}`);
    }
  });
});

describe("createJsonWriters().field()", () => {
  const value = (name: string, input: Buffer): string => {
    const field = Node.fields.find((candidate) => candidate.name === name);
    assert.ok(field !== undefined, name);
    return written(writers.field(Node, field), input);
  };

  it("writes the value of one field alone", () => {
    const input = fields(
      number(NUMBER, 5),
      bytes(TEXT, "x"),
      bytes(CHILD, number(NUMBER, 6)),
      bytes(PACKED, varint(1)),
      bytes(BY_FLAG),
      number(CLOSED, 2),
      bytes(26, number(1, 1)),
      bytes(PICK_TEXT, "y"),
    );
    const expected = {
      number: "5",
      text: '"x"',
      child: '{"number":6}',
      packed: "[1]",
      by_flag: '{"false":""}',
      closed: '"CLOSED_TWO"',
      time: '"1970-01-01T00:00:01Z"',
      pick_text: '"y"',
    };
    for (const [name, json] of Object.entries(expected)) assert.equal(value(name, input), json, name);
  });

  it("writes the default of a field that is absent", () => {
    const expected = {
      number: "0",
      text: '""',
      child: "{}",
      packed: "[]",
      by_name: "{}",
      closed: '"CLOSED_TWO"',
      closeds: "[]",
      open: '"OPEN_ZERO"',
      large: '"0"',
      flag: "false",
      ratio: "0",
      data: '""',
      any: "{}",
      struct: "{}",
      time: "null",
      wrapped: "null",
      value: "null",
      pick_null: "null",
    };
    for (const [name, json] of Object.entries(expected)) {
      assert.equal(value(name, fields()), json, name);
      assert.equal(value(name, number(UNKNOWN, 1)), json, name);
    }
    assert.equal(value("closeds", bytes(CLOSEDS, varint(9))), "[]", "no known value");
    assert.equal(value("number", number(NUMBER, 0)), "0");
  });

  it("takes the last of several, and none that another member of its oneof cleared", () => {
    assert.equal(value("number", fields(number(NUMBER, 5), number(NUMBER, 6))), "6");
    assert.equal(
      value("child", fields(bytes(CHILD, number(NUMBER, 1)), bytes(CHILD, bytes(TEXT, "x")))),
      '{"number":1,"text":"x"}',
    );
    assert.equal(value("pick_text", fields(bytes(PICK_TEXT, "x"), bytes(PICK_NODE))), '""');
    assert.equal(value("pick_text", fields(bytes(PICK_NODE), bytes(PICK_TEXT, "x"))), '"x"');
  });

  it("appends to what the sink holds", () => {
    const field = Node.fields[0];
    assert.ok(field !== undefined);
    sink.reset();
    sink.text('{"result":');
    writers.field(Node, field)(number(NUMBER, 3), 0, 2);
    sink.text("}");
    assert.equal(sink.take(), '{"result":3}');
  });
});
