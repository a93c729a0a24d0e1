import type {
  DescriptorProto,
  EnumDescriptorProto,
  EnumValueDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
  MethodDescriptorProto,
  OneofDescriptorProto,
  ServiceDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import type { SourceText } from "./source.ts";

/**
 * One .proto file as the parser leaves it: its descriptor as far as one file can tell, and what the linker has to add
 * once all files are read (names to resolve, options to interpret), each with its place.
 */
export interface FileUnit {
  /** As imported, such as `google/api/http.proto`. */
  readonly name: string;
  readonly source: SourceText;
  readonly proto: FileDescriptorProto;
  readonly imports: readonly ImportStatement[];
  readonly references: readonly TypeReference[];
  readonly options: readonly OptionList[];
  /** Offset of the name of each declaration, keyed by its descriptor. */
  readonly offsets: ReadonlyMap<object, number>;
}

export interface ImportStatement {
  readonly name: string;
  readonly kind: "plain" | "public" | "weak" | "option";
  readonly offset: number;
}

/** A type name as written, in the descriptor that holds it. */
export type TypeReference =
  | TypeReferenceOf<"type", FieldDescriptorProto>
  | TypeReferenceOf<"extendee", FieldDescriptorProto>
  | TypeReferenceOf<"input", MethodDescriptorProto>
  | TypeReferenceOf<"output", MethodDescriptorProto>;

interface TypeReferenceOf<Role extends string, Owner> {
  readonly role: Role;
  readonly owner: Owner;
  /** Full name, without the package, of the element that refers; look-up starts in its parent. */
  readonly scope: string;
  readonly offset: number;
}

export type OptionsOwner =
  | FileDescriptorProto
  | DescriptorProto
  | FieldDescriptorProto
  | OneofDescriptorProto
  | EnumDescriptorProto
  | EnumValueDescriptorProto
  | ServiceDescriptorProto
  | MethodDescriptorProto
  | DescriptorProto["extensionRange"][number];

export type OptionsKind =
  | "FileOptions"
  | "MessageOptions"
  | "FieldOptions"
  | "OneofOptions"
  | "EnumOptions"
  | "EnumValueOptions"
  | "ServiceOptions"
  | "MethodOptions"
  | "ExtensionRangeOptions";

/** All options of one declaration. */
export interface OptionList {
  readonly owner: OptionsOwner;
  readonly kind: OptionsKind;
  /** As in TypeReference. */
  readonly scope: string;
  readonly statements: OptionStatement[];
}

/** `(my.option).field = value` */
export interface OptionStatement {
  readonly name: readonly OptionNamePart[];
  readonly value: Literal | Aggregate;
  readonly offset: number;
}

export interface OptionNamePart {
  readonly text: string;
  /** Written in parentheses. */
  readonly extension: boolean;
  readonly offset: number;
}

/** A number, word or string; `bytes` of a string are its content, adjacent strings joined. */
export type Literal =
  | { readonly kind: "word"; readonly text: string; readonly negative: boolean; readonly offset: number }
  | { readonly kind: "integer"; readonly value: bigint; readonly text: string; readonly offset: number }
  | { readonly kind: "float"; readonly value: number; readonly text: string; readonly offset: number }
  | { readonly kind: "string"; readonly bytes: Uint8Array; readonly text: string; readonly offset: number };

/** A message in protobuf's text format. */
export interface Aggregate {
  readonly kind: "aggregate";
  readonly fields: readonly AggregateField[];
  readonly offset: number;
}

export interface AggregateField {
  readonly name: string;
  /** `name`, `[my.extension]` or `[type.googleapis.com/my.Type]`. */
  readonly form: "field" | "extension" | "any";
  readonly offset: number;
  /** One value, or those of a list. */
  readonly values: readonly (Literal | Aggregate)[];
  readonly isList: boolean;
}
