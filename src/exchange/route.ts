import type { CallTarget } from "../call/call.ts";
import type { HedgePlan } from "../call/hedge.ts";
import type { RetryPolicy } from "../call/retry.ts";
import type { RouteTable } from "../routing/table.ts";
import type { Binder, BodyBinders, FormBinders } from "../transcode/binder.ts";
import type { ErrorForm } from "../transcode/error-form.ts";
import type { StreamShape } from "../transcode/frame.ts";
import type { HttpBodyReader } from "../transcode/http-body.ts";
import type { JsonWriter } from "../transcode/json-write.ts";
import type { StatusWriter } from "../transcode/status-json.ts";
import type { EventHead } from "./event-head.ts";
import type { HashKey } from "./hash-key.ts";
import type { Compression } from "./coding/compressed-reply.ts";
import type { HeaderPolicy } from "./headers/headers.ts";
import type { ReplyHead } from "./reply-head.ts";

/** One binding of one rpc, with everything that its requests need compiled at load. Immutable. */
export interface Route extends BodyBinders {
  /** `pkg.Service/Method` */
  readonly rpc: string;
  /** `/pkg.Service/Method`, as it goes on the wire. */
  readonly rpcPath: string;
  /** As declared: `GET`, or `*` for every method. */
  readonly method: string;
  /** The template as declared: `http.route` in logs and metrics. */
  readonly template: string;
  readonly upstream: string;
  readonly target: CallTarget;
  readonly kind: "unary" | "server_stream" | "client_stream" | "bidi_stream";
  /** Whether the binding reads the request's body (`body` is not ""). */
  readonly takesBody: boolean;
  /** Whether that is a google.api.HttpBody: a body of any type. */
  readonly takesHttpBody: boolean;
  /** For bodies that are forms; null where there are none. */
  readonly forms: FormBinders | null;
  /** Whether pages of other origins may send forms. */
  readonly takesForeignForms: boolean;
  /** For messages of a WebSocket: as `bind`; where a client streams and the binding has no body, they are whole messages. */
  readonly bindMessage: Binder;
  /** The whole reply message, or the field that `response_body` names. */
  readonly write: JsonWriter;
  /** Where the reply is a google.api.HttpBody; null where it is written as JSON. */
  readonly readHttpBody: HttpBodyReader | null;
  readonly writeStatus: StatusWriter;
  readonly errorForm: ErrorForm;
  readonly headers: HeaderPolicy;
  readonly idempotent: boolean;
  readonly retry: RetryPolicy;
  /** Null where there is none, the rpc is not idempotent, or the client sends a stream. */
  readonly hedge: HedgePlan | null;
  /** Unary: the whole call; a stream: its first message. */
  readonly timeoutMs: number;
  readonly streamTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  /** Status and headers from fields and metadata; null where replies are 200 and no more. Not of streams. */
  readonly replyHead: ReplyHead | null;
  /** Lines ahead of the data of events; null for none. */
  readonly eventHead: EventHead | null;
  /** Lines of a stream. */
  readonly ndjson: StreamShape;
  /** Whether messages of a WebSocket are `{"result":…}`. */
  readonly wrapsMessages: boolean;
  /** Takes what a client chooses of replies from the query; null where it may not. */
  readonly partial: ((query: string) => Route) | null;
  /** Compresses replies; null where they stay as they are. */
  readonly compression: Compression | null;
  /** Whether replies to GET have an entity tag, and clients that have it get 304. */
  readonly etag: boolean;
  /** Silence after which a stream of events shows a sign of life; Infinity for never. */
  readonly heartbeatMs: number;
  readonly waitForReadyMs: number;
  /** Null where nothing asks for it. */
  readonly hashKey: HashKey | null;
}

/** What requests are served by: built once by a load, never changed, replaced as a whole by a reload. */
export interface Snapshot {
  readonly table: RouteTable<Route>;
  /** How failures look of requests that no route takes. */
  readonly errorForm: ErrorForm;
  /** Methods of streaming routes, GET first: a WebSocket is asked for by GET, whatever the route's method. */
  readonly streamMethods: readonly string[];
}

/** A snapshot of a table of routes. */
export function snapshotOf(table: RouteTable<Route>, errorForm: ErrorForm): Snapshot {
  const streams = table.entries.filter(({ value }) => value.kind !== "unary");
  return { table, errorForm, streamMethods: [...new Set(["GET", ...streams.map(({ method }) => method)])] };
}
