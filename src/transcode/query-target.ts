import type { DescField, DescMessage } from "@bufbuild/protobuf";
import {
  fieldOf,
  nestedMessage,
  noTextReason,
  resolveFieldPath,
  type ContainerField,
  type PathProblem,
  type Selector,
} from "./field-path.ts";
import { loadText } from "./json-read-input.ts";
import type { Read } from "./json-read-scalar.ts";
import { compileKeyWriter, compileTextWriter, type EnumOptions } from "./scalar.ts";
import { close, ROOM, tagBytes, wire } from "./wire.ts";

/** The way from a message to a field: what two parameters are compared by. */
interface Way {
  readonly fields: readonly DescField[];
  /** Field numbers from the message down, joined; the same for every spelling of one path. */
  readonly id: string;
  /** The oneofs on the way, each by an id of its own, and which member this path takes. */
  readonly oneofs: readonly { readonly id: string; readonly member: number }[];
}

/** Where a parameter or path variable goes. */
export interface Target extends Way {
  readonly kind: "field";
  readonly write: Read;
  readonly isRepeated: boolean;
}

/** A list or map of which parameters name elements. */
export interface Container extends Way {
  readonly kind: "container";
  readonly field: ContainerField;
  /** Writes a map's key, tag included; undefined for lists. */
  readonly writeKey: Read | undefined;
  /** Writes an element that has plain text, tag included; in a map, the value of an entry. */
  readonly writeText: Read | undefined;
  /** What elements are into whose fields a path may go on. */
  readonly message: DescMessage | undefined;
}

/** One element of a list or map; `rest` is the path from there on, "" for the element itself. */
export interface ElementTarget {
  readonly kind: "element";
  readonly container: Container;
  readonly selector: Selector;
  readonly rest: string;
}

/** Finds what paths name from one message. */
export interface TargetFinder {
  find(path: string): Target | ElementTarget | PathProblem;
}

// Clients may spell one path in many ways; those that were seen first are remembered.
const MAX_REMEMBERED = 256;

export function createTargetFinder(message: DescMessage, enums: EnumOptions): TargetFinder {
  const targets = new Map<string, Target>();
  const containers = new Map<string, Container>();

  const containerOf = (fields: readonly DescField[], field: ContainerField): Container => {
    const way = wayOf(fields);
    let container = containers.get(way.id);
    if (container === undefined) {
      container = toContainer(way, field, enums);
      if (containers.size < MAX_REMEMBERED) containers.set(way.id, container);
    }
    return container;
  };

  return {
    find(path) {
      const known = targets.get(path);
      if (known !== undefined) return known;
      const found = resolveFieldPath(message, path);
      switch (found.kind) {
        case "problem":
          return found;
        case "element": {
          const { selector, rest } = found;
          const container = containerOf(found.fields, found.container);
          if (rest !== "" || container.writeText !== undefined) return { kind: "element", container, selector, rest };
          return { kind: "problem", code: "FIELD_INVALID", reason: noTextReason(found.container, true) };
        }
        case "field": {
          const target = toTarget(found.fields, enums);
          if (target.kind === "field" && targets.size < MAX_REMEMBERED) targets.set(path, target);
          return target;
        }
        default:
          return found satisfies never;
      }
    },
  };
}

/** Finds the field that a path variable or header names from `message`: one that takes one value. */
export function singularTargetOf(message: DescMessage, path: string, enums: EnumOptions): Target | PathProblem {
  let desc: DescMessage | undefined = message;
  for (const name of path.split(".")) {
    const field: DescField | undefined = desc && fieldOf(desc, name);
    if (field?.fieldKind === "list" || field?.fieldKind === "map") {
      const kind = field.fieldKind === "map" ? "a map" : "repeated";
      return {
        kind: "problem",
        code: "FIELD_INVALID",
        reason: `${field.name} is ${kind}; it takes more than one value`,
      };
    }
    desc = field?.message;
  }
  const found = resolveFieldPath(message, path);
  return found.kind === "field" ? toTarget(found.fields, enums) : (found as PathProblem); // an element has a container
}

function toTarget(fields: readonly DescField[], enums: EnumOptions): Target | PathProblem {
  const leaf = fields.at(-1) as DescField; // a path has at least one field
  const write = leaf.fieldKind === "map" ? undefined : compileTextWriter(leaf, enums);
  if (write === undefined) return { kind: "problem", code: "FIELD_INVALID", reason: noTextReason(leaf, false) };
  return { kind: "field", ...wayOf(fields), write, isRepeated: leaf.fieldKind === "list" };
}

function toContainer(way: Way, field: ContainerField, enums: EnumOptions): Container {
  return {
    kind: "container",
    ...way,
    field,
    writeKey: field.fieldKind === "map" ? compileKeyWriter(field.mapKey) : undefined,
    writeText: compileTextWriter(field, enums),
    message: nestedMessage(field),
  };
}

export function wayOf(fields: readonly DescField[]): Way {
  const ids = fields.map((_, depth) =>
    fields
      .slice(0, depth + 1)
      .map((field) => field.number)
      .join("."),
  );
  return {
    fields,
    id: ids.at(-1) ?? "",
    oneofs: fields.flatMap((field, depth) =>
      field.oneof === undefined ? [] : [{ id: `${ids[depth - 1] ?? ""} ${field.oneof.name}`, member: field.number }],
    ),
  };
}

// Where the length prefixes stand of the messages around a value.
const prefixes: number[] = [];

/**
 * Appends to `wire` the field at `target` with the value that `text` stands for, inside the messages that lead to it:
 * protobuf merges those with what was written before. `name` is what a violation blames.
 */
export function writeText({ fields, write }: Target, text: string, name: string): void {
  loadText(text, name);
  const last = fields.length - 1;
  for (let depth = 0; depth < last; depth++) prefixes[depth] = openMessage(fields[depth] as DescField);
  wire.grow(wire.length, ROOM);
  wire.length = write(wire.length);
  for (let depth = last - 1; depth >= 0; depth--) closeMessage(fields[depth] as DescField, prefixes[depth] as number);
}

/** As much of a field as it takes to write a message as its value. */
export interface MessageField {
  readonly number: number;
  /** Whether it is written as a group; not declared where there is no message. */
  readonly delimitedEncoding?: boolean;
}

/** Starts a message as a value of `field` at the end of `wire`; gives what `closeMessage` asks for. */
export function openMessage(field: MessageField): number {
  const o = writeTag(field.number, isGroup(field) ? 3 : 2, wire.length);
  wire.length = isGroup(field) ? o : o + 1;
  return o;
}

export function closeMessage(field: MessageField, opened: number): void {
  wire.length = isGroup(field) ? writeTag(field.number, 4, wire.length) : close(opened, wire.length);
}

function isGroup(field: MessageField): boolean {
  return field.delimitedEncoding === true;
}

function writeTag(number: number, wireType: number, o: number): number {
  const bytes = wire.grow(o, ROOM);
  for (const byte of tagBytes(number, wireType)) bytes[o++] = byte;
  return o;
}
