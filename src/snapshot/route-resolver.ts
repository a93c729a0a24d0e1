import type { Config, Policy, Position, RouteConfig, UpstreamConfig } from "../config/config.ts";
import type { Problem } from "../core/problem.ts";
import { didYouMean } from "../core/suggest.ts";
import { noReplyFields, type ReplyFields } from "../exchange/reply-head.ts";
import { checkMethod } from "../routing/method.ts";
import { parseTemplate, TemplateError, type PathTemplate } from "../routing/template.ts";
import type { HttpRule } from "../schema/http-rule.ts";
import type { RpcMethod, Schema } from "../schema/schema.ts";
import { checkBinding } from "../transcode/bind.ts";
import type { FieldSource } from "../transcode/options.ts";
import { at, problemAt } from "./place.ts";
import { checkReplyFields } from "./reply-fields.ts";
import { fieldNamed, httpBodiesOf, kindOf, type ResolvedRoute } from "./resolved-route.ts";

/** The place of a route that nothing declares. */
export const AUTO = "auto";

type Part = "path" | "body" | "responseBody" | FieldSource;

/** Finds the rpc of every route of the file and of every annotation, and checks what binds them. */
export class RouteResolver {
  readonly routes: ResolvedRoute[] = [];
  private readonly config: Config;
  private readonly schemas: ReadonlyMap<string, Schema>;
  private readonly problems: Problem[];
  /** `upstream rpc` of every route in the file, then of service files: it replaces the rpc's annotation. */
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
    for (const [path, message] of checkReplyFields(route.replyFields, rpc)) {
      this.report(route.placeOf(path), message);
    }
    for (const rule of route.rules) {
      this.add({
        rule,
        rpc,
        upstream,
        policy: route.policyFor(upstream.policy),
        idempotent: route.idempotent,
        sources: route.sources,
        replyFields: route.replyFields,
        place: (part) =>
          typeof part === "string" ? (rule.positions[part] ?? route.position) : route.placeOf(sourcePath(part)),
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
        for (const rule of rpc.httpRules) this.addPlain(rule, rpc, upstream, () => rpc.place);
      }
    }
    // Where a schema is missing, so may be its annotations.
    if (found > 0 || this.lacksSchemas) return;
    const where = services.length === 0 ? "" : ` in a service of ${services.map((glob) => `"${glob}"`).join(", ")}`;
    this.problems.push(problemAt(this.config.file, `annotations: no method${where} has google.api.http`, "warning"));
  }

  /** Routes of google.api.Service files. */
  addServiceRoutes(): void {
    for (const upstream of this.config.upstreams) {
      const methods = this.schemas.get(upstream.name)?.methods;
      if (methods === undefined) continue;
      for (const { rpc: name, place, rules } of upstream.serviceRoutes) {
        const rpc = methods.get(name);
        if (rpc === undefined) {
          this.missingMethod(name, place, upstream);
          continue;
        }
        const key = `${upstream.name} ${name}`;
        if (this.declared.has(key)) continue;
        this.declared.add(key);
        for (const { rule, places } of rules) {
          this.addPlain(rule, rpc, upstream, (part) => (typeof part === "string" ? places[part] : place));
        }
      }
    }
  }

  /** Such files also speak of services that are served elsewhere (google.longrunning.Operations). */
  private missingMethod(name: string, place: string, upstream: UpstreamConfig): void {
    const service = name.slice(0, name.indexOf("/") + 1);
    const methods = [...(this.schemas.get(upstream.name)?.methods.keys() ?? [])];
    const message = `upstream "${upstream.name}" has no rpc "${name}"${this.suggest(name, [upstream])}`;
    const isOfHere = methods.some((method) => method.startsWith(service));
    this.problems.push(problemAt(place, message, isOfHere ? "error" : "warning"));
  }

  /** A route for every method of the services that are asked for. */
  addAuto(): void {
    for (const upstream of this.config.upstreams) {
      const wanted = upstream.autoRoutes.map(globToPattern);
      for (const rpc of this.schemas.get(upstream.name)?.methods.values() ?? []) {
        const service = rpc.rpc.slice(0, rpc.rpc.indexOf("/"));
        if (!wanted.some((pattern) => pattern.test(service))) continue;
        const rule = { method: "POST", path: rpc.path, body: "*", responseBody: "" };
        this.addPlain(rule, rpc, upstream, () => AUTO);
      }
    }
    this.warnOfUnmatchedAuto();
  }

  /** One list may hold services of several upstreams, so a pattern is a slip only where none has its service. */
  private warnOfUnmatchedAuto(): void {
    // Where a schema is missing, so may be its services.
    if (this.lacksSchemas) return;
    const rpcs = [...this.schemas.values()].flatMap((schema) => [...schema.methods.keys()]);
    const services = [...new Set(rpcs.map((rpc) => rpc.slice(0, rpc.indexOf("/"))))];
    for (const glob of new Set(this.config.upstreams.flatMap((upstream) => upstream.autoRoutes))) {
      const pattern = globToPattern(glob);
      if (services.some((service) => pattern.test(service))) continue;
      const message = `auto_routes: no service is named "${glob}"${didYouMean(glob, services)}`;
      this.problems.push(problemAt(this.config.file, message, "warning"));
    }
  }

  private addPlain(rule: HttpRule, rpc: RpcMethod, upstream: UpstreamConfig, place: (part: Part) => string): void {
    const { policy } = upstream;
    this.add({ rule, rpc, upstream, policy, idempotent: undefined, sources: [], replyFields: noReplyFields, place });
  }

  private get lacksSchemas(): boolean {
    return this.config.lacksUpstreams || this.schemas.size < this.config.upstreams.length;
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
      if (this.lacksSchemas) return undefined;
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
    replyFields: ReplyFields;
    place: (part: Part) => Position | string;
  }): void {
    const { rule, rpc } = found;
    const before = this.problems.length;
    const template = this.readTemplate(rule, found.place("path"));
    const kind = kindOf(rpc);
    const httpBody = httpBodiesOf(rpc, rule);
    const variables = template?.variables.map((variable) => variable.fieldPath) ?? [];
    const { method, body } = rule;
    for (const problem of checkBinding({ method, input: rpc.desc.input, variables, body, sources: found.sources })) {
      this.report(found.place(problem.part), problem.message);
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

/** Where a route says that a field is set so; `last_event_id` is the shorter way for that header. */
function sourcePath({ field, name }: FieldSource): readonly string[] {
  return name === "last-event-id" ? ["stream", "sse", "last_event_id"] : ["request", "from", field];
}

/** `library.v1.*` as a pattern: a star is any run of characters. */
function globToPattern(glob: string): RegExp {
  return new RegExp(`^${glob.split("*").map(escapePattern).join(".*")}$`);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
