import path from "node:path";
import type { Problem } from "../core/problem.ts";
import { toDnsOptions } from "../discovery/dns/options.ts";
import { toEtcdOptions } from "../discovery/etcd/options.ts";
import { toCacheFile, toTarget, type DiscoveryLevel } from "../discovery/options.ts";
import { toServerOptions } from "../edge/options.ts";
import { toEventSources, toReplyFields } from "../exchange/options.ts";
import { whyNoEffect } from "../exchange/headers/headers.ts";
import { toHttpRule, toRoutingOptions, toRpc } from "../routing/options.ts";
import { toSchemaSource } from "../schema/options.ts";
import { toServerTls } from "../tls/options.ts";
import { toFieldSources } from "../transcode/options.ts";
import { toTrafficPolicy } from "../upstream/options.ts";
import type { ServerTls } from "../tls/server.ts";
import { readApiService } from "./api-service.ts";
import type { Config, PlacedRule, Policy, RouteConfig, ServiceRoute, UpstreamConfig } from "./config.ts";
import { nearestSpot } from "./issues.ts";
import { formatPath, type Path } from "./path.ts";
import { defaultPolicy, mergePolicy, toPolicyOverrides } from "./policy.ts";
import type { ParsedFile, ParsedRoute, ParsedUpstream } from "./schema.ts";
import type { SoundParts } from "./sound-parts.ts";
import type { Position, YamlFile } from "./yaml.ts";

/**
 * Makes the configuration of what the schema has accepted of a file, and says what in it is wrong or has no effect.
 * `readFile` gives the text of a file that it names.
 */
export function buildConfig(
  parts: SoundParts<ParsedFile>,
  file: string,
  yaml: YamlFile,
  readFile: (path: string) => string,
): { config: Config; problems: readonly Problem[] } {
  const builder = new Builder(parts, file, yaml, readFile);
  return { config: builder.build(), problems: builder.problems };
}

class Builder {
  readonly problems: Problem[] = [];
  private readonly parts: SoundParts<ParsedFile>;
  private readonly parsed: ParsedFile;
  private readonly file: string;
  private readonly yaml: YamlFile;
  private readonly readFile: (path: string) => string;

  constructor(parts: SoundParts<ParsedFile>, file: string, yaml: YamlFile, readFile: (path: string) => string) {
    this.readFile = readFile;
    this.parts = parts;
    this.parsed = parts.data;
    this.file = file;
    this.yaml = yaml;
  }

  build(): Config {
    const { parsed } = this;
    const { read, services } = parsed.annotations;
    const defaults = mergePolicy(defaultPolicy, toPolicyOverrides(parsed.defaults));
    if (!read && services.length > 0) this.warn(["annotations", "services"], "has no effect without read: true");
    this.warnOfHeaders(["defaults"], parsed.defaults.headers);
    const upstreams = Object.entries(parsed.upstreams).map(([name, one]) => this.buildUpstream(name, one, defaults));
    const isDerived = upstreams.some(({ serviceRoutes, autoRoutes }) => serviceRoutes.length + autoRoutes.length > 0);
    if (!read && !isDerived && parsed.routes.length === 0) {
      this.warn([], "nothing is served: there are no routes, and neither annotations.read nor auto_routes is true");
    }
    return {
      file: this.file,
      server: toServerOptions(parsed.server, this.buildServerTls()),
      upstreams,
      routes: parsed.routes.map((route, index) =>
        this.buildRoute(route, ["routes", this.parts.routeIndexes[index] ?? index]),
      ),
      annotations: { read, services },
      routing: toRoutingOptions(parsed.routing),
      errors: defaults.errors,
      lacksUpstreams: this.parts.lacksUpstreams,
    };
  }

  private buildServerTls(): ServerTls | null {
    const at = (key: string): Path => ["server", "tls", key];
    return toServerTls(
      this.parsed.server.tls,
      this.readFile,
      (key, message) => this.refuse(at(key), message),
      (key, message) => this.warn(at(key), message),
    );
  }

