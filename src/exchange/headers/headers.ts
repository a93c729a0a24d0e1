import type { FlatMetadata } from "../../call/call.ts";

/** What the configuration says of one direction, on top of what never crosses. Names in any case. */
export interface HeaderRules {
  /** Names, or beginnings that end in `*`; empty = all that may cross. */
  readonly allow: readonly string[];
  /** As `allow`; wins over it. */
  readonly deny: readonly string[];
  /** From the name as it came to the name as it goes on; `allow` and `deny` look at the former. */
  readonly rename: Readonly<Record<string, string>>;
}

/** Which HTTP headers become gRPC metadata, and which metadata become headers of the reply. Never throws. */
export interface HeaderPolicy {
  /**
   * @param rawHeaders Node's: name, value, name, value, …
   * @param extra what the gateway sets itself (`x-request-id`, `x-forwarded-*`), flat, names in lower case. It comes
   *   first; `deny` and `rename` hold for it, `allow` does not.
   */
  toMetadata(rawHeaders: readonly string[], extra: readonly string[]): string[];
  /** Initial and trailing metadata as one flat list of headers; repeated names stay repeated. The caller's to keep. */
  toReplyHeaders(headers: FlatMetadata, trailers: FlatMetadata): string[];
}

export type HeaderDirection = "request" | "response";

/** Compiles the policy of a route. Rules that would let cross what never does have no effect (`whyNeverCrosses`). */
export function compileHeaderPolicy(request: HeaderRules, response: HeaderRules): HeaderPolicy {
  const client = new NameMap((name) => outgoingName("request", request, name));
  const own = new NameMap((name) => ownName(request, name));
  const upstream = new NameMap((name) => outgoingName("response", response, name));
  return {
    toMetadata(rawHeaders, extra) {
      const out = new BoundedList();
      for (let i = 0; i + 1 < extra.length; i += 2) addMetadata(out, own.get(at(extra, i)), at(extra, i + 1));
      const listed = listedByConnection(rawHeaders);
      for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
        const name = at(rawHeaders, i);
        if (listed === null || !listed.has(name.toLowerCase()))
          addMetadata(out, client.get(name), at(rawHeaders, i + 1));
      }
      return out.list;
    },
    toReplyHeaders(headers, trailers) {
      const out = new BoundedList();
      addReplyHeaders(out, upstream, headers);
      addReplyHeaders(out, upstream, trailers);
      return out.list;
    },
  };
}

/** Why no rule lets a header cross; null where one may. `_` counts as `-`, as it does to servers behind CGI and WSGI. */
export function whyNeverCrosses(direction: HeaderDirection, name: string): string | null {
  const lower = name.toLowerCase();
  if (!METADATA_NAME.test(lower)) return "gRPC metadata names hold letters, digits, _, - and . only";
  const plain = lower.replaceAll("_", "-");
  if (CONNECTION_HEADERS.has(plain) || plain.startsWith("sec-websocket-")) return "it belongs to one connection";
  // The name under which a reply is to be saved holds for any body.
  if (direction === "response" && plain === "content-disposition") return null;
  if (plain.startsWith("content-")) return "it describes a body that is translated";
  if (plain.startsWith("grpc-")) return "it belongs to the gRPC protocol";
  if (isSetByGateway(direction, plain)) return "it is the gateway's to set";
  return null;
}

/** Why a name in `allow` or `deny` changes nothing; null where it may. A beginning that ends in `*` always may. */
export function whyNoEffect(direction: HeaderDirection, list: "allow" | "deny", name: string): string | null {
  if (name.endsWith("*")) return null;
  // What the gateway sets itself, the file may leave out.
  if (list === "deny" && direction === "request" && isSetByGateway(direction, plainName(name))) return null;
  return whyNeverCrosses(direction, name);
}

// "Header-Name" of gRPC over HTTP/2; HTTP allows more, which grpc-js answers by throwing.
const METADATA_NAME = /^[0-9a-z_.-]+$/;

// RFC 9110, 7.6.1 (hop-by-hop; a `connection` key in metadata makes grpc-js hang), and what else ends at this gateway:
// the site's name, the hop's credentials, the negotiation of encodings, upgrades and alternatives.
const CONNECTION_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
  "expect",
  "accept-encoding",
  "alt-svc",
  "alt-used",
]);

const SET_IN_REQUESTS = new Set(["x-request-id", "forwarded"]);
const SET_IN_REPLIES = new Set(["x-request-id", "date", "server", "x-accel-buffering"]);

function isSetByGateway(direction: HeaderDirection, name: string): boolean {
  if (direction === "response") return SET_IN_REPLIES.has(name);
  return SET_IN_REQUESTS.has(name) || name.startsWith("x-forwarded-");
}

