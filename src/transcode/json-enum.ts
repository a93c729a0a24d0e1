import type { DescEnum, DescEnumValue } from "@bufbuild/protobuf";

/**
 * The names of an enum's values without the enum's own name in front, which the scoping rules of protobuf make usual:
 * `RED` for `COLOR_RED` of Color; `HTTP_METHOD_` and `HTTPMETHOD_` are both the name of HTTPMethod. A value is left out
 * where the rest does not begin with a letter, is or becomes another value's name, or where it has a JSON name of its
 * own.
 */
export function strippedNames(desc: DescEnum): ReadonlyMap<DescEnumValue, string> {
  const letters = [...desc.name.replaceAll("_", "")];
  const prefix = new RegExp(`^_*${letters.join("_*")}_+(?=[A-Za-z])`, "i");
  const taken = new Map<string, number>();
  const take = (name: string): unknown => taken.set(name, (taken.get(name) ?? 0) + 1);
  const stripped = new Map<DescEnumValue, string>();
  for (const value of desc.values) {
    for (const name of new Set([value.name, value.jsonName])) take(name);
    const rest = value.name.replace(prefix, "");
    if (rest === value.name || value.jsonName !== value.name) continue;
    take(rest);
    stripped.set(value, rest);
  }
  for (const [value, name] of stripped) if (taken.get(name) !== 1) stripped.delete(value);
  return stripped;
}
