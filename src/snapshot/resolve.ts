import type { RouteRow } from "../cli/routes-table.ts";
import type { Config, Policy, UpstreamConfig } from "../config/config.ts";
import { problemsOf, type Problem } from "../core/problem.ts";
import { buildRouteTable, type RoutingOptions } from "../routing/table.ts";
import { loadSchema } from "../schema/load.ts";
import type { Schema } from "../schema/schema.ts";
import { checkHashKeys } from "./hash-key.ts";
import { at, problemAt } from "./place.ts";
import { toEntry, type ResolvedRoute } from "./resolved-route.ts";
import { AUTO, RouteResolver } from "./route-resolver.ts";

/** What a configuration means, found out without a connection to anything. */
export interface ResolvedRoutes {
  readonly routes: readonly ResolvedRoute[];
  readonly rows: readonly RouteRow[];
  readonly schemas: ReadonlyMap<string, Schema>;
  readonly routing: RoutingOptions;
  /** What is said of requests that no route takes. */
  readonly errors: Policy["errors"];
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
  resolver.addServiceRoutes();
  if (config.annotations.read) resolver.addAnnotated();
  resolver.addAuto();
  const { table, conflicts, warnings } = buildRouteTable(resolver.routes.map(toEntry), config.routing);
  for (const { first, second, message } of conflicts) {
    if (second.place !== AUTO) problems.push(problemAt(second.place, message, "error"));
    else if (first.place === AUTO) problems.push(ambiguous(config, first.value, second.value));
  }
  for (const { entry, message } of warnings) problems.push(problemAt(entry.place, message, "warning"));
  const routes = table.entries.map((entry) => entry.value);
  problems.push(...checkHashKeys(config, routes));
  return {
    routes,
    rows: routes.map(toRow),
    schemas,
    routing: config.routing,
    errors: config.errors,
    problems,
  };
}

/** Two upstreams that both are asked to serve all methods of one service. */
function ambiguous(config: Config, first: ResolvedRoute, second: ResolvedRoute): Problem {
  const { name, position } = second.upstream;
  const message = `upstream "${name}": auto_routes: POST ${second.rule.path} goes to upstream "${first.upstream.name}"`;
  return { ...at(config, position, message), severity: "warning" };
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
  return httpBody.request || httpBody.reply ? `${kind} http_body` : kind;
}
