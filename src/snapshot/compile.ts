import type { CallTarget } from "../call/call.ts";
import { createHedgePlan } from "../call/hedge.ts";
import { isIdempotent } from "../call/idempotent.ts";
import { compileCompression } from "../exchange/coding/compressed-reply.ts";
import { compileEventHead } from "../exchange/event-head.ts";
import { compileHeaderPolicy, type HeaderRules } from "../exchange/headers/headers.ts";
import { compilePartial, MASK_PARAMETERS } from "../exchange/partial.ts";
import { compileReplyHead } from "../exchange/reply-head.ts";
import { snapshotOf, type Route, type Snapshot } from "../exchange/route.ts";
import { buildRouteTable } from "../routing/table.ts";
import { bundledRegistry } from "../schema/bundled.ts";
import type { Schema } from "../schema/schema.ts";
import { compileBinder, compileFormBinders } from "../transcode/bind.ts";
import { toErrorForm } from "../transcode/error-form.ts";
import { compileFieldText, type FieldText } from "../transcode/field-text.ts";
import { bareNdjsonShape, ndjsonShape } from "../transcode/frame.ts";
import { compileHttpBodyBinder, compileHttpBodyReader, compileHttpBodyStream } from "../transcode/http-body.ts";
import { createJsonReaders, type JsonReaders } from "../transcode/json-read.ts";
import { createJsonWriters, type JsonWriters } from "../transcode/json-write.ts";
import { compileJsonStream } from "../transcode/message-stream.ts";
import type { JsonOptions } from "../transcode/options.ts";
import { createStatusWriter, type StatusWriter } from "../transcode/status-json.ts";
import { compileHashKey } from "./hash-key.ts";
import { fieldNamed, toEntry, type ResolvedRoute } from "./resolved-route.ts";
import type { ResolvedRoutes } from "./resolve.ts";

/** Compiles resolved routes for the running upstreams, keyed by name. */
export function compileSnapshot(resolved: ResolvedRoutes, targets: ReadonlyMap<string, CallTarget>): Snapshot {
  const compilers = new Map([...resolved.schemas].map(([name, schema]) => [name, new RouteCompiler(schema)]));
  const entries = resolved.routes.map((route) => {
    const target = targets.get(route.upstream.name);
    const compiler = compilers.get(route.upstream.name);
    if (target === undefined || compiler === undefined) throw new Error(`no upstream ${route.upstream.name}`);
    return { ...toEntry(route), value: compiler.compile(route, target) };
  });
  return snapshotOf(buildRouteTable(entries, resolved.routing).table, toErrorForm(resolved.errors.format));
}

/** The rules, by which one header more does not cross. */
function withoutHeader(rules: HeaderRules, name: string): HeaderRules {
  return name === "" ? rules : { ...rules, deny: [...rules.deny, name] };
}

/** Compiles the routes of one upstream; readers and writers are shared by routes with the same JSON options. */
class RouteCompiler {
  private readonly schema: Schema;
  private readonly writeStatus: StatusWriter;
  private readonly transcoders = new Map<string, { readers: JsonReaders; writers: JsonWriters }>();

  constructor(schema: Schema) {
    this.schema = schema;
    this.writeStatus = createStatusWriter([schema.registry, bundledRegistry()]);
  }

  compile(route: ResolvedRoute, target: CallTarget): Route {
    const { rule, rpc, policy, httpBody, replyFields } = route;
    const { readers, writers } = this.transcodersFor(policy.json);
    const responseField = rule.responseBody === "" ? undefined : fieldNamed(rpc.desc.output, rule.responseBody);
    const binding = {
      method: rule.method,
      input: rpc.desc.input,
      variables: route.template.variables.map((variable) => variable.fieldPath),
      body: rule.body,
      sources: route.sources,
    };
    const { statusFrom } = policy.response;
    const textOf = (path: string): FieldText => compileFieldText(rpc.desc.output, path, writers);
    const idempotent = isIdempotent({ route: route.idempotent, level: rpc.idempotency, httpMethod: rule.method });
    const isStreamed = route.kind === "client_stream" || route.kind === "bidi_stream";
    const bodyField = fieldNamed(rpc.desc.input, rule.body);
    const options = { ...policy.json, ...policy.request };
    const isPartial = policy.partialResponses && !httpBody.reply;
    const reserved = isPartial ? MASK_PARAMETERS : [];
    const readRequest = compileBinder(binding, readers, options, reserved);
    const bind = httpBody.request ? compileHttpBodyBinder(bodyField?.number ?? 0, readRequest) : readRequest;
    const takesForms = rule.body !== "" && !httpBody.request && policy.request.forms !== "off";
    const compiled: Route = {
      rpc: rpc.rpc,
      rpcPath: rpc.path,
      method: rule.method,
      template: rule.path,
      upstream: route.upstream.name,
      target,
      kind: route.kind,
      takesBody: rule.body !== "",
      takesHttpBody: httpBody.request,
      bind,
      bindMessage:
        isStreamed && rule.body === "" ? compileBinder({ ...binding, body: "*" }, readers, options, reserved) : bind,
      bindStream: httpBody.request
        ? compileHttpBodyStream(bodyField?.number ?? 0, readRequest)
        : compileJsonStream(bind),
      forms: takesForms ? compileFormBinders(binding, readers, options, reserved) : null,
      takesForeignForms: policy.request.forms === "any",
      write:
        responseField === undefined ? writers.message(rpc.desc.output) : writers.field(rpc.desc.output, responseField),
      readHttpBody: httpBody.reply ? compileHttpBodyReader(responseField?.number ?? 0) : null,
      writeStatus: this.writeStatus,
      errorForm: toErrorForm(policy.errors.format),
      headers: compileHeaderPolicy(policy.headers.request, withoutHeader(policy.headers.response, statusFrom)),
      idempotent,
      retry: policy.retry,
      hedge: idempotent && !isStreamed ? createHedgePlan(policy.hedge) : null,
      timeoutMs: policy.timeoutMs,
      streamTimeoutMs: policy.streamTimeoutMs,
      streamIdleTimeoutMs: policy.streamIdleTimeoutMs,
      replyHead: compileReplyHead({ ...replyFields, statusFrom }, textOf),
      eventHead: compileEventHead({ ...replyFields, retryMs: policy.stream.retryMs }, textOf),
      ndjson: policy.stream.ndjson === "bare" ? bareNdjsonShape : ndjsonShape,
      wrapsMessages: policy.stream.webSocket === "wrapped",
      partial: null,
      compression: compileCompression(policy.compression),
      etag: policy.etag,
      heartbeatMs: policy.stream.heartbeatMs,
      hashKey: compileHashKey(route.upstream, rpc.desc.input),
      waitForReadyMs: policy.waitForReady.timeoutMs,
    };
    if (!isPartial) return compiled;
    return { ...compiled, partial: compilePartial(compiled, responseField ?? rpc.desc.output, policy.json.names) };
  }

  private transcodersFor(options: JsonOptions): { readers: JsonReaders; writers: JsonWriters } {
    const key = JSON.stringify(options);
    let found = this.transcoders.get(key);
    if (found === undefined) {
      const { registry } = this.schema;
      found = { readers: createJsonReaders(registry, options), writers: createJsonWriters(registry, options) };
      this.transcoders.set(key, found);
    }
    return found;
  }
}
