import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { didYouMean } from "../core/suggest.ts";

/** Steps of a path that are followed: as deep as a body may be. */
const MAX_STEPS = 100;

/** The fields from a message down to a value, never empty; or why a path leads nowhere. */
export type FieldPath =
  | { readonly fields: readonly DescField[] }
  | { readonly code: "FIELD_INVALID" | "FIELD_UNKNOWN"; readonly reason: string };

/**
 * Follows a path such as `book.author.name` from a message; each step is a field's JSON or proto name. All but the last
 * are singular messages; the last may be any field.
 */
export function resolveFieldPath(message: DescMessage, path: string): FieldPath {
  const fields: DescField[] = [];
  const names = path.split(".", MAX_STEPS + 1);
  if (names.length > MAX_STEPS) return { code: "FIELD_INVALID", reason: `deeper than ${MAX_STEPS} fields` };
  let desc: DescMessage | undefined = message;
  for (const name of names) {
    const last = fields.at(-1);
    if (desc === undefined) return { code: "FIELD_INVALID", reason: `${last?.name} ${noFieldsReason(last)}` };
    const field = fieldOf(desc, name);
    if (field === undefined) {
      const known = desc.fields.flatMap((candidate) => [candidate.name, candidate.jsonName]);
      return { code: "FIELD_UNKNOWN", reason: `unknown field "${name.slice(0, 100)}"${didYouMean(name, known)}` };
    }
    fields.push(field);
    desc = field.fieldKind === "message" && !isValueLike(field.message) ? field.message : undefined;
  }
  return { fields };
}

const fieldsByName = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The field that a client means by `name`, JSON or proto; where two fields lay claim to it, it is its own field's. */
export function fieldOf(desc: DescMessage, name: string): DescField | undefined {
  let byName = fieldsByName.get(desc);
  if (byName === undefined) {
    const proto = desc.fields.map((field) => [field.name, field] as const);
    byName = new Map([...desc.fields.map((field) => [field.jsonName, field] as const), ...proto]);
    fieldsByName.set(desc, byName);
  }
  return byName.get(name);
}

// Messages that JSON writes as one scalar.
const VALUE_LIKE: ReadonlySet<string> = new Set([
  "google.protobuf.Timestamp",
  "google.protobuf.Duration",
  "google.protobuf.FieldMask",
]);

/** Whether a message is written as one plain value, in a parameter too: Timestamp, Duration, FieldMask, wrappers. */
export function isValueLike(desc: DescMessage): boolean {
  return VALUE_LIKE.has(desc.typeName) || isWrapperDesc(desc);
}

function noFieldsReason(field: DescField | undefined): string {
  if (field?.fieldKind === "map") return "is a map; set its entries in a body";
  if (field?.fieldKind === "list") return "is repeated; set fields of its items in a body";
  return "has no fields";
}
