import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { CallTarget } from "./call/call.ts";
import { isIdempotent } from "./call/idempotent.ts";
import type { RouteRow } from "./cli/routes-table.ts";
import type { Config, Policy, Position, RouteConfig, UpstreamConfig } from "./config/config.ts";
import { problemsOf, type Problem } from "./core/problem.ts";
import { didYouMean } from "./core/suggest.ts";
import { compileHeaderPolicy } from "./exchange/headers.ts";
import { isServed, type Route, type Snapshot } from "./exchange/route.ts";
import { checkMethod } from "./routing/method.ts";
import { buildRouteTable, type RouteEntry, type RoutingOptions } from "./routing/table.ts";
import { parseTemplate, TemplateError, type PathTemplate } from "./routing/template.ts";
import { bundledRegistry } from "./schema/bundled.ts";
import type { HttpRule } from "./schema/http-rule.ts";
import { loadSchema } from "./schema/load.ts";
import type { RpcMethod, Schema } from "./schema/schema.ts";
import { checkBinding, compileBinder } from "./transcode/bind.ts";
import { compileHttpBodyBinder, compileHttpBodyReader } from "./transcode/http-body.ts";
import { createJsonReaders, type JsonReaders } from "./transcode/json-read.ts";
import { createJsonWriters, type JsonWriters } from "./transcode/json-write.ts";
import type { FieldSource, JsonOptions } from "./transcode/options.ts";
import { createStatusWriter, type StatusWriter } from "./transcode/status-json.ts";

/** One binding whose every part was found in the schemas; not yet compiled, and not tied to running upstreams. */
interface ResolvedRoute {
  readonly rule: HttpRule;
  readonly template: PathTemplate;
  readonly rpc: RpcMethod;
  readonly kind: Route["kind"];
  readonly httpBody: HttpBodies;
  readonly upstream: UpstreamConfig;
  readonly policy: Policy;
  readonly idempotent: boolean | undefined;
  readonly sources: readonly FieldSource[];
  /** `routes.yaml:12:5` or the annotation's place. */
  readonly place: string;
}

/** Which sides of a route are a google.api.HttpBody. */
interface HttpBodies {
  readonly request: boolean;
  readonly reply: boolean;
}

/** What a configuration means, found out without a connection to anything. */
export interface ResolvedRoutes {
  readonly routes: readonly ResolvedRoute[];
  readonly rows: readonly RouteRow[];
  readonly schemas: ReadonlyMap<string, Schema>;
  readonly routing: RoutingOptions;
  /** Errors stop a start or a reload; warnings are for the log. */
  readonly problems: readonly Problem[];
}

/**
 * Loads all schemas, from where the configuration says or by `load`, finds every route's rpc, and checks every binding;
 * reports all problems at once.
 */
export async function resolveRoutes(
  config: Config,
  load: (upstream: UpstreamConfig) => Schema | Promise<Schema> = ({ schema }) => loadSchema(schema),
): Promise<ResolvedRoutes> {
  const problems: Problem[] = [];
  const schemas = await loadSchemas(config, load, problems);
  const resolver = new RouteResolver(config, schemas, problems);
  for (const route of config.routes) resolver.addDeclared(route);
  if (config.annotations.read) resolver.addAnnotated();
  const { table, conflicts, warnings } = buildRouteTable(resolver.routes.map(toEntry), config.routing);
  for (const { second, message } of conflicts) problems.push(problemAt(second.place, message, "error"));
  for (const { entry, message } of warnings) problems.push(problemAt(entry.place, message, "warning"));
  const routes = table.entries.map((entry) => entry.value);
  return { routes, rows: resolver.routes.map(toRow), schemas, routing: config.routing, problems };
}

/** Compiles resolved routes for the running upstreams, keyed by name. */
export function compileSnapshot(resolved: ResolvedRoutes, targets: ReadonlyMap<string, CallTarget>): Snapshot {
  const compilers = new Map([...resolved.schemas].map(([name, schema]) => [name, new RouteCompiler(schema)]));
  const entries = resolved.routes.map((route) => {
    const target = targets.get(route.upstream.name);
    const compiler = compilers.get(route.upstream.name);
    if (target === undefined || compiler === undefined) throw new Error(`no upstream ${route.upstream.name}`);
    return { ...toEntry(route), value: compiler.compile(route, target) };
  });
  return { table: buildRouteTable(entries, resolved.routing).table };
}

async function loadSchemas(
  config: Config,
  load: (upstream: UpstreamConfig) => Schema | Promise<Schema>,
  problems: Problem[],
): Promise<Map<string, Schema>> {
  const schemas = new Map<string, Schema>();
  for (const upstream of config.upstreams) {
    try {
      schemas.set(upstream.name, await load(upstream));
    } catch (error) {
      const inner = problemsOf(error);
      // A file that is not there has no lines: it is wrong where it is asked for.
      const place = (problem: Problem): Problem =>
        problem.line > 0 ? problem : at(config, upstream.position, `upstream "${upstream.name}": ${problem.message}`);
      if (inner !== undefined) problems.push(...inner.map(place));
      else problems.push(at(config, upstream.position, `upstream "${upstream.name}": ${(error as Error).message}`));
    }
  }
  return schemas;
}

