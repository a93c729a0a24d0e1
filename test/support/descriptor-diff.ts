import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { isMessage } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";

/**
 * How two messages of one type differ, one line per difference such as `message_type[0].field[1].number: 1 != 2`:
 * presence counts, and unknown fields are compared byte by byte and in order.
 */
export function diffMessages(schema: DescMessage, ours: Message, theirs: Message): string[] {
  const differences: string[] = [];
  const left = flatten(reflect(schema, ours));
  const right = flatten(reflect(schema, theirs));
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(key) ?? "nothing", right.get(key) ?? "nothing"];
    if (a !== b) differences.push(`${key}: ${a} != ${b}`);
  }
  return differences;
}

/** Every value of a message by its path. */
function flatten(message: ReflectMessage, prefix = "", into = new Map<string, string>()): Map<string, string> {
  if (prefix !== "") into.set(prefix, "message");
  for (const field of message.fields) {
    if (message.isSet(field)) flattenField(message, field, `${prefix === "" ? "" : `${prefix}.`}${field.name}`, into);
  }
  for (const [index, unknown] of (message.getUnknown() ?? []).entries()) {
    into.set(`${prefix}.unknown[${index}]`, `${unknown.no} ${Buffer.from(unknown.data).toString("hex")}`);
  }
  return into;
}

function flattenField(message: ReflectMessage, field: DescField, path: string, into: Map<string, string>): void {
  const value: unknown = message.get(field);
  if (field.fieldKind === "list") {
    [...(value as Iterable<unknown>)].forEach((item, index) => flattenValue(item, `${path}[${index}]`, into));
  } else {
    flattenValue(value, path, into);
  }
}

function flattenValue(value: unknown, path: string, into: Map<string, string>): void {
  const inner = value as { message?: unknown } | null;
  if (typeof inner === "object" && inner !== null && isMessage(inner.message)) {
    flatten(value as ReflectMessage, path, into);
  } else if (value instanceof Uint8Array) {
    into.set(path, Buffer.from(value).toString("hex"));
  } else {
    into.set(path, typeof value === "string" ? JSON.stringify(value) : String(value));
  }
}
