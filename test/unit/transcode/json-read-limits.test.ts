import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, createFileRegistry, fromBinary, type DescMessage } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { GatewayError } from "../../../src/core/errors.ts";
import { createJsonReaders } from "../../../src/transcode/json-read.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { wire } from "../../../src/transcode/wire.ts";
import { messageType, registry } from "../../support/transcode-schema.ts";
import { refusalText } from "../../support/refusal.ts";

const strict = createJsonReaders(registry, defaultJsonOptions);
const lenient = createJsonReaders(registry, { ...defaultJsonOptions, unknownFields: "ignore" });
const All = messageType("All");

function read(json: string, readers = strict, desc: DescMessage = All): Buffer {
  const bytes = Buffer.from(json);
  wire.reset();
  readers.message(desc)(bytes, 0, bytes.length);
  return wire.take();
}

function refusal(json: string, readers = strict): string {
  return refusalText(() => read(json, readers), json);
}

function milliseconds(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

// What may nest: how deep the start is, and what one more level looks like.
const nestings: readonly (readonly [
  name: string,
  start: string,
  open: string,
  inner: string,
  close: string,
  end: string,
  own: number,
])[] = [
  ["messages", "", '{"child":', "{}", "}", "", 1],
  ["a Struct", '{"struct":', '{"a":', "1", "}", "}", 1],
  ["a Value of lists", '{"value":', "[", "1", "]", "}", 1],
  ["an unknown field's objects", '{"nope":', '{"a":', "1", "}", "}", 1],
  ["an unknown field's lists", '{"nope":', "[", "1", "]", "}", 1],
];

describe("JSON readers: nesting", () => {
  for (const [name, start, open, inner, close, end, own] of nestings) {
    const nested = (levels: number): string => start + open.repeat(levels) + inner + close.repeat(levels) + end;
    it(`follows ${name} to 100 levels and no further`, () => {
      read(nested(100 - own), lenient);
      assert.match(
        refusal(nested(101 - own), lenient),
        /^BODY_MALFORMED .*nested deeper than 100 levels at line 1, column \d+$/,
      );
    });

    it(`ends 100,000 levels of ${name} at once`, () => {
      const json = nested(100_000);
      const ms = Math.min(...[1, 2, 3].map(() => milliseconds(() => refusal(json, lenient))));
      assert.ok(ms < 50, `${ms} ms`);
    });
  }

  it("counts what is open, not what was", () => {
    read(`{"values":[${"[[]],".repeat(500)}{}]}`);
    read(`{"child":{"children":[${'{"child":{}},'.repeat(500)}{}]}}`);
  });
});

describe("JSON readers: length", () => {
  it("reads numbers and strings of 10 MB in linear time", () => {
    const size = 10_000_000;
    const bodies = [
      `{"aInt64":1${"0".repeat(size)}}`,
      `{"aInt64":0.${"0".repeat(size)}}`,
      `{"aInt32":"1${"0".repeat(size)}e-${size}"}`,
      `{"aDouble":0.${"1".repeat(size)}}`,
      `{"aString":"${"x".repeat(size)}"}`,
      `{"aString":"${"\\n".repeat(size / 2)}"}`,
      `{"aBytes":"${"A".repeat(size)}"}`,
      `{"${"k".repeat(size)}":1}`,
      " ".repeat(size),
    ];
    for (const json of bodies) {
      const ms = milliseconds(() => {
        try {
          read(json);
        } catch (error) {
          assert.ok(error instanceof GatewayError, String(error));
        }
      });
      assert.ok(ms < 1500, `${json.slice(0, 20)}: ${ms} ms`);
    }
    const at = fromBinary(All, read(`{"aInt32":1${"0".repeat(1000)}e-1000}`)) as unknown as { aInt32: number };
    assert.equal(at.aInt32, 1);
  });

  it("gives large buffers back", () => {
    read(`{"aString":"${"x".repeat(5_000_000)}"}`);
    wire.reset();
    assert.ok(wire.bytes.length <= 1 << 20);
    assert.equal(read('{"aString":"y"}').length, 3);
  });

  it("fills lists and maps that outgrow the buffer", () => {
    const ints = Array.from({ length: 200_000 }, (_, i) => i * 1000);
    const list = fromBinary(All, read(JSON.stringify({ listInt32: ints }))) as unknown as { listInt32: number[] };
    assert.deepEqual(list.listInt32, ints);
    const children = Array.from({ length: 20_000 }, (_, i) => ({ aString: `n${i}`, children: [{ aInt32: i }] }));
    const nested = fromBinary(All, read(JSON.stringify({ children }))) as unknown as {
      children: { aString: string; children: { aInt32: number }[] }[];
    };
    assert.deepEqual(
      nested.children.map((child) => [child.aString, child.children[0]?.aInt32]),
      children.map((child) => [child.aString, child.children[0]?.aInt32]),
    );
    const map = Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`key ${i}`, `value ${i}`]));
    const entries = fromBinary(All, read(JSON.stringify({ keyString: map, struct: map }))) as unknown as {
      keyString: object;
    };
    assert.deepEqual({ ...entries.keyString }, map);
  });
});

describe("JSON readers: hostile descriptors", () => {
  const names = [
    '"];throw 1;//',
    "`${process.exit(1)}`",
    "*/}",
    "\u2028",
    "a\\",
    "'+x+'",
    "</script>",
    "é",
    ")",
    "\n",
    "x".repeat(5000),
  ];
  const set = create(FileDescriptorSetSchema, {
    file: [
      create(FileDescriptorProtoSchema, {
        name: "hostile.proto",
        package: "p",
        syntax: "proto3",
        messageType: [
          {
            name: "M",
            field: names.map((jsonName, i) => ({ name: `f${i}`, jsonName, number: i + 1, type: 9, label: 1 })),
          },
        ],
      }),
    ],
  });

  it("puts no name into the code that it generates", () => {
    const hostile = createFileRegistry(set);
    const desc = hostile.getMessage("p.M");
    assert.ok(desc !== undefined);
    const readers = createJsonReaders(hostile, defaultJsonOptions);
    const json = JSON.stringify(Object.fromEntries(names.map((name, i) => [name, `v${i}`])));
    const bytes = read(json, readers, desc);
    const expected = names.map((_, i) =>
      Buffer.concat([Buffer.from([((i + 1) << 3) | 2]), Buffer.from([`v${i}`.length]), Buffer.from(`v${i}`)]),
    );
    assert.deepEqual(bytes, Buffer.concat(expected));
  });

  it("keeps names with one hash apart", () => {
    // "Aa" and "BB" hash alike, and so does every string made of them.
    const colliding = ["AaAa", "AaBB", "BBAa", "BBBB"];
    const file = create(FileDescriptorProtoSchema, {
      name: "h.proto",
      package: "h",
      syntax: "proto3",
      messageType: [
        {
          name: "M",
          field: colliding.slice(0, 3).map((name, i) => ({ name, jsonName: name, number: i + 1, type: 5, label: 1 })),
        },
      ],
    });
    const hashed = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
    const desc = hashed.getMessage("h.M");
    assert.ok(desc !== undefined);
    const readers = createJsonReaders(hashed, defaultJsonOptions);
    assert.equal(read('{"BBAa":3,"AaAa":1,"AaBB":2}', readers, desc).toString("hex"), "180308011002");
    assert.throws(() => read('{"BBBB":1}', readers, desc), { code: "FIELD_UNKNOWN" });
  });
});
