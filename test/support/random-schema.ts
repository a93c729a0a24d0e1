import { create, createFileRegistry, type DescField, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import {
  Edition,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FeatureSet_RepeatedFieldEncoding,
  type FeatureSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  type FieldDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { WELL_KNOWN } from "./transcode-schema.ts";

/** Where random choices come from. */
export interface Draw {
  /** A whole number in [min, max]. */
  int(min: number, max: number): number;
  pick<T>(from: readonly T[]): T;
  /** True this often in a hundred. */
  chance(percent: number): boolean;
}

const WRAPPERS = ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"];
const REFERRED = [
  ...["Any", "Duration", "Empty", "FieldMask", "Struct", "Value", "ListValue", "Timestamp"],
  ...WRAPPERS.map((name) => `${name}Value`),
].map((name) => `.google.protobuf.${name}`);

const SCALARS = [
  ...[Type.DOUBLE, Type.FLOAT, Type.INT64, Type.UINT64, Type.INT32, Type.FIXED64, Type.FIXED32, Type.BOOL],
  ...[Type.STRING, Type.BYTES, Type.UINT32, Type.SFIXED32, Type.SFIXED64, Type.SINT32, Type.SINT64],
];
const KEYS = SCALARS.filter((type) => type !== Type.DOUBLE && type !== Type.FLOAT && type !== Type.BYTES);

// The registry takes only identifiers for names in the .proto file.
const HOSTILE_NAMES = ["__proto__", "constructor", "toString", "o", "S", "_", "while", "x".repeat(33), "y".repeat(300)];
// No compiler lets all of these through; a descriptor set or a server's reflection may say anything. A backslash alone
// is not among them: once V8 14.6 has parsed `{"\\\\":1}`, JSON.parse takes `{"\\u0000":1}` for the same. Nor is
// "@type", which an Any of the message would have twice.
const HOSTILE_JSON_NAMES = [
  ...HOSTILE_NAMES,
  ...["value", "a b", "a.b", "[a.b]", '"', "'", "`${1}`", "*/", "\n", "\u0000", "é", "😀", "\u2028"],
  ...["\u007f", "},process.exit(),{", "z", "ü".repeat(40)],
];

type Syntax = "proto2" | "proto3" | "editions";

interface Context {
  readonly draw: Draw;
  readonly syntax: Syntax;
  readonly messages: readonly string[];
  readonly enums: readonly string[];
}

/** Messages and enums of every kind that descriptors can say, in package `r`, and the well-known types. */
export function randomSchema(draw: Draw): FileRegistry {
  const syntax = draw.pick<Syntax>(["proto2", "proto3", "editions"]);
  const messages = Array.from({ length: draw.int(1, 4) }, (_, index) => `.r.M${index}`);
  const enums = Array.from({ length: draw.int(1, 2) }, (_, index) => `.r.E${index}`);
  const context: Context = { draw, syntax, messages, enums };
  const made = messages.map((name) => randomMessage(context, name));
  const file = create(FileDescriptorProtoSchema, {
    name: "r.proto",
    package: "r",
    syntax,
    ...(syntax === "editions" ? { edition: Edition.EDITION_2023 } : {}),
    dependency: WELL_KNOWN.map((known) => known.name),
    messageType: made,
    enumType: enums.map((name) => randomEnum(context, name)),
    extension: syntax === "proto3" ? [] : randomExtensions(context),
  });
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...WELL_KNOWN, file] }));
}

/** The message types of `randomSchema`. */
export function messagesOf(registry: FileRegistry): DescMessage[] {
  return [...registry].filter((type) => type.kind === "message" && type.file.proto.package === "r") as DescMessage[];
}

function randomEnum({ draw, syntax }: Context, name: string) {
  const numbers = new Set([0]);
  for (let count = draw.int(0, 6); count > 0; count--) {
    numbers.add(draw.chance(70) ? draw.int(1, 8) : draw.pick([-1, -(2 ** 31), 2 ** 31 - 1, 255, 256, 300, 70_000]));
  }
  const shortName = name.slice(3);
  const prefix = draw.chance(50) ? `${shortName}_` : "";
  const isClosed = draw.chance(50);
  return {
    name: shortName,
    value: [...numbers].map((number, index) => ({
      name: `${prefix}${draw.chance(20) ? draw.pick(["v", "__proto__", "w".repeat(60)]) : "V"}${index}`,
      number,
    })),
    ...(syntax === "editions"
      ? { options: { features: { enumType: isClosed ? FeatureSet_EnumType.CLOSED : FeatureSet_EnumType.OPEN } } }
      : {}),
  };
}

