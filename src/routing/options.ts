import { z } from "zod";
import { choice, filled, flag, leaf, list, section, text, type Complain } from "../core/options.ts";
import type { HttpRule } from "../schema/http-rule.ts";
import { defaultRoutingOptions, type RoutingOptions } from "./table.ts";

const METHOD_KEYS = ["get", "put", "post", "delete", "patch", "custom"] as const;

const path = (method: string) =>
  text({
    docs: `Path template answered to ${method}.`,
    what: "a path template such as /v1/{name=shelves/*}",
  }).optional();

const body = "[A-Za-z_][A-Za-z0-9_]*";

/** The words of google.api.HttpRule, additional_bindings aside. */
const bindingShape = {
  get: path("GET"),
  put: path("PUT"),
  post: path("POST"),
  delete: path("DELETE"),
  patch: path("PATCH"),
  custom: section(
    { docs: "A path template answered to another method." },
    {
      kind: text({ docs: "HTTP method, such as HEAD; * for every method.", what: "an HTTP method, or *" }),
      path: text({ docs: "Path template.", what: "a path template such as /v1/{name=shelves/*}" }),
    },
  ).optional(),
  body: text({
    docs: "Where the request body goes: a field of the request, or * for all of it; without it there is no body.",
    pattern: `\\*|${body}|`,
    what: "*, or the name of a field of the request message",
    default: "",
  }).optional(),
  response_body: text({
    docs: "A field of the reply that is sent in place of the whole reply.",
    pattern: `${body}|`,
    what: "the name of a field of the reply message",
    default: "",
  }).optional(),
};

const exactlyOneMethod = { oneOf: METHOD_KEYS.map((key) => ({ required: [key] })) };

const binding = section(
  {
    docs: "One more way to reach the same rpc.",
    misplaced: { additional_bindings: "does not nest (google.api.HttpRule)" },
    jsonSchema: exactlyOneMethod,
    check: checkMethodKeys,
  },
  bindingShape,
);

/** Keys of a route that are a google.api.HttpRule. */
export const ruleShape = {
  ...bindingShape,
  additional_bindings: list({ docs: "More ways to reach the same rpc.", default: [] }, binding).optional(),
};

/** JSON Schema of the rule between a route's keys. */
export const ruleJsonSchema = exactlyOneMethod;

type Binding = z.output<z.ZodObject<typeof bindingShape>>;

/** The rule between a binding's keys, for `check` of a section that has them. */
export function checkMethodKeys(value: Partial<Binding>, complain: Complain, hasUnknownKeys: boolean): void {
  const given = METHOD_KEYS.filter((key) => Object.hasOwn(value, key));
  if (given.length === 1 || (given.length === 0 && hasUnknownKeys)) return;
  const found = given.length === 0 ? "" : `, not ${given.join(" and ")}`;
  complain([], `expected exactly one of ${METHOD_KEYS.slice(0, -1).join(", ")} or custom${found}`);
}

/** A binding as the rule that it is, and the keys under which its path stands. */
export function toHttpRule(parsed: Binding): { rule: HttpRule; pathKeys: readonly string[] } {
  const key = METHOD_KEYS.find((one) => parsed[one] !== undefined);
  const value = key && parsed[key];
  if (key === undefined || value === undefined) throw new Error("checkMethodKeys lets exactly one pass");
  const rest = { body: parsed.body ?? "", responseBody: parsed.response_body ?? "" };
  return typeof value === "string"
    ? { rule: { method: key.toUpperCase(), path: value, ...rest }, pathKeys: [key] }
    : { rule: { method: value.kind, path: value.path, ...rest }, pathKeys: [key, "path"] };
}

const NAME = "[A-Za-z_][A-Za-z0-9_]*";

/** Which rpc a route is for; `rpc` or `selector`. */
export const rpcShape = {
  rpc: text({
    docs: "The gRPC method, pkg.Service/Method.",
    pattern: `${NAME}(\\.${NAME})*/${NAME}`,
    what: "a method such as library.v1.Library/GetBook",
    hint: rpcHint,
  }).optional(),
  selector: text({
    docs: "The gRPC method as google.api.HttpRule names it, pkg.Service.Method; in place of rpc.",
    pattern: `${NAME}(\\.${NAME})+`,
    what: "a method such as library.v1.Library.GetBook",
  }).optional(),
};

