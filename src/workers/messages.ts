import type { UpstreamReadiness } from "../admin/server.ts";
import type { LoadOptions } from "../config/load.ts";
import type { SchemaImage } from "../schema/image.ts";
import type { MetricFamily } from "../telemetry/metrics-total.ts";
import type { Endpoint } from "../upstream/resolver.ts";

// What the primary and its workers say to each other. It goes by structured clone, in order, and so does a connection
// that the primary hands over: what is sent before it arrives before it.

/** A configuration that the primary found good, and everything that was read for it. */
export interface ConfigImage {
  readonly file: string;
  readonly text: string;
  /** What `${file:…}` named. */
  readonly files: ReadonlyMap<string, string>;
  readonly load: LoadOptions;
  /** By upstream. */
  readonly schemas: ReadonlyMap<string, SchemaImage>;
  /** How many share the limits of the whole. */
  readonly workers: number;
}

/** What a resolver of the primary tells; `key` as of `resolverKey`. */
export type DiscoveryMessage =
  | { readonly type: "endpoints"; readonly key: string; readonly endpoints: readonly Endpoint[] }
  | { readonly type: "trouble"; readonly key: string; readonly reason: string }
  | { readonly type: "recovered"; readonly key: string }
  /** No snapshot has it any more. */
  | { readonly type: "ended"; readonly key: string };

/** What a worker is asked for, and what it answers with. */
export interface Answers {
  readonly readiness: { readonly ready: boolean; readonly upstreams: readonly UpstreamReadiness[] };
  readonly metrics: readonly MetricFamily[];
}
export type Question = keyof Answers;

export type ToWorker =
  | DiscoveryMessage
  /** The first opens the port, where `port` says, else the configuration; later ones swap the snapshot. */
  | { readonly type: "load"; readonly load: number; readonly image: ConfigImage; readonly port: number | undefined }
  | { readonly type: "ask"; readonly id: number; readonly question: Question }
  | { readonly type: "drain"; readonly limitMs: number };

export type FromWorker =
  /** It is there and takes messages. */
  | { readonly type: "hello" }
  | { readonly type: "loaded"; readonly load: number; readonly address: string; readonly port: number }
  /** `code` is one of the error table, or "". */
  | { readonly type: "refused"; readonly load: number; readonly code: string; readonly reason: string }
  /** An instance of this resolver's list cannot be reached. */
  | { readonly type: "refresh"; readonly key: string }
  | { readonly type: "answer"; readonly id: number; readonly answer: Answers[Question] };
