import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { fieldError, type GatewayError } from "../core/errors.ts";
import { shorten } from "./json-read-error.ts";
import { Scope } from "./query-elements.ts";
import { createTargetFinder, writeText, type ElementTarget, type Target, type TargetFinder } from "./query-target.ts";
import type { EnumOptions } from "./scalar.ts";

export interface NameOptions {
  /** What is blamed where a name is empty; "query" where nothing is said. */
  readonly place?: "query" | "body";
  readonly message: DescMessage;
  /** Names that the message has no field for. */
  readonly unknown: "reject" | "ignore";
  readonly enums: EnumOptions;
  /** The field that the body sets, if it sets one; names may not reach into it. */
  readonly bodyField?: DescField | undefined;
  /** A field of the message that the caller wants to know of. */
  readonly watched?: DescField | undefined;
}

/** What names of fields lead to, compiled for one message and what its elements hold. */
export class FieldNames {
  readonly options: NameOptions;
  private readonly finders = new Map<DescMessage, TargetFinder>();

  constructor(options: NameOptions) {
    this.options = options;
  }

  /** What `path` names from a message; undefined for a name that is passed over. `name` is the whole of it. */
  find(message: DescMessage, path: string, name: string): Target | ElementTarget | undefined {
    let finder = this.finders.get(message);
    if (finder === undefined) this.finders.set(message, (finder = createTargetFinder(message, this.options.enums)));
    const found = finder.find(path);
    if (found.kind !== "problem") return found;
    if (found.code === "FIELD_UNKNOWN" && this.options.unknown === "ignore") return undefined;
    throw nameError(found.code, name === "" ? (this.options.place ?? "query") : name, found.reason);
  }
}

/**
 * What one query or form says of a message by names and plain text: singular fields are appended to `wire` at once,
 * elements of lists and maps with `write`. A repeated field is given by repetition or by index, any other once. Throws
 * FIELD_INVALID or FIELD_UNKNOWN.
 */
export class NamedValues {
  /** Whether the watched field was set. */
  sawWatched = false;
  readonly scope = new Scope(0);
  private readonly names: FieldNames;
  /** Paths of what was set, where the caller wants them. */
  private readonly paths: Set<string> | undefined;

  constructor(names: FieldNames, paths?: Set<string>) {
    this.names = names;
    this.paths = paths;
  }

  /** Undefined for a name that is passed over. */
  find(name: string): Target | ElementTarget | undefined {
    const { message, bodyField } = this.names.options;
    const target = this.names.find(message, name, name);
    if (target !== undefined && bodyField !== undefined && firstOf(target) === bodyField) {
      throw nameError("FIELD_INVALID", name, `${bodyField.name} is set by the body, not by parameters`);
    }
    return target;
  }

  set(target: Target | ElementTarget, text: string, name: string): void {
    this.note(target.kind === "field" ? target.fields : target.container.fields);
    if (target.kind === "element") return this.addToElement(this.scope, target, text, name);
    this.scope.take(target, name);
    writeText(target, text, shorten(name, 200));
  }

  /** Takes note that a field is set. */
  note(fields: readonly DescField[]): void {
    if (fields[0] === this.names.options.watched) this.sawWatched = true;
    this.paths?.add(fields.map((field) => field.name).join("."));
  }

  write(): void {
    this.scope.write();
  }

  /** Keeps the value of an element, or of a field in one. */
  private addToElement(scope: Scope, target: ElementTarget, text: string, name: string): void {
    const { container, selector, rest } = target;
    scope.take(container, name);
    const element = scope.element(container, selector, name);
    if (rest === "" || container.message === undefined) return element.setText(text, name);
    const inner = this.names.find(container.message, rest, name);
    if (inner === undefined) return;
    if (inner.kind === "element") return this.addToElement(element.scope, inner, text, name);
    element.scope.take(inner, name);
    element.scope.addValue(inner, text, name);
  }
}

function firstOf(target: Target | ElementTarget): DescField | undefined {
  return target.kind === "field" ? target.fields[0] : target.container.fields[0];
}

function nameError(code: "FIELD_INVALID" | "FIELD_UNKNOWN", name: string, reason: string): GatewayError {
  return fieldError(code, shorten(name, 200), reason);
}
