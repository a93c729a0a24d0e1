import type { DescMethod, FileRegistry } from "@bufbuild/protobuf";
import type { HttpRule } from "./http-rule.ts";

/** The descriptors of one upstream, immutable. Two upstreams may carry different versions of one proto file. */
export interface Schema {
  readonly registry: FileRegistry;
  /** Every method of every service, keyed by `pkg.Service/Method`. */
  readonly methods: ReadonlyMap<string, RpcMethod>;
}

export interface RpcMethod {
  /** `pkg.Service/Method` */
  readonly rpc: string;
  /** `/pkg.Service/Method`, as it goes on the wire. */
  readonly path: string;
  readonly desc: DescMethod;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
  /** MethodOptions.idempotency_level. */
  readonly idempotency: "unknown" | "no_side_effects" | "idempotent";
  /** google.api.http: the rule and its additional_bindings, in order; empty where the method has none. */
  readonly httpRules: readonly HttpRule[];
  /** Where the annotation stands, `file:line:col`, for messages; the file alone where positions are unknown. */
  readonly place: string;
}
