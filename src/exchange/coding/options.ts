import { z } from "zod";
import { choice, flag, leaf, list, section, size } from "../../core/options.ts";
import { REPLY_CODINGS, type ReplyCoding } from "./accept-encoding.ts";

/** Which replies are compressed. */
export interface CompressionOptions {
  readonly enabled: boolean;
  /** The first is taken where a client likes several alike. */
  readonly codings: readonly ReplyCoding[];
  readonly minBytes: number;
  /** In lower case; a star is any run of characters. */
  readonly types: readonly string[];
  readonly streams: boolean;
}

export interface CompressionPolicyOptions {
  readonly compression: CompressionOptions;
}

export const defaultCompressionPolicy: CompressionPolicyOptions = {
  compression: {
    enabled: false,
    codings: REPLY_CODINGS,
    minBytes: 1024,
    types: ["application/json", "application/*+json", "application/x-ndjson", "text/*", "*/*xml", "*/javascript"],
    streams: false,
  },
};

const { compression } = defaultCompressionPolicy;

const mediaType = leaf<string>(
  { docs: "A media type without parameters; a star is any run of characters." },
  { title: "media type", type: "string", pattern: "^[^\\s/;]+/[^\\s/;]+$|\\$\\{" },
  (value) => {
    if (typeof value === "string" && /^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/.test(value)) {
      return { value: value.toLowerCase() };
    }
    return { expected: "expected a media type such as application/json or text/*" };
  },
);

/** Keys of `defaults`, an upstream and a route. */
export const compressionPolicyShape = {
  compression: section(
    { docs: "Whether replies are compressed, as the request's Accept-Encoding asks for." },
    {
      enabled: flag({
        docs:
          "Off by default: it takes as much CPU again as all else that a request does, and where a reply holds both a " +
          "secret and what a stranger can make the client send, its length tells of the secret (BREACH).",
        default: compression.enabled,
      }).optional(),
      codings: list(
        {
          docs: "What may be used; the first is taken where a client likes several alike.",
          default: compression.codings,
          min: 1,
        },
        choice({ docs: "A content coding.", of: REPLY_CODINGS }),
      ).optional(),
      min_size: size({ docs: "Smaller replies stay as they are.", default: "1KiB", min: 0 }).optional(),
      types: list(
        { docs: "Content types that are compressed.", default: compression.types, min: 1 },
        mediaType,
      ).optional(),
      streams: flag({
        docs:
          "Whether streams of replies are compressed as well, each message at once. An open stream then takes up to " +
          "1 MB.",
        default: compression.streams,
      }).optional(),
    },
  ).optional(),
};

/** What a level sets, undefined where it leaves a key to the level above. */
export function toCompressionPolicy({ compression }: z.output<z.ZodObject<typeof compressionPolicyShape>>) {
  return {
    compression: {
      enabled: compression?.enabled,
      codings: compression?.codings,
      minBytes: compression?.min_size,
      types: compression?.types,
      streams: compression?.streams,
    },
  };
}
