import path from "node:path";
import { create } from "@bufbuild/protobuf";
import {
  FileDescriptorSetSchema,
  file_google_protobuf_descriptor,
  type FileDescriptorSet,
} from "@bufbuild/protobuf/wkt";
import { problemsError } from "../core/problem.ts";
import { checkFile } from "./proto/check.ts";
import { checkVisibility } from "./proto/check-visibility.ts";
import { diskAccess, findFile, type FileAccess } from "./proto/find-file.ts";
import { interpretOptions } from "./proto/interpret-options.ts";
import { fullName, linkFile } from "./proto/link.ts";
import { parseFile } from "./proto/parse-file.ts";
import { Problems, SourceText } from "./proto/source.ts";
import { SymbolTable } from "./proto/symbols.ts";
import type { FileUnit, ImportStatement } from "./proto/unit.ts";

export interface ProtoFiles {
  /** Names below an include folder, as `import` would write them, or absolute paths. */
  readonly files: readonly string[];
  /** Folders, searched in this order; the bundled files of google/protobuf, google/api, google/rpc and google/type follow. */
  readonly include: readonly string[];
}

export interface ParsedProtos {
  /** The files and all they import, imports before importers; without source info. */
  readonly set: FileDescriptorSet;
  /** `file:line:column` of the google.api.http annotation of an rpc, else of its name; keyed by `pkg.Service/Method`. */
  readonly places: ReadonlyMap<string, string>;
}

const DESCRIPTOR_PROTO = "google/protobuf/descriptor.proto";
// A chain of imports is followed by recursion; real trees have hundreds of files.
const MAX_FILES = 5000;

/**
 * Compiles .proto files as protoc does: proto2, proto3, editions 2023 and 2024, with every option interpreted.
 *
 * @throws CONFIG_INVALID with all problems (`problemsOf`), each with file, line and column.
 */
export function parseProtoFiles(source: ProtoFiles, access: FileAccess = diskAccess): ParsedProtos {
  const problems = new Problems();
  const units = new UnitReader(source, access, problems).readAll();
  const stop = (): void => {
    if (problems.list.length > 0) throw problemsError(source.files.join(", "), problems.sorted());
  };
  stop();
  const table = new SymbolTable(withDescriptorProto(units), problems);
  for (const unit of units) linkFile(unit, table, problems);
  stop();
  interpretOptions(units, table, problems);
  for (const unit of units) {
    checkFile(unit, table, problems);
    checkVisibility(unit, table, problems);
  }
  stop();
  const set = create(FileDescriptorSetSchema, { file: units.map(({ proto }) => proto) });
  return { set, places: placesOf(units) };
}

/** Options are messages of descriptor.proto, whether or not a file imports it. */
function withDescriptorProto(units: readonly FileUnit[]): readonly FileUnit[] {
  if (units.some(({ name }) => name === DESCRIPTOR_PROTO)) return units;
  const builtIn: FileUnit = {
    name: DESCRIPTOR_PROTO,
    source: new SourceText(DESCRIPTOR_PROTO, ""),
    proto: file_google_protobuf_descriptor.proto,
    imports: [],
    references: [],
    options: [],
    offsets: new Map(),
  };
  return [builtIn, ...units];
}

/** Reads files and what they import, depth first. */
class UnitReader {
  private readonly names: readonly string[];
  private readonly include: readonly string[];
  private readonly access: FileAccess;
  private readonly problems: Problems;
  private readonly done: FileUnit[] = [];
  private readonly seen = new Set<string>();
  /** Files whose imports are being read, outermost first. */
  private readonly open: string[] = [];

  constructor({ files, include }: ProtoFiles, access: FileAccess, problems: Problems) {
    const outside = files.filter((file) => path.isAbsolute(file) && nameBelow(include, file) === undefined);
    this.include = [...include, ...new Set(outside.map((file) => path.dirname(file)))];
    this.names = files.map((file) => (path.isAbsolute(file) ? (nameBelow(this.include, file) ?? file) : file));
    this.access = access;
    this.problems = problems;
  }

  readAll(): readonly FileUnit[] {
    for (const name of this.names) this.read(normalName(name), (message) => this.problems.addFile(name, message));
    return this.done;
  }

  private read(name: string, complain: (message: string) => void): void {
    if (this.open.includes(name)) {
      const cycle = [...this.open.slice(this.open.indexOf(name)), name].map((one) => `"${one}"`);
      return complain(`files import each other: ${cycle.join(" imports ")}`);
    }
    if (this.seen.has(name)) return;
    if (this.seen.size >= MAX_FILES) return complain(`more than ${MAX_FILES} files are imported`);
    this.seen.add(name);
    const found = findFile(name, this.include, this.access);
    if ("problem" in found) return complain(found.problem);
    const unit = parseFile(name, found.source, this.problems);
    this.open.push(name);
    for (const statement of unit.imports) this.readImport(unit, statement);
    this.open.pop();
    this.done.push(unit);
  }

  private readImport(unit: FileUnit, { name, offset }: ImportStatement): void {
    this.read(name, (message) => this.problems.add(unit.source, offset, message));
  }
}

/** `./a//b.proto` as a user may write it in a configuration -> `a/b.proto`. */
function normalName(name: string): string {
  return path.posix.normalize(name.replaceAll(path.sep, "/"));
}

function nameBelow(include: readonly string[], file: string): string | undefined {
  for (const folder of include) {
    const relative = path.relative(folder, file);
    if (!relative.startsWith("..") && !path.isAbsolute(relative)) return relative;
  }
  return undefined;
}

function placesOf(units: readonly FileUnit[]): Map<string, string> {
  const places = new Map<string, string>();
  for (const unit of units) {
    const annotations = new Map<object, number>();
    for (const { owner, kind, statements } of unit.options) {
      if (kind !== "MethodOptions") continue;
      const annotation = statements.find(({ name }) => /^\.?(google\.)?(api\.)?http$/.test(name[0]?.text ?? ""));
      if (annotation !== undefined) annotations.set(owner, annotation.offset);
    }
    for (const service of unit.proto.service) {
      for (const method of service.method) {
        const offset = annotations.get(method) ?? unit.offsets.get(method) ?? 0;
        places.set(`${fullName(unit, service.name)}/${method.name}`, unit.source.place(offset));
      }
    }
  }
  return places;
}
