import type { CallEvent } from "../call/call.ts";
import type { ConnectionState } from "./connection/connection.ts";

/** What an upstream tells about itself, for logs and metrics. `endpoint` is an address: never for clients. */
export type UpstreamEvent = { readonly upstream: string } & (
  | { readonly type: "endpoint_added" | "endpoint_removed"; readonly endpoint: string }
  /** After the added and removed of one list. */
  | { readonly type: "list_updated"; readonly endpoints: number; readonly added: number; readonly removed: number }
  /** Discovery tells more instances than are to be used. */
  | { readonly type: "endpoints_limited"; readonly listed: number; readonly used: number }
  /** After `list_updated`: so many instances that the list misses are kept for now, since it shrank too much at once. */
  | { readonly type: "removal_held"; readonly endpoints: number }
  | {
      readonly type: "connection_state";
      readonly endpoint: string;
      /** Which connection of the endpoint, from 0. */
      readonly index: number;
      readonly state: ConnectionState;
      /** Set where a connection was lost or not made. */
      readonly reason: string | undefined;
    }
  /** Calls wait on a connection that gives no sign of life, or (false) one came. */
  | {
      readonly type: "connection_suspect";
      readonly endpoint: string;
      readonly index: number;
      readonly isSuspect: boolean;
    }
  | { readonly type: "endpoint_ejected"; readonly endpoint: string; readonly forMs: number }
  | { readonly type: "endpoint_readmitted"; readonly endpoint: string }
  /** What an instance says of its own health. */
  | { readonly type: "endpoint_health"; readonly endpoint: string; readonly isServing: boolean }
  /** So few instances are in good health that all are used; false: no longer. */
  | { readonly type: "panic"; readonly isPanicking: boolean; readonly healthy: number }
  | { readonly type: CallEvent }
  /** A call has waited so long because its instance took no more at once (MAX_CONCURRENT_STREAMS). */
  | { readonly type: "call_queued"; readonly waitMs: number }
  /** The module that is its policy did what it may not; said once. */
  | { readonly type: "policy_failed"; readonly reason: string }
  | { readonly type: "discovery_trouble"; readonly reason: string }
  | { readonly type: "discovery_recovered" }
);
