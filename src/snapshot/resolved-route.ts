import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { Policy, UpstreamConfig } from "../config/config.ts";
import type { ReplyFields } from "../exchange/reply-head.ts";
import type { Route } from "../exchange/route.ts";
import type { RouteEntry } from "../routing/table.ts";
import type { PathTemplate } from "../routing/template.ts";
import type { HttpRule } from "../schema/http-rule.ts";
import type { RpcMethod } from "../schema/schema.ts";
import type { FieldSource } from "../transcode/options.ts";

/** One binding whose every part was found in the schemas; not yet compiled, and not tied to running upstreams. */
export interface ResolvedRoute {
  readonly rule: HttpRule;
  readonly template: PathTemplate;
  readonly rpc: RpcMethod;
  readonly kind: Route["kind"];
  readonly httpBody: HttpBodies;
  readonly upstream: UpstreamConfig;
  readonly policy: Policy;
  readonly idempotent: boolean | undefined;
  readonly sources: readonly FieldSource[];
  readonly replyFields: ReplyFields;
  /** `routes.yaml:12:5` or the annotation's place; `auto` where nothing declares it. */
  readonly place: string;
}

/** Which sides of a route are a google.api.HttpBody. */
export interface HttpBodies {
  readonly request: boolean;
  readonly reply: boolean;
}

export function kindOf(rpc: RpcMethod): Route["kind"] {
  if (rpc.clientStreaming) return rpc.serverStreaming ? "bidi_stream" : "client_stream";
  return rpc.serverStreaming ? "server_stream" : "unary";
}

export function httpBodiesOf(rpc: RpcMethod, rule: HttpRule): HttpBodies {
  const { input, output } = rpc.desc;
  return {
    request: isHttpBody(rule.body === "*" ? input : singleMessage(fieldNamed(input, rule.body))),
    reply: isHttpBody(rule.responseBody === "" ? output : singleMessage(fieldNamed(output, rule.responseBody))),
  };
}

/** The type of a field that holds one message behind a length; a group's content lies between tags. */
function singleMessage(field: DescField | undefined): DescMessage | undefined {
  return field?.fieldKind === "message" && !field.delimitedEncoding ? field.message : undefined;
}

function isHttpBody(message: DescMessage | undefined): boolean {
  return message?.typeName === "google.api.HttpBody";
}

/** Fields are named in rules as in the .proto file; the JSON name is taken, too, since users confuse the two. */
export function fieldNamed(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.name === name) ?? message.fields.find((field) => field.jsonName === name);
}

export function toEntry(route: ResolvedRoute): RouteEntry<ResolvedRoute> {
  return { method: route.rule.method, template: route.template, value: route, place: route.place };
}
