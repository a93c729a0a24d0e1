import type { DnsOptions } from "../discovery/dns/resolver.ts";
import type { EtcdOptions } from "../discovery/etcd/options.ts";
import type { Target } from "../discovery/target.ts";
import type { ServerOptions } from "../edge/options.ts";
import type { ReplyFields } from "../exchange/reply-head.ts";
import type { RoutingOptions } from "../routing/table.ts";
import type { HttpRule } from "../schema/http-rule.ts";
import type { SchemaSource } from "../schema/load.ts";
import type { FieldSource } from "../transcode/options.ts";
import type { TrafficPolicy } from "../upstream/options.ts";
import type { Policy } from "./policy.ts";
import type { Position } from "./yaml.ts";

export type { Policy } from "./policy.ts";
export type { Position } from "./yaml.ts";

/** A configuration with every default filled in and every policy inherited. Plain data, but for `policyFor`. */
export interface Config {
  /** As it was given, for messages. */
  readonly file: string;
  readonly server: ServerOptions;
  readonly upstreams: readonly UpstreamConfig[];
  readonly routes: readonly RouteConfig[];
  readonly annotations: {
    readonly read: boolean;
    /** Patterns such as `library.v1.*`; empty = all services. */
    readonly services: readonly string[];
  };
  readonly routing: RoutingOptions;
  /** Of requests that no route takes. */
  readonly errors: Policy["errors"];
  /** Whether it is what is left of a file whose errors are elsewhere, and some upstreams are not in it. */
  readonly lacksUpstreams: boolean;
}

export interface UpstreamConfig extends TrafficPolicy {
  readonly name: string;
  readonly target: Target;
  readonly schema: SchemaSource;
  /** The etcd that an `etcd:` target is looked up in; null for other targets. */
  readonly etcd: EtcdOptions | null;
  /** How a `dns:` target is looked up; null for other targets. */
  readonly dns: DnsOptions | null;
  /** Where the last list is kept over restarts; null: nowhere. */
  readonly cacheFile: string | null;
  /** Routes of the google.api.Service file that it names. */
  readonly serviceRoutes: readonly ServiceRoute[];
  /** Patterns of services whose methods have a route of their own each; empty = none. */
  readonly autoRoutes: readonly string[];
  readonly policy: Policy;
  readonly position: Position;
}

/** The rules that a google.api.Service file has for one rpc; places are `file:line:col`. */
export interface ServiceRoute {
  /** `pkg.Service/Method` */
  readonly rpc: string;
  readonly place: string;
  readonly rules: readonly {
    readonly rule: HttpRule;
    readonly places: { readonly path: string; readonly body: string; readonly responseBody: string };
  }[];
}

/** A rule and where its parts stand; a part that is not written has no position. */
export interface PlacedRule extends HttpRule {
  readonly positions: {
    readonly path: Position;
    readonly body: Position | undefined;
    readonly responseBody: Position | undefined;
  };
}

export interface RouteConfig {
  /** `pkg.Service/Method` */
  readonly rpc: string;
  /** Undefined: the one upstream that has the service. */
  readonly upstream: string | undefined;
  /** The rule, then its additional_bindings. */
  readonly rules: readonly PlacedRule[];
  readonly idempotent: boolean | undefined;
  /** Fields that headers and cookies set. */
  readonly sources: readonly FieldSource[];
  /** What comes of fields of the replies' messages. */
  readonly replyFields: ReplyFields;
  /** Where the value of one of the route's keys stands. */
  placeOf(path: readonly string[]): Position;
  /** This route's policy on an upstream with the given one. */
  policyFor(upstream: Policy): Policy;
  readonly position: Position;
}
