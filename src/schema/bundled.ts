import type { FileRegistry } from "@bufbuild/protobuf";
import { parseProtoFiles } from "./proto-files.ts";
import { createSchema } from "./registry.ts";

// What `google.rpc.Status.details` usually holds: the error model's own messages and the well-known types.
const FILES = [
  ...["error_details", "status"].map((name) => `google/rpc/${name}.proto`),
  ...["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"].map(
    (name) => `google/protobuf/${name}.proto`,
  ),
];

let registry: FileRegistry | undefined;

/** google.rpc's error details and the well-known types, whether or not a schema has them. Compiled once, when asked. */
export function bundledRegistry(): FileRegistry {
  registry ??= createSchema(parseProtoFiles({ files: FILES, include: [] }).set).registry;
  return registry;
}
