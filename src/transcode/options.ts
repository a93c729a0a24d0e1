import { z } from "zod";
import { choice, record, section, text } from "../core/options.ts";

/** How messages look as JSON; the same for every message of a route. */
export interface JsonOptions {
  /** Keys of replies: lowerCamelCase (`json`) or as in the .proto file (`proto`). Requests may use either. */
  readonly names: "json" | "proto";
  /**
   * Fields that a reply leaves out because they are at their default: `scalars` writes those of numbers, bools, strings,
   * bytes and enums, `all` those of lists and maps, too (protobuf's always_print_fields_with_no_presence). What can be
   * absent, such as a message, an `optional` field or one of a oneof, stays out.
   */
  readonly emitDefaults: "none" | "scalars" | "all";
  /** 64-bit integers in replies; `safe` writes a number up to 2^53 - 1 either way, else a string. Map keys are strings. */
  readonly int64: "string" | "number" | "safe";
  readonly enums: "name" | "number";
  /** Whether `COLOR_RED` of the enum Color is `RED` in replies; requests may then say either. */
  readonly enumPrefix: "keep" | "strip";
  /** Whether case counts in the names of enum values in requests. */
  readonly enumCase: "exact" | "ignore";
  /** Fields in a request's body that the message does not have. */
  readonly unknownFields: "reject" | "ignore";
}

export const defaultJsonOptions: JsonOptions = {
  names: "json",
  emitDefaults: "none",
  int64: "string",
  enums: "name",
  enumPrefix: "keep",
  enumCase: "exact",
  unknownFields: "reject",
};

/** How a request becomes a message, besides its JSON. */
export interface RequestOptions {
  /** Query parameters that the message has no field for. */
  readonly unknownQuery: "reject" | "ignore";
  /** Whether a PATCH that says no `update_mask` gets one that lists the fields of its body. */
  readonly updateMask: "auto" | "off";
  /** Whose forms are taken as bodies: those of pages of this origin and of what is no browser, anybody's, or none. */
  readonly forms: "same_origin" | "any" | "off";
}

export const defaultRequestOptions: RequestOptions = {
  unknownQuery: "reject",
  updateMask: "auto",
  forms: "same_origin",
};

/** A field that a request's header or cookie sets. */
export interface FieldSource {
  /** Path of the field, such as `tenant` or `session.id`. */
  readonly field: string;
  readonly kind: "header" | "cookie";
  readonly name: string;
}

const requestShape = {
  update_mask: choice({
    docs:
      "Whether a PATCH whose body is a field of the request, and which does not say its update_mask, gets one " +
      "that lists the fields of its body (auto).",
    of: ["auto", "off"],
    default: "auto",
  }).optional(),
  forms: choice({
    docs:
      "Bodies of application/x-www-form-urlencoded and multipart/form-data: taken, but not from pages of other " +
      "origins (same_origin), which browsers let send forms with the user's cookies and ask nobody; from any page; " +
      "or refused (off).",
    of: ["same_origin", "any", "off"],
    default: "same_origin",
  }).optional(),
};

// RFC 9110, section 5.6.2: token
const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";

const source = section(
  {
    docs: "Where the field's value comes from: exactly one of the keys.",
    jsonSchema: { oneOf: [{ required: ["header"] }, { required: ["cookie"] }] },
    check(value, complain, hasUnknownKeys) {
      if (Object.hasOwn(value, "header") !== Object.hasOwn(value, "cookie") || hasUnknownKeys) return;
      complain([], "expected exactly one of header or cookie");
    },
  },
  {
    header: text({
      docs: "Name of a request header.",
      pattern: TOKEN,
      what: "a header name such as x-tenant",
    }).optional(),
    cookie: text({ docs: "Name of a cookie.", pattern: TOKEN, what: "a cookie name" }).optional(),
  },
);

/** Keys of `defaults` and an upstream. */
export const jsonPolicyShape = {
  json: section(
    { docs: "How messages look as JSON." },
    {
      names: choice({
        docs: "Keys of replies: lowerCamelCase (json) or as in the .proto file (proto). Requests may use either.",
        of: ["json", "proto"],
        default: "json",
      }).optional(),
      int64: choice({
        docs:
          "64-bit integers in replies: as strings, since a JSON number loses digits in most clients; as numbers; or " +
          "(safe) as numbers up to 2^53 - 1 either way, beyond as strings.",
        of: ["string", "number", "safe"],
        default: "string",
      }).optional(),
      emit_defaults: choice({
        docs:
          "Fields at their default value in replies: left out (none); 0, false, the empty string and an enum's first " +
          "value written (scalars); empty lists and maps, too (all). Messages, optional fields and members of a oneof " +
          "stay out where they are not set.",
        of: ["none", "scalars", "all"],
        default: "none",
      }).optional(),
      enums: choice({
        docs: "Enum values in replies: by name or by number. Requests may use either.",
        of: ["name", "number"],
        default: "name",
      }).optional(),
      enum_prefix: choice({
        docs:
          "Whether COLOR_RED of the enum Color is RED in replies (strip); requests may then say either. A name is kept " +
          "where the rest would be another's name or not begin with a letter.",
        of: ["keep", "strip"],
        default: "keep",
      }).optional(),
      enum_case: choice({
        docs: "Whether upper and lower case count in the names of enum values in requests.",
        of: ["exact", "ignore"],
        default: "exact",
      }).optional(),
      unknown_fields: choice({
        docs: "Fields of a request's body that the message does not have.",
        of: ["reject", "ignore"],
        default: "reject",
      }).optional(),
      unknown_query: choice({
        docs: "Query parameters that the message has no field for.",
        of: ["reject", "ignore"],
        default: "reject",
      }).optional(),
    },
  ).optional(),
  request: section({ docs: "How a request becomes a message." }, requestShape).optional(),
};

/** Keys of a route. */
export const jsonPolicyShapeOfRoute = {
  ...jsonPolicyShape,
  request: section(
    { docs: "How a request becomes a message." },
    {
      ...requestShape,
      from: record(
        { docs: "Fields that headers and cookies set, by field path; they win over body and parameters.", default: {} },
        source,
      ).optional(),
    },
  ).optional(),
};

/** The fields that a route sets from headers and cookies. */
export function toFieldSources({ request }: z.output<z.ZodObject<typeof jsonPolicyShapeOfRoute>>): FieldSource[] {
  return Object.entries(request?.from ?? {}).map(([field, { header, cookie }]) =>
    header === undefined ? { field, kind: "cookie", name: cookie ?? "" } : { field, kind: "header", name: header },
  );
}

type Parsed = z.output<z.ZodObject<typeof jsonPolicyShape>>;

/** What a level sets, undefined where it leaves a key to the level above. */
export function toJsonPolicy({ json, request }: Parsed) {
  return {
    json: {
      names: json?.names,
      emitDefaults: json?.emit_defaults,
      int64: json?.int64,
      enums: json?.enums,
      enumPrefix: json?.enum_prefix,
      enumCase: json?.enum_case,
      unknownFields: json?.unknown_fields,
    },
    request: { unknownQuery: json?.unknown_query, updateMask: request?.update_mask, forms: request?.forms },
  };
}
