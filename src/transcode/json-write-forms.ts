// How values look in JSON by a route's options: what is fixed text goes into generated code.
import type { DescEnum, DescEnumValue } from "@bufbuild/protobuf";
import { strippedNames } from "./json-enum.ts";
import { defaultJson, type ValueType } from "./json-write-snippets.ts";
import type { JsonOptions } from "./options.ts";

export const NULL_VALUE = "google.protobuf.NullValue";

/** How values look. */
export interface ValueForms {
  readonly int64: JsonOptions["int64"];
  readonly enums: JsonOptions["enums"];
  /** JSON text of an enum's value; of undefined, which is an empty enum's first value, `null`. */
  readonly enumJson: (value: DescEnumValue | undefined) => string;
}

/** How values look by a route's options. */
export function createForms({ int64, enums, enumPrefix }: JsonOptions): ValueForms {
  const stripped = new Map<DescEnum, ReadonlyMap<DescEnumValue, string>>();
  const nameOf = (value: DescEnumValue): string => {
    if (enumPrefix === "keep") return value.jsonName;
    const names = stripped.get(value.parent) ?? strippedNames(value.parent);
    stripped.set(value.parent, names);
    return names.get(value) ?? value.jsonName;
  };
  return {
    int64,
    enums,
    enumJson(value) {
      if (value === undefined || value.parent.typeName === NULL_VALUE) return "null";
      return enums === "number" ? String(value.number) : quote(nameOf(value));
    },
  };
}

/** JSON text of a type's default. */
export function zeroJson(type: ValueType, { int64, enumJson }: ValueForms): string {
  return type.enum === undefined ? defaultJson(type, int64) : enumJson(type.enum.values[0]);
}

/** JSON text of a name, in ASCII. */
export function quote(name: string): string {
  return JSON.stringify(name).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