  private buildUpstream(name: string, parsed: ParsedUpstream, defaults: Policy): UpstreamConfig {
    const at = ["upstreams", name];
    const folder = path.dirname(this.file);
    const target = toTarget(parsed, folder, this.readFile, (message) =>
      this.refuse([...at, "discovery", "module"], message),
    );
    for (const kind of ["etcd", "dns"] as const) {
      if (target.kind === kind || parsed.discovery?.[kind] === undefined) continue;
      this.warn([...at, "discovery", kind], `has no effect on a ${target.kind} target`);
    }
    const discovery = [
      this.discoveryAt(["defaults"], this.parsed.defaults.discovery),
      this.discoveryAt(at, parsed.discovery),
    ];
    this.warnOfHeaders(at, parsed.headers);
    return {
      name,
      target,
      schema: toSchemaSource(parsed.schema, folder),
      ...toTrafficPolicy(parsed, folder, this.readFile, (key, message) => this.refuse([...at, "tls", key], message)),
      etcd: toEtcdOptions(target, discovery, this.readFile),
      dns: toDnsOptions(target, discovery),
      cacheFile: toCacheFile(target, discovery, folder),
      serviceRoutes: parsed.api_service === undefined ? [] : this.readService(parsed.api_service, at),
      autoRoutes: parsed.auto_routes ?? this.parsed.auto_routes,
      policy: mergePolicy(defaults, toPolicyOverrides(parsed)),
      position: this.keyAt(at),
    };
  }

  private warnOfHeaders(at: Path, headers: ParsedRoute["headers"]): void {
    for (const direction of ["request", "response"] as const) {
      for (const list of ["allow", "deny"] as const) {
        for (const [index, name] of (headers?.[direction]?.[list] ?? []).entries()) {
          const reason = whyNoEffect(direction, list, name);
          if (reason === null) continue;
          const message = `header "${name}" never crosses, whatever is said here: ${reason}`;
          this.warn([...at, "headers", direction, list, index], message);
        }
      }
    }
  }

  private readService(name: string, at: Path): readonly ServiceRoute[] {
    let text: string;
    try {
      text = this.readFile(name);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : String(error);
      this.refuse([...at, "api_service"], `${JSON.stringify(name)} cannot be read: ${reason}`);
      return [];
    }
    return readApiService(text, path.join(path.dirname(this.file), name), this.problems);
  }

  private discoveryAt(at: Path, discovery: DiscoveryLevel["discovery"]): DiscoveryLevel {
    return { discovery, complain: (keys, message) => this.refuse([...at, "discovery", ...keys], message) };
  }

  private buildRoute(parsed: ParsedRoute, at: Path): RouteConfig {
    const rpc = toRpc(parsed);
    if (rpc === undefined) throw new Error("checkRpc lets no route without a method pass");
    this.warnOfHeaders(at, parsed.headers);
    const more = parsed.additional_bindings ?? [];
    const overrides = toPolicyOverrides(parsed);
    return {
      rpc,
      upstream: parsed.upstream,
      rules: [
        this.buildRule(parsed, at),
        ...more.map((binding, index) => this.buildRule(binding, [...at, "additional_bindings", index])),
      ],
      idempotent: parsed.idempotent,
      sources: [...toFieldSources(parsed), ...toEventSources(parsed)],
      replyFields: toReplyFields(parsed),
      placeOf: (path) => nearestSpot([...at, ...path], this.yaml.spots).value,
      policyFor: (upstream) => mergePolicy(upstream, overrides),
      position: this.keyAt(at),
    };
  }

  private buildRule(parsed: Parameters<typeof toHttpRule>[0], at: Path): PlacedRule {
    const { rule, pathKeys } = toHttpRule(parsed);
    const find = (key: string): Position | undefined => this.yaml.spots.get(formatPath([...at, key]))?.value;
    const positions = {
      path: nearestSpot([...at, ...pathKeys], this.yaml.spots).value,
      body: find("body"),
      responseBody: find("response_body"),
    };
    return { ...rule, positions };
  }

  private keyAt(at: Path): Position {
    return nearestSpot(at, this.yaml.spots).key;
  }

  private warn(at: Path, message: string): void {
    this.tell(at, this.keyAt(at), message, "warning");
  }

  private refuse(at: Path, message: string): void {
    this.tell(at, nearestSpot(at, this.yaml.spots).value, message, "error");
  }

  private tell(at: Path, { line, column }: Position, message: string, severity: Problem["severity"]): void {
    const prefix = at.length === 0 ? "" : `${formatPath(at)}: `;
    // What stands in the defaults is found wrong by each upstream that takes it from there.
    if (this.problems.some((one) => one.line === line && one.column === column && one.message === prefix + message))
      return;
    this.problems.push({ file: this.file, line, column, message: prefix + message, severity });
  }
}
