import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { fromBinary, fromJson, toBinary, toJson, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { parseConfig } from "../../src/config/load.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { problemsOf } from "../../src/core/problem.ts";
import type { Route } from "../../src/exchange/route.ts";
import { compileSnapshot } from "../../src/snapshot/compile.ts";
import { resolveRoutes, type ResolvedRoutes } from "../../src/snapshot/resolve.ts";
import { sink } from "../../src/transcode/sink.ts";

export interface Rules {
  /** What stands in the .proto file behind syntax, package (example.v1) and imports. */
  readonly proto: string;
  /** Top-level keys of routes.yaml; without any, the annotations are read. */
  readonly yaml?: string;
}

export interface Api {
  /** What a request becomes: `Method(message as JSON)`, or the error: `CODE message`, or what no route took. */
  (method: string, target: string, body?: JsonValue): string;
  /** The same, for a body as it stands. */
  raw(method: string, target: string, body: string): string;
  /** The JSON of a reply, given the upstream's message as JSON. */
  reply(method: string, target: string, message: JsonValue): string;
}

const HEAD = `syntax = "proto3";
package example.v1;
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
`;

/** Compiles a .proto file with its annotations or rules; gives what requests become, short of a call. */
export async function serveRules(t: TestContext, rules: Rules): Promise<Api> {
  const resolved = await resolve(t, rules);
  const errors = resolved.problems.filter((problem) => problem.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((problem) => problem.message).join("\n"));
  const target = { name: "api", startAttempt: unused, waitForReady: unused } as never; // no call is made
  const { table } = compileSnapshot(resolved, new Map([["api", target]]));
  const registry = resolved.schemas.get("api")?.registry;
  const request = (method: string, requestTarget: string, body: string | null): string => {
    const [requestPath = "", query = ""] = requestTarget.split(/\?(.*)/s);
    const match = table.match(method, requestPath);
    switch (match.kind) {
      case "not_found":
        return "404";
      case "method_not_allowed":
        return `405 ${match.allow.join(" ")}`;
      case "redirect":
        return `308 ${match.path}`;
      case "malformed":
        return `400 ${match.reason}`;
      case "found":
        return bind(match.value, match.variables, query, body);
      default:
        return match satisfies never;
    }
  };
  const bind = (route: Route, variables: readonly string[], query: string, body: string | null): string => {
    try {
      const bytes = route.bind(variables, query, body === null ? null : Buffer.from(body));
      const desc = resolved.schemas.get("api")?.methods.get(route.rpc)?.desc.input as DescMessage; // the route has it
      const message = toJson(desc, fromBinary(desc, bytes), registry === undefined ? {} : { registry });
      return `${route.rpc.replace(/.*\//, "")}(${JSON.stringify(message)})`;
    } catch (error) {
      if (error instanceof GatewayError) return `${error.code} ${error.message}`;
      throw error;
    }
  };
  const reply = (method: string, requestTarget: string, message: JsonValue): string => {
    const match = table.match(method, requestTarget);
    if (match.kind !== "found") return match.kind;
    const desc = resolved.schemas.get("api")?.methods.get(match.value.rpc)?.desc.output as DescMessage; // as above
    const bytes = toBinary(desc, fromJson(desc, message, registry === undefined ? {} : { registry }));
    sink.reset();
    match.value.write(bytes, 0, bytes.length);
    return sink.take().toString();
  };
  return Object.assign(
    (method: string, requestTarget: string, body?: JsonValue) =>
      request(method, requestTarget, body === undefined ? null : JSON.stringify(body)),
    { raw: request, reply },
  );
}

/** Messages of what is wrong with rules, places left out. */
export async function problemsWith(t: TestContext, rules: Rules): Promise<string[]> {
  try {
    const { problems } = await resolve(t, rules);
    return problems.map((problem) => problem.message);
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined) throw error;
    return problems.map((problem) => problem.message);
  }
}

async function resolve(t: TestContext, { proto, yaml }: Rules): Promise<ResolvedRoutes> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "sluice-rules-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, "api.proto"), HEAD + proto);
  const text = `version: 1
upstreams: { api: { target: "pass:///127.0.0.1:1", schema: { proto: { files: [api.proto] } } } }
${yaml ?? "annotations: { read: true }"}
`;
  const readFile = (): string => "";
  return resolveRoutes(parseConfig(text, path.join(folder, "routes.yaml"), { env: {}, readFile }).config);
}

function unused(): never {
  throw new Error("no call is made");
}
