import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorSetSchema,
  MethodOptions_IdempotencyLevel as IdempotencyLevel,
  type DescriptorProto,
  type FileDescriptorProtoSchema,
  type FileDescriptorSet,
} from "@bufbuild/protobuf/wkt";
import { createSchema } from "../../../src/schema/registry.ts";

type File = MessageInitShape<typeof FileDescriptorProtoSchema>;

function setOf(...file: File[]): FileDescriptorSet {
  return create(FileDescriptorSetSchema, { file });
}

const field = { name: "a", number: 1, label: Label.OPTIONAL, type: Type.INT32 };
const message = { name: "M" };
const method = { name: "Do", inputType: ".p.M", outputType: ".p.M" };

describe("createSchema()", () => {
  it("takes files in any order", () => {
    const set = setOf(
      {
        name: "b.proto",
        package: "p",
        dependency: ["a.proto"],
        service: [{ name: "S", method: [method] }],
      },
      { name: "a.proto", package: "p", messageType: [message] },
    );
    assert.deepEqual([...createSchema(set).methods.keys()], ["p.S/Do"]);
  });

  it("tells of a method what callers need", () => {
    const set = setOf({
      name: "a.proto",
      package: "p",
      messageType: [message],
      service: [
        {
          name: "S",
          method: [
            { ...method, clientStreaming: true, options: { idempotencyLevel: IdempotencyLevel.IDEMPOTENT } },
            {
              ...method,
              name: "Read",
              serverStreaming: true,
              options: { idempotencyLevel: IdempotencyLevel.NO_SIDE_EFFECTS },
            },
          ],
        },
      ],
    });
    const [first, second] = [...createSchema(set, new Map([["p.S/Read", "a.proto:3:4"]])).methods.values()].map(
      ({ desc, ...rest }) => ({ ...rest, input: desc.input.typeName }),
    );
    assert.deepEqual(first, {
      rpc: "p.S/Do",
      path: "/p.S/Do",
      clientStreaming: true,
      serverStreaming: false,
      idempotency: "idempotent",
      httpRules: [],
      place: "a.proto",
      input: "p.M",
    });
    assert.deepEqual(
      [second?.serverStreaming, second?.idempotency, second?.place],
      [true, "no_side_effects", "a.proto:3:4"],
    );
  });

  it("takes places from source info", () => {
    const set = setOf({
      name: "a.proto",
      package: "p",
      messageType: [message],
      service: [{ name: "S", method: [method] }],
      sourceCodeInfo: {
        location: [
          { path: [6, 0], span: [2, 0, 5] },
          { path: [6, 0, 2, 0], span: [3, 2, 40] },
        ],
      },
    });
    assert.equal(createSchema(set).methods.get("p.S/Do")?.place, "a.proto:4:3");
  });

  it("fills in JSON names, which reflection leaves out", () => {
    const set = setOf({ name: "a.proto", messageType: [{ name: "M", field: [{ ...field, name: "foo_bar" }] }] });
    assert.equal(createSchema(set).registry.getMessage("M")?.fields[0]?.jsonName, "fooBar");
  });

  it("takes names that mean something to JavaScript", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype"];
    const fields = names.map((name, index) => ({ ...field, name, number: index + 1 }));
    const messages = names.map((name) => ({ name, field: fields }));
    const { registry } = createSchema(setOf({ name: "a.proto", messageType: messages }));
    for (const name of names) {
      assert.deepEqual(
        registry.getMessage(name)?.fields.map((one) => one.name),
        names,
      );
    }
  });

  const nested = (depth: number): DescriptorProto => {
    let inner = create(DescriptorProtoSchema, message);
    for (let level = 1; level < depth; level++)
      inner = create(DescriptorProtoSchema, { ...message, nestedType: [inner] });
    return inner;
  };
  const refused: [what: string, set: FileDescriptorSet, message: string][] = [
    [
      "a missing import",
      setOf({ name: "a.proto", dependency: ["b.proto"] }),
      'descriptors: file "a.proto" imports "b.proto", which is missing',
    ],
    [
      "imports in a circle",
      setOf({ name: "a.proto", dependency: ["b.proto"] }, { name: "b.proto", dependency: ["a.proto"] }),
      'descriptors: file "a.proto" imports itself, directly or through others',
    ],
    ["a file twice", setOf({ name: "a.proto" }, { name: "a.proto" }), 'descriptors: file "a.proto" is there twice'],
    [
      "one name in two files",
      setOf({ name: "a.proto", messageType: [message] }, { name: "b.proto", enumType: [message] }),
      'b.proto: "M" is already defined in "a.proto"',
    ],
    [
      "a field number twice",
      setOf({ name: "a.proto", messageType: [{ name: "M", field: [field, { ...field, name: "b" }] }] }),
      'a.proto: message "M" has two fields with number 1',
    ],
    [
      "a field name twice",
      setOf({ name: "a.proto", messageType: [{ name: "M", field: [field, { ...field, number: 2 }] }] }),
      'a.proto: message "M" has two fields "a"',
    ],
    [
      "field number 0",
      setOf({ name: "a.proto", messageType: [{ name: "M", field: [{ ...field, number: 0 }] }] }),
      'a.proto: field "M.a" has number 0',
    ],
    [
      "an rpc twice",
      setOf({
        name: "a.proto",
        package: "p",
        messageType: [message],
        service: [{ name: "S", method: [method, method] }],
      }),
      'a.proto: service "p.S" has two methods "Do"',
    ],
    [
      "an unknown type",
      setOf({
        name: "a.proto",
        messageType: [{ name: "M", field: [{ ...field, type: Type.MESSAGE, typeName: ".Missing" }] }],
      }),
      "descriptors: invalid FieldDescriptorProto: type_name .Missing not found",
    ],
    [
      "a field of a oneof that is not there",
      setOf({ name: "a.proto", messageType: [{ name: "M", field: [{ ...field, oneofIndex: 5 }] }] }),
      "descriptors: invalid FieldDescriptorProto: oneof #5 for field #1 not found",
    ],
    [
      "a name that is code",
      setOf({ name: "a.proto", messageType: [{ name: "M", field: [{ ...field, name: "a'];evil();//" }] }] }),
      'descriptors: a.proto: invalid field name "a\'];evil();//"',
    ],
    [
      "an unknown syntax",
      setOf({ name: "a.proto", syntax: "proto9" }),
      'descriptors: a.proto: unsupported syntax "proto9"',
    ],
    [
      "messages nested without end",
      setOf({ name: "a.proto", messageType: [nested(20_000)] }),
      "a.proto: messages are nested too deeply",
    ],
  ];
  for (const [what, set, expected] of refused) {
    it(`refuses ${what} with one error`, () => {
      assert.throws(() => createSchema(set), { code: "SCHEMA_INVALID", message: expected });
    });
  }

  it("refuses an rpc of an unknown message", () => {
    const set = setOf({ name: "a.proto", package: "p", service: [{ name: "S", method: [method] }] });
    assert.throws(() => createSchema(set), { code: "SCHEMA_INVALID" });
  });
});