interface GivenRpc {
  readonly rpc?: string | undefined;
  readonly selector?: string | undefined;
}

/** JSON Schema of the rule between `rpc` and `selector`. */
export const rpcJsonSchema = { anyOf: [{ required: ["rpc"] }, { required: ["selector"] }] };

/** `pkg.Service/Method` of whichever is given; undefined where none is. */
export function toRpc(parsed: GivenRpc): string | undefined {
  return parsed.rpc ?? parsed.selector?.replace(/\.([^.]+)$/, "/$1");
}

/** The rule between `rpc` and `selector`, for `check` of a section that has them. */
export function checkRpc(parsed: GivenRpc, complain: Complain, hasUnknownKeys: boolean): void {
  if (!Object.hasOwn(parsed, "rpc") && !Object.hasOwn(parsed, "selector")) {
    if (!hasUnknownKeys) complain([], 'missing key "rpc": the gRPC method, such as library.v1.Library/GetBook');
    return;
  }
  const { rpc, selector } = parsed;
  if (rpc !== undefined && selector !== undefined && toRpc({ selector }) !== rpc) {
    complain(["selector"], `selector "${selector}" names another method than rpc "${rpc}"; one of them is enough`);
  }
}

function rpcHint(value: string): string | undefined {
  if (value.startsWith("/")) return "leave the first / out";
  return /^\w+(\.\w+)+$/.test(value) ? `write ${toRpc({ selector: value })}, or use selector` : undefined;
}

// `*` is any run of characters.
const SERVICE_GLOB = "[A-Za-z0-9_.*]+";

/** `annotations:` of routes.yaml. */
export const annotationsSection = section(
  { docs: "Routes from google.api.http annotations in the schemas. A route above replaces its rpc's annotation." },
  {
    read: filled(flag({ docs: "Whether annotations become routes.", default: false })),
    services: filled(
      list(
        { docs: "Services whose annotations are read; * is any run of characters. Empty: all.", default: [] },
        text({
          docs: "A full service name, or a pattern such as library.v1.*.",
          pattern: SERVICE_GLOB,
          what: "a service name or a pattern such as library.v1.*",
        }),
      ),
    ),
  },
);

/** `auto_routes:` of routes.yaml and of an upstream: patterns of services, none for false. */
export function autoRoutesOption(docs: { readonly docs: string; readonly default?: boolean }) {
  const item = { type: "string", pattern: `^${SERVICE_GLOB}$` };
  const jsonSchema = {
    title: "true, false or list of services",
    anyOf: [{ type: "boolean" }, { type: "array", items: item }],
  };
  return leaf<readonly string[]>(docs, jsonSchema, (value) => {
    if (value === true || value === "true") return { value: ["*"] };
    if (value === false || value === "false") return { value: [] };
    const isGlob = (one: unknown): boolean => typeof one === "string" && new RegExp(`^${SERVICE_GLOB}$`).test(one);
    if (Array.isArray(value) && value.length > 0 && value.every(isGlob)) return { value: value as string[] };
    return { expected: "expected true, false or a list of services such as library.v1.*" };
  });
}

/** `api_service:` of an upstream. */
export const apiServiceOption = text({
  docs:
    "A YAML file of type google.api.Service, as grpc_api_configuration of grpc-gateway: its http.rules become routes, " +
    "in place of the annotations of their methods. Relative to the folder of this file.",
  what: "a file name",
});

/** `routing:` of routes.yaml. */
export const routingSection = section(
  { docs: "How request paths are read; what is not said follows google/api/http.proto." },
  {
    trailing_slash: filled(
      choice({
        docs:
          "Whether /v1/shelves/ is another path than /v1/shelves (strict), the same (ignore), or is answered with 308 " +
          "to it (redirect).",
        of: ["strict", "ignore", "redirect"],
        default: defaultRoutingOptions.trailingSlash,
      }),
    ),
    unescape: filled(
      choice({
        docs:
          "What is decoded in a variable of several segments: all but %2F; all but %2F and every other reserved " +
          "character of RFC 6570; or all. A variable of one segment is always decoded.",
        of: ["all_except_slash", "all_except_reserved", "all"],
        default: defaultRoutingOptions.unescape,
      }),
    ),
  },
);

export function toRoutingOptions(parsed: z.output<typeof routingSection>): RoutingOptions {
  return { trailingSlash: parsed.trailing_slash, unescape: parsed.unescape };
}
