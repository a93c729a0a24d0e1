import type { MethodOptions } from "@bufbuild/protobuf/wkt";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { HttpRule } from "./http-rule.ts";

// google/api/annotations.proto: `extend MethodOptions { HttpRule http = 72295728; }`
const HTTP_EXTENSION = 72295728;

// google/api/http.proto, message HttpRule.
const METHODS: ReadonlyMap<number, string> = new Map([
  [2, "GET"],
  [3, "PUT"],
  [4, "POST"],
  [5, "DELETE"],
  [6, "PATCH"],
]);
const BODY = 7;
const CUSTOM = 8;
const ADDITIONAL_BINDINGS = 11;
const RESPONSE_BODY = 12;
const CUSTOM_KIND = 1;
const CUSTOM_PATH = 2;

interface Rule {
  method: string;
  path: string;
  body: string;
  responseBody: string;
  readonly additional: Rule[];
}

/**
 * The google.api.http rule of a method followed by its additional_bindings; empty where it has none. Read from the
 * bytes of the extension, so that descriptors need not contain google/api/annotations.proto.
 *
 * @throws Error for a rule that http.proto does not allow, or bytes that are no HttpRule.
 */
export function readHttpRules(options: MethodOptions | undefined): readonly HttpRule[] {
  const records = (options?.$unknown ?? [])
    .filter(({ no, wireType }) => no === HTTP_EXTENSION && wireType === WireType.LengthDelimited)
    .map(({ data }) => new BinaryReader(data).bytes());
  if (records.length === 0) return [];
  // An extension in several records is one message: protobuf merges them, which joining the bytes does, too.
  const rule = readRule(new BinaryReader(Buffer.concat(records)));
  if (rule.additional.some(({ additional }) => additional.length > 0)) {
    throw new Error("google.api.http: additional_bindings within additional_bindings are not allowed");
  }
  return [rule, ...rule.additional].filter(isUsed).map(toHttpRule);
}

function readRule(reader: BinaryReader): Rule {
  const rule: Rule = { method: "", path: "", body: "", responseBody: "", additional: [] };
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const method = METHODS.get(number);
    if (wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, number);
    } else if (method !== undefined) {
      // The pattern is a oneof: the last one counts.
      rule.method = method;
      rule.path = reader.string();
    } else if (number === BODY) {
      rule.body = reader.string();
    } else if (number === RESPONSE_BODY) {
      rule.responseBody = reader.string();
    } else if (number === CUSTOM) {
      readCustom(rule, new BinaryReader(reader.bytes()));
    } else if (number === ADDITIONAL_BINDINGS) {
      rule.additional.push(readRule(new BinaryReader(reader.bytes())));
    } else {
      reader.skip(wireType, number);
    }
  }
  return rule;
}

/** CustomHttpPattern: `{ kind: "HEAD" path: "/v1/x" }` */
function readCustom(rule: Rule, reader: BinaryReader): void {
  rule.method = "";
  rule.path = "";
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === CUSTOM_KIND && wireType === WireType.LengthDelimited) rule.method = reader.string();
    else if (number === CUSTOM_PATH && wireType === WireType.LengthDelimited) rule.path = reader.string();
    else reader.skip(wireType, number);
  }
}

/** An empty rule is no binding; one that has anything must say where it listens. */
function isUsed({ method, path, body, responseBody }: Rule): boolean {
  if (method !== "" && path !== "") return true;
  if (method === "" && path === "" && body === "" && responseBody === "") return false;
  throw new Error(
    method === "" && path === ""
      ? "google.api.http: a rule needs one of get, put, post, delete, patch and custom"
      : `google.api.http: a rule needs both a method and a path, found method "${method}" and path "${path}"`,
  );
}

function toHttpRule({ method, path, body, responseBody }: Rule): HttpRule {
  return { method, path, body, responseBody };
}
