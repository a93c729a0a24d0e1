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
import type { Problems } from "./source.ts";
import type { FileUnit } from "./unit.ts";

interface SymbolOf<Kind extends string, Desc> {
  readonly kind: Kind;
  /** Full name, without a leading dot. */
  readonly name: string;
  readonly unit: FileUnit;
  readonly desc: Desc;
  /** The message around it, the enum of a value, the service of a method. */
  readonly parent: ProtoSymbol | undefined;
}

export type MessageSymbol = SymbolOf<"message", DescriptorProto>;
export type EnumSymbol = SymbolOf<"enum", EnumDescriptorProto>;
export type FieldSymbol = SymbolOf<"field" | "extension", FieldDescriptorProto>;
export type ProtoSymbol =
  | MessageSymbol
  | EnumSymbol
  | FieldSymbol
  | SymbolOf<"package", FileDescriptorProto>
  | SymbolOf<"oneof", OneofDescriptorProto>
  | SymbolOf<"enum value", EnumValueDescriptorProto>
  | SymbolOf<"service", ServiceDescriptorProto>
  | SymbolOf<"rpc", MethodDescriptorProto>;

/** What a name means. */
export type Found =
  | { readonly symbol: ProtoSymbol }
  /** It exists in a file that is not imported. */
  | { readonly symbol: undefined; readonly hidden: ProtoSymbol }
  /** An inner scope took its first part, and has no such name. */
  | { readonly symbol: undefined; readonly taken: string }
  | { readonly symbol: undefined };

interface Visible {
  readonly names: ReadonlySet<FileUnit>;
  /** Imported by `import option`: only their extensions count. */
  readonly options: ReadonlySet<FileUnit>;
}

/** Every name of all files of one load, and which file sees which. */
export class SymbolTable {
  private readonly symbols = new Map<string, ProtoSymbol>();
  private readonly packageFiles = new Map<string, Set<FileUnit>>();
  private readonly visible = new Map<FileUnit, Visible>();

  /** `units` in an order that puts imports before importers. */
  constructor(units: readonly FileUnit[], problems: Problems) {
    const byName = new Map(units.map((unit) => [unit.name, unit]));
    for (const unit of units) {
      this.visible.set(unit, visibleFrom(unit, byName));
      new Definer(this.symbols, this.packageFiles, unit, problems).defineFile();
    }
  }

  /** By full name, whatever is imported. */
  get(name: string): ProtoSymbol | undefined {
    return this.symbols.get(name);
  }

  message(name: string): MessageSymbol | undefined {
    const found = this.symbols.get(name);
    return found?.kind === "message" ? found : undefined;
  }

  /** Every name that `unit` can refer to. */
  *namesVisibleFrom(unit: FileUnit): Iterable<ProtoSymbol> {
    for (const symbol of this.symbols.values()) if (this.sees(unit, symbol)) yield symbol;
  }

  /**
   * Resolves a name as C++ does (DescriptorBuilder::LookupSymbol): the first part of the name is looked for from the
   * innermost scope outwards, and once found decides where the rest has to be. `from` is the full name of what refers;
   * the search starts around it. With `typesOnly`, what is neither message nor enum hides nothing.
   */
  resolve(name: string, from: string, unit: FileUnit, typesOnly: boolean): Found {
    if (name.startsWith(".")) return this.find(name.slice(1), unit);
    const dot = name.indexOf(".");
    const first = dot < 0 ? name : name.slice(0, dot);
    let hidden: Found = { symbol: undefined };
    for (let scope = parentScope(from); scope !== ""; scope = parentScope(scope)) {
      const found = this.find(`${scope}.${first}`, unit);
      if ("hidden" in found) hidden = found;
      const { symbol } = found;
      if (symbol === undefined) continue;
      if (dot < 0) {
        if (!typesOnly || symbol.kind === "message" || symbol.kind === "enum") return { symbol };
      } else if (isScope(symbol)) {
        const whole = `${scope}.${name}`;
        const inner = this.find(whole, unit);
        return inner.symbol === undefined && !("hidden" in inner) ? { symbol: undefined, taken: whole } : inner;
      }
    }
    const found = this.find(name, unit);
    return found.symbol !== undefined || "hidden" in found ? found : hidden;
  }

  private find(name: string, unit: FileUnit): Found {
    const symbol = this.symbols.get(name);
    if (symbol === undefined) return { symbol };
    return this.sees(unit, symbol) ? { symbol } : { symbol: undefined, hidden: symbol };
  }

  private sees(unit: FileUnit, symbol: ProtoSymbol): boolean {
    const visible = this.visible.get(unit);
    if (visible === undefined) return false;
    if (symbol.kind !== "package") {
      return visible.names.has(symbol.unit) || (symbol.kind === "extension" && visible.options.has(symbol.unit));
    }
    for (const file of this.packageFiles.get(symbol.name) ?? []) {
      if (visible.names.has(file) || visible.options.has(file)) return true;
    }
    return false;
  }
}

/** The scope around a full name; "" is the outermost. */
function parentScope(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}

