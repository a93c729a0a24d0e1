import {
  Edition,
  FeatureSet_EnumType as EnumType,
  FeatureSet_FieldPresence as FieldPresence,
  FeatureSet_JsonFormat as JsonFormat,
  FeatureSet_MessageEncoding as MessageEncoding,
  FeatureSet_RepeatedFieldEncoding as RepeatedFieldEncoding,
  FeatureSet_VisibilityFeature_DefaultSymbolVisibility as DefaultVisibility,
  type FeatureSet,
  type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import type { ProtoSymbol } from "./symbols.ts";

/** The features that decide how a .proto file is understood; generators know more. */
export interface Features {
  readonly fieldPresence: FieldPresence;
  readonly enumType: EnumType;
  readonly repeatedFieldEncoding: RepeatedFieldEncoding;
  readonly messageEncoding: MessageEncoding;
  readonly jsonFormat: JsonFormat;
  readonly defaultSymbolVisibility: DefaultVisibility;
}

// edition_defaults of google/protobuf/descriptor.proto.
const PROTO2: Features = {
  fieldPresence: FieldPresence.EXPLICIT,
  enumType: EnumType.CLOSED,
  repeatedFieldEncoding: RepeatedFieldEncoding.EXPANDED,
  messageEncoding: MessageEncoding.LENGTH_PREFIXED,
  jsonFormat: JsonFormat.LEGACY_BEST_EFFORT,
  defaultSymbolVisibility: DefaultVisibility.EXPORT_ALL,
};
const EDITION_2023: Features = {
  ...PROTO2,
  enumType: EnumType.OPEN,
  repeatedFieldEncoding: RepeatedFieldEncoding.PACKED,
  jsonFormat: JsonFormat.ALLOW,
};
const PROTO3: Features = { ...EDITION_2023, fieldPresence: FieldPresence.IMPLICIT };
const EDITION_2024: Features = { ...EDITION_2023, defaultSymbolVisibility: DefaultVisibility.EXPORT_TOP_LEVEL };

/** The edition of a file, with one for proto2 and proto3 each. */
export function editionOf(file: FileDescriptorProto): Edition {
  if (file.syntax === "editions") return file.edition;
  return file.syntax === "proto3" ? Edition.EDITION_PROTO3 : Edition.EDITION_PROTO2;
}

export function usesEditions(file: FileDescriptorProto): boolean {
  return file.syntax === "editions";
}

/** A feature as it holds for a symbol: set on it, on what is around it, on its file, or the edition's default. */
export function featureOf<Name extends keyof Features>(symbol: ProtoSymbol, name: Name): Features[Name] {
  for (let at: ProtoSymbol | undefined = symbol; at !== undefined; at = at.parent) {
    const value = explicitFeature(at.desc.options?.features, name);
    if (value !== undefined) return value;
  }
  const file = symbol.unit.proto;
  return explicitFeature(file.options?.features, name) ?? defaultsOf(file)[name];
}

function explicitFeature<Name extends keyof Features>(
  features: FeatureSet | undefined,
  name: Name,
): Features[Name] | undefined {
  // Zero is the "unknown" of every feature.
  return (features?.[name] || undefined) as Features[Name] | undefined;
}

function defaultsOf(file: FileDescriptorProto): Features {
  switch (editionOf(file)) {
    case Edition.EDITION_PROTO2:
      return PROTO2;
    case Edition.EDITION_PROTO3:
      return PROTO3;
    case Edition.EDITION_2023:
      return EDITION_2023;
    default:
      return EDITION_2024;
  }
}
