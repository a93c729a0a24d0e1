import { z } from "zod";
import { filled, flag, integer, list, record, section, text, type Complain } from "../core/options.ts";
import { didYouMean } from "../core/suggest.ts";
import { checkSource, discoverySection, sourceShape } from "../discovery/options.ts";
import { serverSection } from "../edge/options.ts";
import {
  annotationsSection,
  apiServiceOption,
  autoRoutesOption,
  checkMethodKeys,
  checkRpc,
  routingSection,
  rpcJsonSchema,
  rpcShape,
  ruleJsonSchema,
  ruleShape,
} from "../routing/options.ts";
import { schemaSection } from "../schema/options.ts";
import { laterUpstreamKeys, trafficPolicyShape } from "../upstream/options.ts";
import { laterPolicyKeys, policyShape, policyShapeOfRoute } from "./policy.ts";

const UPSTREAM_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]*";

const defaults = section(
  {
    docs: "What holds for every upstream and route that says nothing else.",
    later: [...laterPolicyKeys, ...laterUpstreamKeys],
    misplaced: { load_balancing: "belongs on an upstream", connect_timeout: "belongs on an upstream" },
  },
  { ...policyShape, discovery: discoverySection.optional() },
);

const upstream = section(
  {
    docs: "One upstream: the instances of a gRPC service, and how to reach them.",
    later: [...laterPolicyKeys, ...laterUpstreamKeys],
    check: checkSource,
  },
  {
    ...sourceShape,
    schema: schemaSection,
    ...trafficPolicyShape,
    api_service: apiServiceOption.optional(),
    auto_routes: autoRoutesOption({
      docs: "As auto_routes of the file, for this upstream; wins over it. Services not of this upstream are passed over.",
    }).optional(),
    ...policyShape,
  },
);

const route = section(
  {
    docs: "One google.api.HttpRule, the rpc that it is for, and its policy.",
    later: laterPolicyKeys,
    jsonSchema: { allOf: [rpcJsonSchema, ruleJsonSchema] },
    check(value, complain, hasUnknownKeys) {
      checkMethodKeys(value, complain, hasUnknownKeys);
      checkRpc(value, complain, hasUnknownKeys);
    },
  },
  {
    ...rpcShape,
    upstream: text({
      docs: "Which upstream answers; may be left out where exactly one has the service.",
      what: "the name of an upstream",
    }).optional(),
    ...ruleShape,
    idempotent: flag({
      docs:
        "Whether a call may be made again on another instance although it may have been processed. Without it: " +
        "what the method's idempotency_level says, else true for GET and HEAD.",
    }).optional(),
    ...policyShapeOfRoute,
  },
);

const fileShape = {
  version: integer({ docs: "Version of this format: 1.", min: 1, max: 1 }),
  server: serverSection.prefault({}),
  defaults: defaults.prefault({}),
  upstreams: record({ docs: "Upstreams by name." }, upstream),
  routes: list({ docs: "Routes, in any order.", default: [] }, route).prefault([]),
  annotations: annotationsSection.prefault({}),
  auto_routes: filled(
    autoRoutesOption({
      docs:
        "POST /pkg.Service/Method for every method, the message as JSON in the body: true, or a list of services, in which " +
        "* is any run of characters. A declared route of the same method and path wins.",
      default: false,
    }),
  ),
  routing: routingSection.prefault({}),
};

const OF_API_SERVICE = "belongs in a google.api.Service file, which an upstream names by api_service";

/** routes.yaml as a whole. */
export const fileSchema = section(
  {
    docs: "Configuration of Sluice, the gateway from HTTP/JSON to gRPC.",
    later: ["include", "auth", "telemetry", "registration"],
    misplaced: { type: OF_API_SERVICE, http: OF_API_SERVICE },
    check: checkUpstreams,
  },
  fileShape,
);

export type ParsedFile = z.output<z.ZodObject<typeof fileShape>>;
export type ParsedUpstream = z.output<typeof upstream>;
export type ParsedRoute = z.output<typeof route>;

/** Names of upstreams, and the routes that use them. Parts of the file may be missing where they are wrong. */
function checkUpstreams(file: Partial<ParsedFile>, complain: Complain): void {
  // What is no map has been told.
  if (typeof file.upstreams !== "object") return;
  const names = Object.keys(file.upstreams);
  if (names.length === 0) complain(["upstreams"], "expected at least one upstream");
  for (const name of names) {
    if (new RegExp(`^${UPSTREAM_NAME}$`).test(name)) continue;
    complain(["upstreams", name], "an upstream's name is made of letters, digits, and . _ - after the first");
  }
  if (!Array.isArray(file.routes)) return;
  // Where a part of the file is wrong, any element may be missing.
  const routes: readonly (Partial<ParsedRoute> | undefined)[] = file.routes;
  const used = new Set<string>();
  for (const [index, route] of routes.entries()) {
    const name = route?.upstream;
    if (name === undefined) continue;
    used.add(name);
    if (names.includes(name)) continue;
    const hint = didYouMean(name, names) || `; there is ${names.join(", ")}`;
    complain(["routes", index, "upstream"], `no upstream "${name}"${hint}`);
  }
  // A route that names none, or an annotation, may use any of them; an unknown name may be a slip for any.
  const upstreams: readonly (Partial<ParsedUpstream> | undefined)[] = Object.values(file.upstreams ?? {});
  const isDerived = upstreams.some((one) => one?.api_service !== undefined || (one?.auto_routes ?? []).length > 0);
  if (isDerived || file.auto_routes === undefined || file.auto_routes.length > 0) return;
  const isSure = file.annotations?.read === false && routes.every((route) => names.includes(route?.upstream ?? ""));
  if (!isSure) return;
  for (const name of names) {
    if (!used.has(name) && routes.length > 0) complain(["upstreams", name], "no route uses this upstream");
  }
}
