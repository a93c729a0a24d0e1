import { z } from "zod";
import { choice, section } from "../core/options.ts";

/** How messages look as JSON; the same for every message of a route. */
export interface JsonOptions {
  /** Keys of replies: lowerCamelCase (`json`) or as in the .proto file (`proto`). Requests may use either. */
  readonly names: "json" | "proto";
  /** Fields in a request's body that the message does not have. */
  readonly unknownFields: "reject" | "ignore";
}

export const defaultJsonOptions: JsonOptions = { names: "json", unknownFields: "reject" };

/** How a request becomes a message, besides its JSON. */
export interface RequestOptions {
  /** Query parameters that the message has no field for. */
  readonly unknownQuery: "reject" | "ignore";
  /** Whether a PATCH that says no `update_mask` gets one that lists the fields of its body. */
  readonly updateMask: "auto" | "off";
}

export const defaultRequestOptions: RequestOptions = { unknownQuery: "reject", updateMask: "auto" };

/** Keys of `defaults`, an upstream and a route. */
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
        docs: "64-bit integers in replies: as strings, since a JSON number loses digits in most clients.",
        of: ["string"],
        later: ["number"],
        default: "string",
      }).optional(),
      emit_defaults: choice({
        docs: "Fields at their default value in replies: left out.",
        of: ["none"],
        later: ["all", "lists", "implicit", "always"],
        default: "none",
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
  request: section(
    { docs: "How a request becomes a message." },
    {
      update_mask: choice({
        docs:
          "Whether a PATCH whose body is a field of the request, and which does not say its update_mask, gets one " +
          "that lists the fields of its body (auto).",
        of: ["auto", "off"],
        default: "auto",
      }).optional(),
    },
  ).optional(),
};

type Parsed = z.output<z.ZodObject<typeof jsonPolicyShape>>;

/** What a level sets, undefined where it leaves a key to the level above. */
export function toJsonPolicy({ json, request }: Parsed) {
  return {
    json: { names: json?.names, unknownFields: json?.unknown_fields },
    request: { unknownQuery: json?.unknown_query, updateMask: request?.update_mask },
  };
}
