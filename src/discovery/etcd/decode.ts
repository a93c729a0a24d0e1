import { parseAddress, quote, quoteValue } from "../address.ts";
import { MAX_WEIGHT, MAX_ZONE_LENGTH } from "../endpoint-list.ts";
import { lastSegment } from "./keys.ts";

/** One address of a value. */
export interface DecodedEndpoint {
  readonly address: string;
  /** From 0, which says that the instance takes no new calls. */
  readonly weight: number;
  /** "" where nothing is said. */
  readonly zone: string;
}

export interface Decoded {
  /** Empty, too, for a value that is a deletion (`Op` 1). */
  readonly endpoints: readonly DecodedEndpoint[];
  /** Why the value, or a node of it, was left out; empty where all was read. */
  readonly refused: readonly string[];
}

/** Longer values are refused: no writer's instance comes near, and one key must not cost the gateway its memory. */
export const MAX_VALUE_LENGTH = 64 * 1024;
/** Most addresses taken from one value. */
export const MAX_NODES = 1000;

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads what frameworks write under a service's prefix, by its form, in this order:
 *
 *     empty                                      the address is the key's last segment, percent-encoded or not
 *     text                                       [scheme "://"] host:port; what follows after "/", "?" is left out
 *     "…"                                        JSON string: as text
 *     {"Addr", "Op", "Metadata"}                 etcd's Go client `naming/endpoints`; Op 1 is a deletion
 *     {"addr"} {"address"[, "port"]}             Kitex and many others
 *     {"host" | "ip", "port"}
 *     {"endpoints": ["grpc://…", …]}             Kratos; grpc, else grpcs, else without a scheme; http is not for us
 *     {"nodes": [{…}, …] | {"host:port": weight}}   go-micro, APISIX; a node of a list is an object as above
 *
 * `weight` and `zone|az|region` stand in the object or in its metadata (`Metadata`, `metadata`, `tags`). A weight that
 * is no number from 0 up counts as 1, since metadata is free text. Never throws.
 */
export function decodeValue(key: string, value: string): Decoded {
  if (value.length > MAX_VALUE_LENGTH) return refuse(`the value is longer than ${MAX_VALUE_LENGTH} characters`);
  const text = value.trim();
  if (text === "") return fromText(percentDecoded(lastSegment(key)), {});
  if (!text.startsWith("{") && !text.startsWith('"')) return fromText(text, {});
  const json = parseJson(text);
  if (typeof json === "string") return fromText(json.trim(), {});
  if (!isObject(json)) return refuse(`${quote(text)} is no valid JSON`);
  return "nodes" in json && !hasAddress(json) ? fromNodes(json["nodes"]) : fromObject(json);
}

/** Reads `[scheme "://"] host:port`; weight and zone come from the object that the text stood in. */
function fromText(text: string, json: Json): Decoded {
  const bare = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "").replace(/[/?#].*$/s, "");
  const parsed = parseAddress(bare);
  if (!parsed.ok) return refuse(bare === "" && text !== "" ? `${quote(text)} names no host:port` : parsed.reason);
  return { endpoints: [{ address: parsed.address, weight: weightOf(json), zone: zoneOf(json) }], refused: [] };
}

function fromObject(json: Json): Decoded {
  if (typeof json["Addr"] === "string") {
    return json["Op"] === 1 ? { endpoints: [], refused: [] } : fromText(json["Addr"], json);
  }
  for (const name of ["addr", "address", "host", "ip"]) {
    const host = json[name];
    if (typeof host === "string") return fromText(withPort(host, json["port"]), json);
  }
  const urls = urlsOf(json);
  if (urls.length > 0) return fromUrls(urls, json);
  return refuse("the value names no address; expected one of Addr, addr, address, host, ip, endpoints, nodes");
}

function fromUrls(urls: readonly string[], json: Json): Decoded {
  const url =
    urls.find((candidate) => candidate.startsWith("grpc://")) ??
    urls.find((candidate) => candidate.startsWith("grpcs://")) ??
    urls.find((candidate) => !candidate.includes("://"));
  return url === undefined
    ? refuse(`none of the endpoints is for gRPC: ${quote(urls.join(" "))}`)
    : fromText(url, json);
}

function fromNodes(nodes: unknown): Decoded {
  const list = Array.isArray(nodes)
    ? nodes
    : isObject(nodes)
      ? Object.entries(nodes).map(([address, weight]) => ({ address, weight }))
      : [];
  const endpoints: DecodedEndpoint[] = [];
  const refused: string[] = list.length > MAX_NODES ? [`${list.length} nodes; the first ${MAX_NODES} are used`] : [];
  for (const node of list.slice(0, MAX_NODES)) {
    const decoded = isObject(node) ? fromObject(node) : refuse(`${quoteValue(node)} is no node`);
    endpoints.push(...decoded.endpoints);
    refused.push(...decoded.refused);
  }
  return { endpoints, refused };
}

/** Whether the object itself names an address, so that other keys of it are none of ours. */
function hasAddress(json: Json): boolean {
  return (
    ["Addr", "addr", "address", "host", "ip"].some((name) => typeof json[name] === "string") || urlsOf(json).length > 0
  );
}

/** go-micro has `endpoints`, too: objects that describe methods. */
function urlsOf(json: Json): readonly string[] {
  const endpoints = json["endpoints"];
  return Array.isArray(endpoints) ? endpoints.filter((url) => typeof url === "string") : [];
}

/** Old writers keep the port apart, some in both places. */
function withPort(host: string, port: unknown): string {
  if ((typeof port !== "number" && typeof port !== "string") || port === "") return host;
  if (parseAddress(host).ok) return host;
  return host.includes(":") && !host.startsWith("[") ? `[${host}]:${port}` : `${host}:${port}`;
}

function weightOf(json: Json): number {
  const found = property(json, ["weight", "Weight"]);
  const weight = typeof found === "string" && found.trim() !== "" ? Number(found) : found;
  return typeof weight === "number" && weight >= 0 ? Math.min(weight, MAX_WEIGHT) : 1;
}

function zoneOf(json: Json): string {
  const zone = property(json, ["zone", "az", "region"]);
  return typeof zone === "string" && zone.length <= MAX_ZONE_LENGTH ? zone : "";
}

/** The first of the names that the object holds, else its metadata. */
function property(json: Json, names: readonly string[]): unknown {
  for (const holder of [json, json["Metadata"], json["metadata"], json["tags"]]) {
    if (!isObject(holder)) continue;
    const name = names.find((candidate) => holder[candidate] !== undefined);
    if (name !== undefined) return holder[name];
  }
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // told as "no valid JSON", with the text
  }
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray "%": no address either way, and told as such
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(reason: string): Decoded {
  return { endpoints: [], refused: [reason] };
}
