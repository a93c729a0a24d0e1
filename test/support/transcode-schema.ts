// Message types for tests of transcoding, built without a compiler: every field kind, in proto3 and in proto2.

import { create, createFileRegistry, type DescField, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  type FieldDescriptorProto,
} from "@bufbuild/protobuf/wkt";

/** The files of the well-known types. */
export const WELL_KNOWN = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
].map((file) => file.proto);

interface FieldOptions {
  readonly typeName?: string;
  readonly repeated?: boolean;
  readonly packed?: boolean;
  readonly optional?: boolean;
  readonly oneofIndex?: number;
  readonly extendee?: string;
}

function field(name: string, number: number, type: Type, options: FieldOptions = {}): FieldDescriptorProto {
  const made = create(FieldDescriptorProtoSchema, {
    name,
    number,
    type,
    label: options.repeated ? Label.REPEATED : Label.OPTIONAL,
    jsonName: protoCamelCase(name),
  });
  if (options.typeName !== undefined) made.typeName = options.typeName;
  if (options.oneofIndex !== undefined) made.oneofIndex = options.oneofIndex;
  if (options.optional) made.proto3Optional = true;
  if (options.extendee !== undefined) made.extendee = options.extendee;
  if (options.packed !== undefined) {
    made.options = { $typeName: "google.protobuf.FieldOptions", packed: options.packed } as never;
  }
  return made;
}

const SCALARS = [
  ["double", Type.DOUBLE],
  ["float", Type.FLOAT],
  ["int64", Type.INT64],
  ["uint64", Type.UINT64],
  ["int32", Type.INT32],
  ["fixed64", Type.FIXED64],
  ["fixed32", Type.FIXED32],
  ["bool", Type.BOOL],
  ["string", Type.STRING],
  ["bytes", Type.BYTES],
  ["uint32", Type.UINT32],
  ["sfixed32", Type.SFIXED32],
  ["sfixed64", Type.SFIXED64],
  ["sint32", Type.SINT32],
  ["sint64", Type.SINT64],
] as const;

/** Names of the scalar kinds: `All` has a field of each, `a_<kind>`, `opt_<kind>`, `list_<kind>`, and maps by kind. */
export const scalarKinds: readonly string[] = SCALARS.map(([name]) => name);
/** Kinds that a map's key may have: `All` has `key_<kind>` of strings. */
export const keyKinds: readonly string[] = scalarKinds.filter((kind) => !/double|float|bytes/.test(kind));

const WRAPPERS = ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"];

function mapEntry(name: string, key: Type, value: FieldDescriptorProto) {
  return { name, field: [field("key", 1, key), value], options: { mapEntry: true } };
}

function entryName(fieldName: string): string {
  const camel = protoCamelCase(fieldName);
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
}

const keyTypes = SCALARS.filter(([name]) => keyKinds.includes(name));
const google = (name: string): string => `.google.protobuf.${name}`;

