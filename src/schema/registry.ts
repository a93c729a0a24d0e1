import { createFileRegistry, create, type DescMethod, type FileRegistry } from "@bufbuild/protobuf";
import {
  FileDescriptorSetSchema,
  MethodOptions_IdempotencyLevel as IdempotencyLevel,
  type DescriptorProto,
  type FileDescriptorProto,
  type FileDescriptorSet,
} from "@bufbuild/protobuf/wkt";
import { gatewayError, GatewayError } from "../core/errors.ts";
import { readHttpRules } from "./http-rule-read.ts";
import { fillJsonName } from "./json-name.ts";
import type { RpcMethod, Schema } from "./schema.ts";
import { sourcePlaces } from "./source-places.ts";

const MAX_FIELD_NUMBER = 2 ** 29 - 1;

/**
 * The schema of a set that holds every file it imports, in any order. Takes over the set: missing JSON names are
 * filled in, since reflection of several languages leaves them out. `places` as of `parseProtoFiles`; without it the
 * set's source info is used where it has any.
 *
 * @throws SCHEMA_INVALID for descriptors that contradict themselves, whatever they are.
 */
export function createSchema(set: FileDescriptorSet, places?: ReadonlyMap<string, string>): Schema {
  let place = "descriptors";
  try {
    const files = sortByImports(set.file);
    const names = new Map<string, string>();
    for (const file of files) {
      place = file.name;
      checkFile(file, names);
    }
    place = "descriptors";
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files }));
    const methods = new Map<string, RpcMethod>();
    for (const method of methodsOf(registry)) {
      const file = method.parent.file.proto;
      const rpc = `${method.parent.typeName}/${method.name}`;
      place = places?.get(rpc) ?? sourcePlaces(file).get(rpc) ?? file.name;
      methods.set(rpc, toRpcMethod(rpc, method, place));
    }
    return { registry, methods };
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    // Hostile descriptors may make the registry throw anything, a stack overflow included.
    const reason = error instanceof RangeError ? "messages are nested too deeply" : (error as Error).message;
    throw gatewayError("SCHEMA_INVALID", { place, reason }, { cause: error });
  }
}

function* methodsOf(registry: FileRegistry): Iterable<DescMethod> {
  for (const file of registry.files) for (const service of file.services) yield* service.methods;
}

function toRpcMethod(rpc: string, desc: DescMethod, place: string): RpcMethod {
  return {
    rpc,
    path: `/${rpc}`,
    desc,
    clientStreaming: desc.proto.clientStreaming,
    serverStreaming: desc.proto.serverStreaming,
    idempotency: toIdempotency(desc.proto.options?.idempotencyLevel),
    httpRules: readHttpRules(desc.proto.options),
    place,
  };
}

function toIdempotency(level: IdempotencyLevel | undefined): RpcMethod["idempotency"] {
  if (level === IdempotencyLevel.NO_SIDE_EFFECTS) return "no_side_effects";
  return level === IdempotencyLevel.IDEMPOTENT ? "idempotent" : "unknown";
}

/** Imports before importers, as the registry needs it; protoc writes them so, other tools do not. */
function sortByImports(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const byName = new Map<string, FileDescriptorProto>();
  for (const file of files) {
    if (byName.has(file.name)) throw new Error(`file "${file.name}" is there twice`);
    byName.set(file.name, file);
  }
  const sorted = new Set<FileDescriptorProto>();
  const open = new Set<string>();
  const visit = (file: FileDescriptorProto): void => {
    if (sorted.has(file)) return;
    if (open.has(file.name)) throw new Error(`file "${file.name}" imports itself, directly or through others`);
    open.add(file.name);
    for (const name of file.dependency) {
      const imported = byName.get(name);
      if (imported === undefined) throw new Error(`file "${file.name}" imports "${name}", which is missing`);
      visit(imported);
    }
    open.delete(file.name);
    sorted.add(file);
  };
  for (const file of files) visit(file);
  return [...sorted];
}

/** What the registry takes without a word, and everything behind it relies on. `names` are those of files before. */
function checkFile(file: FileDescriptorProto, names: Map<string, string>): void {
  const prefix = file.package === "" ? "" : `${file.package}.`;
  const define = (name: string): void => {
    const other = names.get(name);
    if (other !== undefined) throw new Error(`"${name}" is already defined in "${other}"`);
    names.set(name, file.name);
  };
  const checkMessage = (message: DescriptorProto, name: string): void => {
    define(name);
    const numbers = new Set<number>();
    const fieldNames = new Set<string>();
    for (const field of message.field) {
      const { number } = field;
      if (number < 1 || number > MAX_FIELD_NUMBER)
        throw new Error(`field "${name}.${field.name}" has number ${number}`);
      if (numbers.has(number)) throw new Error(`message "${name}" has two fields with number ${number}`);
      if (fieldNames.has(field.name)) throw new Error(`message "${name}" has two fields "${field.name}"`);
      numbers.add(number);
      fieldNames.add(field.name);
      fillJsonName(field);
    }
    for (const nested of message.nestedType) checkMessage(nested, `${name}.${nested.name}`);
    for (const enumeration of message.enumType) define(`${name}.${enumeration.name}`);
  };
  for (const message of file.messageType) checkMessage(message, prefix + message.name);
  for (const enumeration of file.enumType) define(prefix + enumeration.name);
  for (const service of file.service) {
    define(prefix + service.name);
    const methods = new Set<string>();
    for (const { name } of service.method) {
      if (methods.has(name)) throw new Error(`service "${prefix}${service.name}" has two methods "${name}"`);
      methods.add(name);
    }
  }
}
