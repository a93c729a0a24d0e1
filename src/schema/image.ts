import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createSchema } from "./registry.ts";
import type { Schema } from "./schema.ts";

/** A schema as plain data, for another process. */
export interface SchemaImage {
  /** A FileDescriptorSet. */
  readonly set: Uint8Array;
  /** Of each rpc, as in RpcMethod. */
  readonly places: ReadonlyMap<string, string>;
}

export function toSchemaImage({ registry, methods }: Schema): SchemaImage {
  const file = [...registry.files].map((one) => one.proto);
  return {
    set: toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file })),
    places: new Map([...methods.values()].map(({ rpc, place }) => [rpc, place])),
  };
}

export function fromSchemaImage({ set, places }: SchemaImage): Schema {
  return createSchema(fromBinary(FileDescriptorSetSchema, set), places);
}