function randomMessage(context: Context, fullName: string) {
  const { draw, syntax } = context;
  const names = new Set<string>();
  const numbers = new Set<number>();
  const nested: { name: string; field: FieldDescriptorProto[]; options: { mapEntry: true } }[] = [];
  const oneofs = draw.int(0, 2);
  const used = new Set<number>();
  const field = Array.from({ length: draw.int(0, draw.chance(1) ? 90 : 9) }, (_, index) => {
    const made = randomField(context, { name: freshName(draw, names, index), number: freshNumber(draw, numbers) });
    made.jsonName = freshJsonName(draw, names, made.name);
    if (draw.chance(12)) {
      const entry = `Entry${index}`;
      nested.push({
        name: entry,
        field: [
          create(FieldDescriptorProtoSchema, { name: "key", number: 1, type: draw.pick(KEYS), label: Label.OPTIONAL }),
          { ...mapValue(made), name: "value", number: 2, jsonName: "value" },
        ],
        options: { mapEntry: true },
      });
      made.type = Type.MESSAGE;
      made.typeName = `${fullName}.${entry}`;
      made.label = Label.REPEATED;
      delete made.options;
    } else if (draw.chance(25)) {
      made.label = Label.REPEATED;
      encode(context, made);
    } else if (oneofs > 0 && draw.chance(25)) {
      made.oneofIndex = draw.int(0, oneofs - 1);
      used.add(made.oneofIndex);
      encode(context, made);
    } else if (syntax === "proto3" && draw.chance(25)) {
      made.proto3Optional = true;
    } else encode(context, made);
    return made;
  });
  // A oneof without members is none; those of proto3's optional fields come last.
  const kept = [...used].sort((one, other) => one - other);
  for (const made of field) if (isMember(made)) made.oneofIndex = kept.indexOf(made.oneofIndex);
  let synthetic = kept.length;
  for (const made of field) if (made.proto3Optional) made.oneofIndex = synthetic++;
  return {
    name: fullName.slice(3),
    field,
    nestedType: nested,
    oneofDecl: Array.from({ length: synthetic }, (_, index) => ({ name: `pick${index}` })),
    ...(syntax === "proto3" ? {} : { extensionRange: [{ start: 100, end: 120 }] }),
  };
}

function isMember(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex");
}

function mapValue(field: FieldDescriptorProto): FieldDescriptorProto {
  if (field.type === Type.GROUP) field.type = Type.MESSAGE;
  return create(FieldDescriptorProtoSchema, { type: field.type, typeName: field.typeName, label: Label.OPTIONAL });
}

function randomField({ draw, syntax, messages, enums }: Context, { name, number }: { name: string; number: number }) {
  const field = create(FieldDescriptorProtoSchema, { name, number, label: Label.OPTIONAL });
  const kind = draw.int(0, 9);
  if (kind < 5) field.type = draw.pick(SCALARS);
  else if (kind < 6) {
    field.type = Type.ENUM;
    field.typeName = draw.chance(85) ? draw.pick(enums) : ".google.protobuf.NullValue";
  } else {
    field.type = Type.MESSAGE;
    field.typeName = draw.pick(kind < 8 ? messages : REFERRED);
    if (syntax === "proto2" && kind < 8 && draw.chance(30)) field.type = Type.GROUP;
  }
  return field;
}

/** Presence and encoding, where the syntax leaves a choice. */
function encode({ draw, syntax }: Context, field: FieldDescriptorProto): void {
  const isRepeated = field.label === Label.REPEATED;
  const isPackable = ![Type.STRING, Type.BYTES, Type.MESSAGE, Type.GROUP].includes(field.type);
  if (syntax !== "editions") {
    if (isRepeated && isPackable && draw.chance(50)) {
      field.options = create(FieldOptionsSchema, { packed: draw.chance(50) });
    }
    return;
  }
  const features: MessageInitShape<typeof FeatureSetSchema> = {};
  if (isRepeated && isPackable) {
    features.repeatedFieldEncoding = draw.pick([
      FeatureSet_RepeatedFieldEncoding.PACKED,
      FeatureSet_RepeatedFieldEncoding.EXPANDED,
    ]);
  } else if (field.type === Type.MESSAGE) {
    features.messageEncoding = draw.pick([
      FeatureSet_MessageEncoding.LENGTH_PREFIXED,
      FeatureSet_MessageEncoding.DELIMITED,
    ]);
  } else if (!isRepeated && !isMember(field)) {
    features.fieldPresence = draw.pick([FeatureSet_FieldPresence.EXPLICIT, FeatureSet_FieldPresence.IMPLICIT]);
  }
  field.options = create(FieldOptionsSchema, { features });
}

function randomExtensions(context: Context): FieldDescriptorProto[] {
  const { draw } = context;
  return Array.from({ length: draw.int(0, 4) }, (_, index) => {
    const made = randomField(context, { name: `x${index}`, number: 100 + index });
    made.extendee = draw.pick(context.messages);
    if (draw.chance(30)) made.label = Label.REPEATED;
    if (context.syntax === "editions" && made.type !== Type.MESSAGE && made.label !== Label.REPEATED) return made;
    encode(context, made);
    return made;
  });
}

function freshName(draw: Draw, names: Set<string>, index: number): string {
  const name = draw.chance(10) ? draw.pick(HOSTILE_NAMES) : draw.pick([`f${index}`, `field_${index}`, `F_${index}`]);
  return fresh(names, name, `other_${index}`);
}

function freshJsonName(draw: Draw, names: Set<string>, name: string): string {
  return fresh(names, draw.chance(10) ? draw.pick(HOSTILE_JSON_NAMES) : protoCamelCase(name), name);
}

function fresh(names: Set<string>, name: string, otherwise: string): string {
  const chosen = names.has(name) ? otherwise : name;
  names.add(chosen);
  return chosen;
}

function freshNumber(draw: Draw, numbers: Set<number>): number {
  for (;;) {
    const number = draw.chance(80) ? draw.int(1, 40) : draw.pick([draw.int(200, 5000), draw.int(20_000, 536_870_911)]);
    if (numbers.has(number)) continue;
    numbers.add(number);
    return number;
  }
}

/** The fields of a message and those that extensions add to it. */
export function allFieldsOf(registry: FileRegistry, message: DescMessage): readonly DescField[] {
  const extensions = [...registry].filter((type) => type.kind === "extension" && type.extendee === message);
  return [...message.fields, ...(extensions as unknown as DescField[])];
}