function isScope({ kind }: ProtoSymbol): boolean {
  return kind === "message" || kind === "enum" || kind === "package" || kind === "service";
}

/** The file itself, what it imports, and what those import publicly. */
function visibleFrom(unit: FileUnit, byName: ReadonlyMap<string, FileUnit>): Visible {
  const names = new Set([unit]);
  const options = new Set<FileUnit>();
  const follow = (name: string, into: Set<FileUnit>): void => {
    const imported = byName.get(name);
    if (imported === undefined || into.has(imported)) return;
    into.add(imported);
    for (const { name: next, kind } of imported.imports) if (kind === "public") follow(next, into);
  };
  for (const { name, kind } of unit.imports) follow(name, kind === "option" ? options : names);
  return { names, options };
}

/** `a message`, `an enum` */
export function withArticle(kind: ProtoSymbol["kind"]): string {
  return `${kind.startsWith("e") ? "an" : "a"} ${kind}`;
}

/** Enters the names of one file. */
class Definer {
  private readonly symbols: Map<string, ProtoSymbol>;
  private readonly packageFiles: Map<string, Set<FileUnit>>;
  private readonly unit: FileUnit;
  private readonly problems: Problems;

  constructor(
    symbols: Map<string, ProtoSymbol>,
    packageFiles: Map<string, Set<FileUnit>>,
    unit: FileUnit,
    problems: Problems,
  ) {
    this.symbols = symbols;
    this.packageFiles = packageFiles;
    this.unit = unit;
    this.problems = problems;
  }

  defineFile(): void {
    const { proto } = this.unit;
    const scope = proto.package;
    for (let name = scope; name !== ""; name = parentScope(name)) this.definePackage(name);
    for (const message of proto.messageType) this.defineMessage(message, scope, undefined);
    for (const enumeration of proto.enumType) this.defineEnum(enumeration, scope, undefined);
    for (const extension of proto.extension) this.define("extension", extension, scope, undefined);
    for (const service of proto.service) {
      const symbol = this.define("service", service, scope, undefined);
      for (const method of service.method) this.define("rpc", method, symbol.name, symbol);
    }
  }

  private definePackage(name: string): void {
    const files = this.packageFiles.get(name);
    if (files !== undefined) {
      files.add(this.unit);
      return;
    }
    const other = this.symbols.get(name);
    if (other !== undefined) {
      this.problems.add(
        this.unit.source,
        0,
        `package "${name}" is the name of ${withArticle(other.kind)} in "${other.unit.name}"`,
      );
      return;
    }
    this.packageFiles.set(name, new Set([this.unit]));
    this.symbols.set(name, { kind: "package", name, unit: this.unit, desc: this.unit.proto, parent: undefined });
  }

  private defineMessage(message: DescriptorProto, scope: string, parent: ProtoSymbol | undefined): void {
    const symbol = this.define("message", message, scope, parent);
    for (const field of message.field) this.define("field", field, symbol.name, symbol);
    for (const oneof of message.oneofDecl) this.define("oneof", oneof, symbol.name, symbol);
    for (const nested of message.nestedType) this.defineMessage(nested, symbol.name, symbol);
    for (const enumeration of message.enumType) this.defineEnum(enumeration, symbol.name, symbol);
    for (const extension of message.extension) this.define("extension", extension, symbol.name, symbol);
  }

  private defineEnum(enumeration: EnumDescriptorProto, scope: string, parent: ProtoSymbol | undefined): void {
    const symbol = this.define("enum", enumeration, scope, parent);
    for (const value of enumeration.value) this.define("enum value", value, scope, symbol);
  }

  private define(
    kind: Exclude<ProtoSymbol["kind"], "package">,
    desc: Exclude<ProtoSymbol["desc"], FileDescriptorProto>,
    scope: string,
    parent: ProtoSymbol | undefined,
  ): ProtoSymbol {
    const name = scope === "" ? desc.name : `${scope}.${desc.name}`;
    // Kind and descriptor fit together at every call above, which the union cannot express for a parameter pair.
    const symbol = { kind, name, unit: this.unit, desc, parent } as ProtoSymbol;
    const other = this.symbols.get(name);
    if (other === undefined) this.symbols.set(name, symbol);
    else this.reportDuplicate(symbol, other);
    return symbol;
  }

  private reportDuplicate(symbol: ProtoSymbol, other: ProtoSymbol): void {
    const { source, offsets } = this.unit;
    const first = other.unit.offsets.get(other.desc);
    const where = first === undefined ? `in "${other.unit.name}"` : `at ${other.unit.source.place(first)}`;
    // The usual surprise: two enums of one scope with an UNKNOWN each.
    const siblings = symbol.kind === "enum value" ? "; enum values are names of the scope around their enum" : "";
    this.problems.add(
      source,
      offsets.get(symbol.desc) ?? 0,
      `${symbol.kind} "${symbol.name}" is already defined as ${withArticle(other.kind)} ${where}${siblings}`,
    );
  }
}
