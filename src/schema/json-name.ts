import type { FieldDescriptorProto } from "@bufbuild/protobuf/wkt";

/** Sets the JSON name where a descriptor leaves it out; protoc writes it for every field of a descriptor set. */
export function fillJsonName(field: FieldDescriptorProto): void {
  if (!Object.hasOwn(field, "jsonName")) field.jsonName = jsonNameOf(field.name);
}

/** `foo_bar` -> `fooBar`, as protoc's ToJsonName(). */
export function jsonNameOf(name: string): string {
  return name.replace(/_+([a-z]?)/g, (_, letter: string) => letter.toUpperCase());
}
