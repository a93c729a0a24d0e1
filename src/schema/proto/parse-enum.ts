import { create } from "@bufbuild/protobuf";
import {
  EnumDescriptorProtoSchema,
  EnumDescriptorProto_EnumReservedRangeSchema,
  EnumValueDescriptorProtoSchema,
  SymbolVisibility,
  type EnumDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { addOptions, joinName, parseBlock, type ParseContext } from "./parse-context.ts";
import { parseBracketOptions, parseOptionStatement } from "./parse-option.ts";
import { parseReserved } from "./parse-reserved.ts";
import type { OptionStatement } from "./unit.ts";

const MAX_INT32 = 2 ** 31 - 1;

/** `enum Name { option…; NAME = 1 [options]; reserved…; }` */
export function parseEnum(
  context: ParseContext,
  site: { into: EnumDescriptorProto[]; scope: string; visibility: SymbolVisibility },
): void {
  const { cursor } = context;
  cursor.expect("enum");
  const { text: name, offset } = cursor.expectIdentifier("the name of an enum");
  const enumeration = create(EnumDescriptorProtoSchema, { name });
  if (site.visibility !== SymbolVisibility.VISIBILITY_UNSET) enumeration.visibility = site.visibility;
  context.offsets.set(enumeration, offset);
  site.into.push(enumeration);
  const statements: OptionStatement[] = [];
  parseBlock(context, `enum "${name}"`, () => {
    if (cursor.at("option")) statements.push(parseOptionStatement(cursor));
    else if (cursor.at("reserved")) parseEnumReserved(context, enumeration);
    else parseEnumValue(context, enumeration, site.scope);
  });
  addOptions(context, { owner: enumeration, kind: "EnumOptions", scope: joinName(site.scope, name), statements });
}

function parseEnumReserved(context: ParseContext, enumeration: EnumDescriptorProto): void {
  parseReserved(context, {
    names: enumeration.reservedName,
    signed: true,
    addRange: (start, end, offset) => {
      // The end of an enum's range is part of it.
      const range = create(EnumDescriptorProto_EnumReservedRangeSchema, { start, end: end ?? MAX_INT32 });
      context.offsets.set(range, offset);
      enumeration.reservedRange.push(range);
    },
  });
}

function parseEnumValue(context: ParseContext, enumeration: EnumDescriptorProto, outerScope: string): void {
  const { cursor } = context;
  const { text: name, offset } = cursor.expectIdentifier("the name of an enum value");
  cursor.expect("=", ` and a number after "${name}"`);
  const number = cursor.expectInt32("the number of an enum value", true);
  const value = create(EnumValueDescriptorProtoSchema, { name, number });
  context.offsets.set(value, offset);
  enumeration.value.push(value);
  // Values are siblings of their enum, not children (C++ scoping).
  const scope = joinName(outerScope, name);
  const statements = cursor.at("[") ? parseBracketOptions(cursor) : [];
  addOptions(context, { owner: value, kind: "EnumValueOptions", scope, statements });
  cursor.expect(";", " after the enum value");
}
