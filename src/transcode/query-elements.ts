// Parameters that name elements of lists and maps. Unlike singular messages, which protobuf merges, an element has to
// be written as a whole: so all parameters are gathered first, and written in the order of the elements.

import { fieldError } from "../core/errors.ts";
import { MAX_STEPS, type Selector } from "./field-path.ts";
import { shorten } from "./json-read-error.ts";
import { loadText } from "./json-read-input.ts";
import { closeMessage, openMessage, writeText, type Container, type Target } from "./query-target.ts";
import { ROOM, wire } from "./wire.ts";

/** Indexes go from 0 without gaps, so that no more are of use than there may be parameters. */
export const MAX_PARAMETERS = 1000;

/** As much of a target as tells whether it may be set. */
type Taken = Pick<Target, "kind" | "id" | "oneofs" | "isRepeated"> | Pick<Container, "kind" | "id" | "oneofs">;

/** What parameters say of one message: the request's, or one that is an element. */
export class Scope {
  /** Fields from the request's message down to this one. */
  readonly depth: number;
  /** By id of a field: 0 where it is set by itself, 1 where its elements are; by id of a oneof: the member. */
  private readonly given = new Map<string, number>();
  // Most requests have neither.
  private values: { readonly target: Target; readonly text: string; readonly name: string }[] | undefined;
  private elements: Map<Container, Map<string, Element>> | undefined;

  constructor(depth: number) {
    this.depth = depth;
  }

  /** Keeps a value to be written. */
  addValue(target: Target, text: string, name: string): void {
    (this.values ??= []).push({ target, text, name });
  }

  /** Takes note that a parameter sets a field; a second value is refused where one is taken, and so is a second member of a oneof. */
  take(target: Taken, name: string): void {
    const { id, oneofs } = target;
    const before = this.given.get(id);
    const now = target.kind === "container" ? 1 : 0;
    if (before !== undefined) {
      if (before !== now) throw invalid(name, `given both with and without brackets`);
      if (target.kind === "field" && !target.isRepeated) throw invalid(name, "given twice");
    } else this.given.set(id, now);
    for (const oneof of oneofs) {
      const other = this.given.get(oneof.id) ?? oneof.member;
      if (other !== oneof.member) {
        const oneofName = oneof.id.slice(oneof.id.indexOf(" ") + 1);
        throw invalid(name, `another field of oneof "${oneofName}" is given too`);
      }
      this.given.set(oneof.id, oneof.member);
    }
  }

  /** The element that a parameter names; `take` was asked. */
  element(container: Container, selector: Selector, name: string): Element {
    const depth = this.depth + container.fields.length;
    if (depth >= MAX_STEPS) throw invalid(name, `deeper than ${MAX_STEPS} fields`);
    this.elements ??= new Map();
    let elements = this.elements.get(container);
    if (elements === undefined) this.elements.set(container, (elements = new Map()));
    const key = keyOf(container, selector, name);
    let element = elements.get(key);
    if (element === undefined) elements.set(key, (element = new Element(key, selector, name, depth)));
    return element;
  }

  /** Appends all that was gathered to `wire`. */
  write(): void {
    for (const { target, text, name } of this.values ?? []) writeText(target, text, shorten(name, 200));
    for (const [container, elements] of this.elements ?? []) writeElements(container, elements);
  }
}

/** One item of a list, or one entry of a map: a value of its own, or a message. */
class Element {
  readonly key: string;
  readonly selector: Selector;
  /** The parameter that named it first. */
  readonly name: string;
  readonly scope: Scope;
  text: string | undefined;

  constructor(key: string, selector: Selector, name: string, depth: number) {
    this.key = key;
    this.selector = selector;
    this.name = name;
    this.scope = new Scope(depth);
  }

  setText(text: string, name: string): void {
    if (this.text !== undefined) throw invalid(name, "given twice");
    this.text = text;
  }
}

/** What is equal where two selectors mean one element: the bytes of a map's key with its tag, or an item's index. */
function keyOf(container: Container, selector: Selector, name: string): string {
  if (typeof selector === "number") {
    if (selector >= MAX_PARAMETERS) throw invalid(name, `index ${selector} is above ${MAX_PARAMETERS - 1}`);
    return `#${selector}`;
  }
  loadText(selector, shorten(name, 200));
  wire.grow(wire.length, ROOM);
  const end = container.writeKey?.(wire.length) ?? wire.length;
  return wire.bytes.latin1Slice(wire.length, end);
}

function writeElements(container: Container, elements: ReadonlyMap<string, Element>): void {
  const parents = container.fields.slice(0, -1);
  const opened = parents.map(openMessage);
  if (container.writeKey === undefined) writeItems(container, [...elements.values()]);
  else for (const element of elements.values()) writeEntry(container, element);
  for (let depth = parents.length - 1; depth >= 0; depth--) {
    closeMessage(parents[depth] as (typeof parents)[0], opened[depth] as number); // as long as each other
  }
}

function writeItems(container: Container, items: Element[]): void {
  items.sort((a, b) => Number(a.selector) - Number(b.selector));
  items.forEach((item, index) => {
    if (item.selector !== index) {
      throw invalid(item.name, `${container.field.name}[${index}] is missing; indices go from 0 without gaps`);
    }
    if (item.text !== undefined) return writeValue(container, item.text, item.name);
    const at = openMessage(container.field);
    item.scope.write();
    closeMessage(container.field, at);
  });
}

/** An entry is a message with the key as field 1 and the value as field 2. */
function writeEntry(container: Container, entry: Element): void {
  const at = openMessage(container.field);
  wire.grow(wire.length, entry.key.length + ROOM);
  wire.length += wire.bytes.latin1Write(entry.key, wire.length);
  if (entry.text !== undefined) writeValue(container, entry.text, entry.name);
  else {
    const inner = openMessage(ENTRY_VALUE);
    entry.scope.write();
    closeMessage(ENTRY_VALUE, inner);
  }
  closeMessage(container.field, at);
}

const ENTRY_VALUE = { number: 2 };

function writeValue(container: Container, text: string, name: string): void {
  loadText(text, shorten(name, 200));
  wire.grow(wire.length, ROOM);
  wire.length = container.writeText?.(wire.length) ?? wire.length;
}

function invalid(name: string, reason: string): Error {
  return fieldError("FIELD_INVALID", shorten(name, 200), reason);
}