const proto3 = create(FileDescriptorProtoSchema, {
  name: "test/v1/all.proto",
  package: "test.v1",
  syntax: "proto3",
  dependency: WELL_KNOWN.map((file) => file.name),
  enumType: [
    {
      name: "Color",
      value: [
        { name: "COLOR_UNSPECIFIED", number: 0 },
        { name: "RED", number: 1 },
        { name: "GREEN", number: 2 },
        { name: "BELOW", number: -1 },
      ],
    },
  ],
  messageType: [
    {
      name: "All",
      field: [
        ...SCALARS.map(([name, type], i) => field(`a_${name}`, 1 + i, type)),
        ...SCALARS.map(([name, type], i) => field(`opt_${name}`, 21 + i, type, { optional: true, oneofIndex: 1 + i })),
        ...SCALARS.map(([name, type], i) => field(`list_${name}`, 41 + i, type, { repeated: true })),
        ...keyTypes.map(([name], i) =>
          field(`key_${name}`, 61 + i, Type.MESSAGE, {
            repeated: true,
            typeName: `.test.v1.All.${entryName(`key_${name}`)}`,
          }),
        ),
        ...WRAPPERS.map((name, i) =>
          field(`w_${name.toLowerCase()}`, 81 + i, Type.MESSAGE, { typeName: google(`${name}Value`) }),
        ),
        field("color", 100, Type.ENUM, { typeName: ".test.v1.Color" }),
        field("colors", 101, Type.ENUM, { typeName: ".test.v1.Color", repeated: true }),
        field("color_by_name", 102, Type.MESSAGE, { repeated: true, typeName: ".test.v1.All.ColorByNameEntry" }),
        field("child_by_name", 103, Type.MESSAGE, { repeated: true, typeName: ".test.v1.All.ChildByNameEntry" }),
        field("child", 104, Type.MESSAGE, { typeName: ".test.v1.All" }),
        field("children", 105, Type.MESSAGE, { typeName: ".test.v1.All", repeated: true }),
        field("pick_text", 110, Type.STRING, { oneofIndex: 0 }),
        field("pick_number", 111, Type.INT32, { oneofIndex: 0 }),
        field("pick_child", 112, Type.MESSAGE, { oneofIndex: 0, typeName: ".test.v1.All" }),
        field("pick_null", 113, Type.ENUM, { oneofIndex: 0, typeName: google("NullValue") }),
        field("pick_color", 114, Type.ENUM, { oneofIndex: 0, typeName: ".test.v1.Color" }),
        field("time", 120, Type.MESSAGE, { typeName: google("Timestamp") }),
        field("duration", 121, Type.MESSAGE, { typeName: google("Duration") }),
        field("mask", 122, Type.MESSAGE, { typeName: google("FieldMask") }),
        field("struct", 123, Type.MESSAGE, { typeName: google("Struct") }),
        field("value", 124, Type.MESSAGE, { typeName: google("Value") }),
        field("list_value", 125, Type.MESSAGE, { typeName: google("ListValue") }),
        field("null_value", 126, Type.ENUM, { typeName: google("NullValue") }),
        field("any", 127, Type.MESSAGE, { typeName: google("Any") }),
        field("empty", 128, Type.MESSAGE, { typeName: google("Empty") }),
        field("times", 130, Type.MESSAGE, { typeName: google("Timestamp"), repeated: true }),
        field("values", 131, Type.MESSAGE, { typeName: google("Value"), repeated: true }),
        field("w_list", 132, Type.MESSAGE, { typeName: google("Int32Value"), repeated: true }),
        field("anys", 133, Type.MESSAGE, { typeName: google("Any"), repeated: true }),
        field("far_away", 536_870_911, Type.INT32),
      ],
      nestedType: [
        ...keyTypes.map(([name, type]) => mapEntry(entryName(`key_${name}`), type, field("value", 2, Type.STRING))),
        mapEntry("ColorByNameEntry", Type.STRING, field("value", 2, Type.ENUM, { typeName: ".test.v1.Color" })),
        mapEntry("ChildByNameEntry", Type.STRING, field("value", 2, Type.MESSAGE, { typeName: ".test.v1.All" })),
      ],
      oneofDecl: [{ name: "pick" }, ...SCALARS.map(([name]) => ({ name: `_opt_${name}` }))],
    },
    // Names that a careless generator would trip over.
    {
      name: "Odd",
      field: ["constructor", "__proto__", "toString", "hasOwnProperty", "prototype", "while", "o", "I"].map(
        (name, i) => ({
          ...field(name, 1 + i, Type.STRING),
          jsonName: name,
        }),
      ),
    },
  ],
});

const proto2 = create(FileDescriptorProtoSchema, {
  name: "test/v1/old.proto",
  package: "test.v1",
  syntax: "proto2",
  enumType: [
    {
      name: "Closed",
      value: [
        { name: "ONE", number: 1 },
        { name: "TWO", number: 2 },
      ],
    },
  ],
  messageType: [
    {
      name: "Old",
      field: [
        field("a_int32", 1, Type.INT32),
        field("a_string", 2, Type.STRING),
        field("closed", 3, Type.ENUM, { typeName: ".test.v1.Closed" }),
        field("closeds", 4, Type.ENUM, { typeName: ".test.v1.Closed", repeated: true }),
        field("list_int32", 5, Type.INT32, { repeated: true }),
        field("packed_int32", 6, Type.INT32, { repeated: true, packed: true }),
        field("data", 7, Type.GROUP, { typeName: ".test.v1.Old.Data" }),
        field("datas", 8, Type.GROUP, { typeName: ".test.v1.Old.Data", repeated: true }),
      ],
      nestedType: [
        {
          name: "Data",
          field: [field("a_string", 1, Type.STRING), field("old", 2, Type.MESSAGE, { typeName: ".test.v1.Old" })],
        },
      ],
      extensionRange: [{ start: 100, end: 200 }],
    },
  ],
  extension: [
    field("ext_int32", 100, Type.INT32, { extendee: ".test.v1.Old" }),
    field("ext_old", 101, Type.MESSAGE, { extendee: ".test.v1.Old", typeName: ".test.v1.Old" }),
    field("ext_list", 102, Type.STRING, { extendee: ".test.v1.Old", repeated: true }),
  ],
});

export const registry: FileRegistry = createFileRegistry(
  create(FileDescriptorSetSchema, { file: [...WELL_KNOWN, proto3, proto2] }),
);

/** A message type by name; without a dot, of package test.v1. */
export function messageType(name: string): DescMessage {
  const desc = registry.getMessage(name.includes(".") ? name : `test.v1.${name}`);
  if (desc === undefined) throw new Error(`no message ${name}`);
  return desc;
}

/** A field by its proto name. */
export function fieldOf(desc: DescMessage, name: string): DescField {
  const found = desc.fields.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found;
}
