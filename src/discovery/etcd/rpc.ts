import { fileURLToPath } from "node:url";
import type { MethodDefinition } from "@grpc/grpc-js";
import { loadSync, type MethodDefinition as LoadedMethod } from "@grpc/proto-loader";

// Messages as proto-loader makes them: 64-bit integers as decimal text, since lease ids need all 63 bits.

export interface ResponseHeader {
  readonly revision: string;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly mod_revision: string;
  readonly value: Buffer;
  readonly lease: string;
}

export interface RangeRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  readonly limit?: number;
  readonly revision?: string;
  readonly count_only?: boolean;
  readonly keys_only?: boolean;
}

export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** Of all keys in the range, whatever the limit. */
  readonly count: string;
}

export interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease?: string;
}

export interface WatchRequest {
  readonly create_request?: {
    readonly key: Buffer;
    readonly range_end: Buffer;
    readonly start_revision: string;
    readonly watch_id: string;
    readonly fragment: boolean;
    readonly progress_notify: boolean;
  };
  readonly cancel_request?: { readonly watch_id: string };
}

export interface WatchEvent {
  readonly type: "PUT" | "DELETE";
  readonly kv: KeyValue;
}

export interface WatchResponse {
  readonly header: ResponseHeader;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

export interface LeaseReply {
  readonly ID: string;
  /** Seconds; 0 or less where the lease is gone. */
  readonly TTL: string;
}

export interface AuthenticateRequest {
  readonly name: string;
  readonly password: string;
}

/** One rpc of etcd: its path and how its messages become bytes. */
export type Rpc<Request, Response> = MethodDefinition<Request, Response>;

const definition = loadSync("etcd/api/etcdserverpb/rpc.proto", {
  includeDirs: [fileURLToPath(new URL("../../../protos", import.meta.url))],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});

/** The rpcs of etcd's v3 API that the gateway and its registrar use (protos/etcd). */
export const etcdRpc = {
  range: rpc<RangeRequest, RangeResponse>("KV", "Range"),
  put: rpc<PutRequest, object>("KV", "Put"),
  leaseGrant: rpc<{ TTL: number }, LeaseReply>("Lease", "LeaseGrant"),
  leaseRevoke: rpc<{ ID: string }, object>("Lease", "LeaseRevoke"),
  leaseKeepAlive: rpc<{ ID: string }, LeaseReply>("Lease", "LeaseKeepAlive"),
  authenticate: rpc<AuthenticateRequest, { readonly token: string }>("Auth", "Authenticate"),
  watch: rpc<WatchRequest, WatchResponse>("Watch", "Watch"),
} as const;

function rpc<Request, Response>(service: string, method: string): Rpc<Request, Response> {
  const methods = definition[`etcdserverpb.${service}`] as unknown as Record<string, LoadedMethod<object, object>>;
  // The interfaces above state what proto-loader makes of protos/etcd; it has no types of its own to check against.
  return methods[method] as unknown as Rpc<Request, Response>;
}