/** The name that a header goes on under; "" where it does not cross. */
function outgoingName(direction: HeaderDirection, rules: HeaderRules, name: string): string {
  const lower = name.toLowerCase();
  if (whyNeverCrosses(direction, lower) !== null || matches(rules.deny, lower)) return "";
  if (rules.allow.length > 0 && !matches(rules.allow, lower)) return "";
  const target = renamed(rules, lower);
  if (whyNeverCrosses(direction, target) !== null) return "";
  // Where a name of the gateway's own goes on as another, a client must not be able to set that either.
  const taken = Object.entries(rules.rename).some(
    ([from, to]) => isSetByGateway(direction, plainName(from)) && plainName(to) === plainName(target),
  );
  return taken ? "" : target;
}

/** As `outgoingName`, for what the gateway sets itself. */
function ownName(rules: HeaderRules, name: string): string {
  if (matches(rules.deny, name)) return "";
  const target = renamed(rules, name);
  return target === name || whyNeverCrosses("request", target) === null ? target : "";
}

function renamed(rules: HeaderRules, name: string): string {
  for (const [from, to] of Object.entries(rules.rename)) if (from.toLowerCase() === name) return to.toLowerCase();
  return name;
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

function matches(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => {
    const lower = pattern.toLowerCase();
    return lower.endsWith("*") ? name.startsWith(lower.slice(0, -1)) : name === lower;
  });
}

// Far above the headers of honest clients and servers, and a bound on what strangers can make us remember.
const MAX_REMEMBERED_NAMES = 500;

interface Outgoing {
  /** "" = does not cross. */
  readonly name: string;
  readonly binary: boolean;
}

/** Remembers what became of each name, in the case it came in: one look-up in place of the rules. */
class NameMap {
  private readonly judge: (name: string) => string;
  private readonly known = new Map<string, Outgoing>();

  constructor(judge: (name: string) => string) {
    this.judge = judge;
  }

  get(name: string): Outgoing {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const outgoing = this.judge(name);
    const made = { name: outgoing, binary: outgoing.endsWith("-bin") };
    if (this.known.size < MAX_REMEMBERED_NAMES) this.known.set(name, made);
    return made;
  }
}

// As much as the edge takes from a client; counted as HTTP/2 does (RFC 9113, 10.5.1). What does not fit is left out.
const MAX_BYTES = 64 * 1024;
const ENTRY_OVERHEAD_BYTES = 32;

class BoundedList {
  readonly list: string[] = [];
  private bytes = 0;

  add(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (this.bytes + size > MAX_BYTES) return;
    this.bytes += size;
    this.list.push(name, value);
  }
}

function addMetadata(out: BoundedList, { name, binary }: Outgoing, value: string): void {
  if (name === "") return;
  if (binary) {
    // Values of one name may come joined (gRPC over HTTP/2, "Custom-Metadata").
    for (const part of value.split(",")) {
      const base64 = normalBase64(part);
      if (base64 !== null) out.add(name, base64);
    }
    return;
  }
  const text = asciiValue(value);
  if (text !== null && text !== "") out.add(name, text); // "ASCII-Value" has one character at least
}

function addReplyHeaders(out: BoundedList, names: NameMap, metadata: FlatMetadata): void {
  for (let i = 0; i + 1 < metadata.length; i += 2) {
    const { name } = names.get(at(metadata, i));
    if (name === "") continue;
    const text = asciiValue(at(metadata, i + 1));
    if (text !== null) out.add(name, text);
  }
}

/** Names that a Connection header declares hop-by-hop, in lower case; null for none. */
function listedByConnection(rawHeaders: readonly string[]): Set<string> | null {
  let listed: Set<string> | null = null;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = at(rawHeaders, i);
    if (name.length !== 10 || name.toLowerCase() !== "connection") continue;
    const value = at(rawHeaders, i + 1);
    if (value === "keep-alive" || value === "close") continue; // nearly all that come; neither crosses anyway
    for (const token of value.split(",")) (listed ??= new Set()).add(token.trim().toLowerCase());
  }
  return listed;
}

/** Without white space around it; null where it holds anything but visible ASCII and spaces (gRPC's ASCII-Value). */
function asciiValue(value: string): string | null {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  const text = end - start === value.length ? value : value.slice(start, end);
  return /[^\x20-\x7e]/.test(text) ? null : text;
}

function isBlank(char: number): boolean {
  return char === 0x20 || char === 0x09;
}

/** Standard base64 without padding, which "implementations should emit"; null for any other text. */
function normalBase64(value: string): string | null {
  const text = asciiValue(value);
  if (text === null || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const bare = text.replace("==", "").replace("=", "");
  if (bare.length % 4 === 1 || (bare.length !== text.length && text.length % 4 !== 0)) return null;
  // Stray bits after the last byte are read by some decoders and refused by others: write it anew.
  return Buffer.from(bare, "base64").toString("base64").slice(0, bare.length);
}

function at(list: readonly string[], index: number): string {
  return list[index] as string; // callers stay below the length
}