class RouteResolver {
  readonly routes: ResolvedRoute[] = [];
  private readonly config: Config;
  private readonly schemas: ReadonlyMap<string, Schema>;
  private readonly problems: Problem[];
  /** `upstream rpc` of every route in the file: it replaces the rpc's annotation. */
  private readonly declared = new Set<string>();

  constructor(config: Config, schemas: ReadonlyMap<string, Schema>, problems: Problem[]) {
    this.config = config;
    this.schemas = schemas;
    this.problems = problems;
  }

  addDeclared(route: RouteConfig): void {
    const upstream = this.findUpstream(route);
    const rpc = upstream && this.schemas.get(upstream.name)?.methods.get(route.rpc);
    if (upstream === undefined || rpc === undefined) {
      for (const rule of route.rules) this.readTemplate(rule, rule.positions.path);
      return;
    }
    this.declared.add(`${upstream.name} ${route.rpc}`);
    for (const rule of route.rules) {
      this.add({
        rule,
        rpc,
        upstream,
        policy: route.policyFor(upstream.policy),
        idempotent: route.idempotent,
        sources: route.sources,
        place: (part) => (part === "sources" ? undefined : rule.positions[part]) ?? route.position,
      });
    }
  }

  addAnnotated(): void {
    const { services } = this.config.annotations;
    const wanted = services.map(globToPattern);
    let found = 0;
    for (const upstream of this.config.upstreams) {
      for (const rpc of this.schemas.get(upstream.name)?.methods.values() ?? []) {
        const service = rpc.rpc.slice(0, rpc.rpc.indexOf("/"));
        if (wanted.length > 0 && !wanted.some((pattern) => pattern.test(service))) continue;
        found += rpc.httpRules.length;
        if (this.declared.has(`${upstream.name} ${rpc.rpc}`)) continue;
        for (const rule of rpc.httpRules) {
          this.add({
            rule,
            rpc,
            upstream,
            policy: upstream.policy,
            idempotent: undefined,
            sources: [],
            place: () => rpc.place,
          });
        }
      }
    }
    // Where a schema is missing, so may be its annotations.
    if (found > 0 || this.schemas.size < this.config.upstreams.length) return;
    const where = services.length === 0 ? "" : ` in a service of ${services.map((glob) => `"${glob}"`).join(", ")}`;
    this.problems.push(problemAt(this.config.file, `annotations: no method${where} has google.api.http`, "warning"));
  }

  private findUpstream(route: RouteConfig): UpstreamConfig | undefined {
    const { upstreams } = this.config;
    const has = upstreams.filter((upstream) => this.schemas.get(upstream.name)?.methods.has(route.rpc));
    if (route.upstream !== undefined) {
      // config/ has checked that the name exists.
      const named = upstreams.find((upstream) => upstream.name === route.upstream);
      if (named !== undefined && !has.includes(named) && this.schemas.has(named.name)) {
        this.report(
          route.position,
          `upstream "${named.name}" has no rpc "${route.rpc}"${this.suggest(route.rpc, [named])}`,
        );
      }
      return named;
    }
    if (has.length === 1) return has[0];
    if (has.length === 0) {
      // A schema that failed to load may have it: its own problem is enough.
      if (this.schemas.size < upstreams.length) return undefined;
      this.report(route.position, `no upstream has the rpc "${route.rpc}"${this.suggest(route.rpc, upstreams)}`);
    } else {
      const names = has.map((upstream) => `"${upstream.name}"`).join(" and ");
      this.report(route.position, `${names} both have the rpc "${route.rpc}"; say which by "upstream"`);
    }
    return undefined;
  }

  private suggest(rpc: string, upstreams: readonly UpstreamConfig[]): string {
    const rpcs = upstreams.flatMap((upstream) => [...(this.schemas.get(upstream.name)?.methods.keys() ?? [])]);
    // A package left out is many letters, but a likely slip.
    const whole = new Set(rpcs.filter((one) => one.endsWith(`.${rpc}`)));
    const [only] = whole;
    return whole.size === 1 && only !== undefined ? `; did you mean "${only}"?` : didYouMean(rpc, rpcs);
  }

  /** What can be said of a rule without its rpc; undefined where its template cannot be read. */
  private readTemplate(rule: HttpRule, place: Position | string): PathTemplate | undefined {
    const reason = checkMethod(rule.method);
    if (reason !== null) this.report(place, reason);
    try {
      return parseTemplate(rule.path);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      this.report(place, `path template "${rule.path}": ${error.message}`);
      return undefined;
    }
  }

  private add(found: {
    rule: HttpRule;
    rpc: RpcMethod;
    upstream: UpstreamConfig;
    policy: Policy;
    idempotent: boolean | undefined;
    sources: readonly FieldSource[];
    place: (part: "path" | "body" | "responseBody" | "sources") => Position | string;
  }): void {
    const { rule, rpc } = found;
    const before = this.problems.length;
    const template = this.readTemplate(rule, found.place("path"));
    const kind = kindOf(rpc);
    const httpBody = httpBodiesOf(rpc, rule);
    if (template !== undefined && isServed({ kind, takesHttpBody: httpBody.request })) {
      const variables = template.variables.map((variable) => variable.fieldPath);
      for (const problem of checkBinding({
        method: rule.method,
        input: rpc.desc.input,
        variables,
        body: rule.body,
        sources: found.sources,
      })) {
        this.report(found.place(problem.part), problem.message);
      }
    }
    if (rule.responseBody !== "" && fieldNamed(rpc.desc.output, rule.responseBody) === undefined) {
      const names = rpc.desc.output.fields.map((field) => field.name);
      this.report(
        found.place("responseBody"),
        `no field "${rule.responseBody}" in ${rpc.desc.output.typeName}${didYouMean(rule.responseBody, names)}`,
      );
    }
    if (this.problems.length > before || template === undefined) return;
    const place = found.place("path");
    this.routes.push({
      ...found,
      template,
      kind,
      httpBody,
      place: typeof place === "string" ? place : this.text(place),
    });
  }

  private report(place: Position | string, message: string): void {
    this.problems.push(
      typeof place === "string" ? problemAt(place, message, "error") : at(this.config, place, message),
    );
  }

  private text(position: Position): string {
    return `${this.config.file}:${position.line}:${position.column}`;
  }
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
    const { rule, rpc, policy, httpBody } = route;
    const { readers, writers } = this.transcodersFor(policy.json);
    const responseField = rule.responseBody === "" ? undefined : fieldNamed(rpc.desc.output, rule.responseBody);
    const binding = {
      method: rule.method,
      input: rpc.desc.input,
      variables: route.template.variables.map((variable) => variable.fieldPath),
      body: rule.body,
      sources: route.sources,
    };
    const bodyField = fieldNamed(rpc.desc.input, rule.body);
    const bind = isServed({ kind: route.kind, takesHttpBody: httpBody.request })
      ? compileBinder(binding, readers, { ...policy.json, ...policy.request })
      : () => Buffer.alloc(0);
    return {
      rpc: rpc.rpc,
      rpcPath: rpc.path,
      method: rule.method,
      template: rule.path,
      upstream: route.upstream.name,
      target,
      kind: route.kind,
      takesBody: rule.body !== "",
      takesHttpBody: httpBody.request,
      bind: httpBody.request ? compileHttpBodyBinder(bodyField?.number ?? 0, bind) : bind,
      write:
        responseField === undefined ? writers.message(rpc.desc.output) : writers.field(rpc.desc.output, responseField),
      readHttpBody: httpBody.reply ? compileHttpBodyReader(responseField?.number ?? 0) : null,
      writeStatus: this.writeStatus,
      headers: compileHeaderPolicy(policy.headers.request, policy.headers.response),
      idempotent: isIdempotent({ route: route.idempotent, level: rpc.idempotency, httpMethod: rule.method }),
      timeoutMs: policy.timeoutMs,
      streamTimeoutMs: policy.streamTimeoutMs,
      streamIdleTimeoutMs: policy.streamIdleTimeoutMs,
      etag: policy.etag,
      heartbeatMs: policy.stream.heartbeatMs,
      waitForReadyMs: policy.waitForReady.timeoutMs,
    };
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

function kindOf(rpc: RpcMethod): Route["kind"] {
  if (rpc.clientStreaming) return rpc.serverStreaming ? "bidi_stream" : "client_stream";
  return rpc.serverStreaming ? "server_stream" : "unary";
}

function httpBodiesOf(rpc: RpcMethod, rule: HttpRule): HttpBodies {
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
function fieldNamed(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.name === name) ?? message.fields.find((field) => field.jsonName === name);
}

function toEntry(route: ResolvedRoute): RouteEntry<ResolvedRoute> {
  return { method: route.rule.method, template: route.template, value: route, place: route.place };
}

function toRow(route: ResolvedRoute): RouteRow {
  return {
    method: route.rule.method,
    path: route.rule.path,
    rpc: route.rpc.rpc,
    upstream: route.upstream.name,
    source: route.place,
    served: servedAs(route),
  };
}

function servedAs({ kind, httpBody }: ResolvedRoute): RouteRow["served"] {
  const how = httpBody.request || httpBody.reply ? (`${kind} http_body` as const) : kind;
  return isServed({ kind, takesHttpBody: httpBody.request }) ? how : `501 ${how}`;
}

/** `library.v1.*` as a pattern: a star is any run of characters. */
function globToPattern(glob: string): RegExp {
  return new RegExp(`^${glob.split("*").map(escapePattern).join(".*")}$`);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function at(config: Config, position: Position, message: string): Problem {
  return { file: config.file, line: position.line, column: position.column, message, severity: "error" };
}

/** A problem at a place given as text, `file:line:col`. */
function problemAt(place: string, message: string, severity: Problem["severity"]): Problem {
  const parts = /^(.*):(\d+):(\d+)$/.exec(place);
  return parts === null
    ? { file: place, line: 0, column: 0, message, severity }
    : { file: parts[1] ?? "", line: Number(parts[2]), column: Number(parts[3]), message, severity };
}
