import { z } from "zod";
import {
  callPolicyShape,
  callPolicyShapeOfRoute,
  defaultCallPolicy,
  toCallPolicy,
  type CallPolicy,
} from "../call/options.ts";
import {
  compressionPolicyShape,
  defaultCompressionPolicy,
  toCompressionPolicy,
  type CompressionPolicyOptions,
} from "../exchange/coding/options.ts";
import {
  defaultHeaderPolicy,
  headerPolicyShape,
  toHeaderPolicy,
  type HeaderPolicyOptions,
} from "../exchange/headers/options.ts";
import {
  defaultReplyPolicy,
  replyPolicyShape,
  replyPolicyShapeOfRoute,
  toReplyPolicy,
  type ReplyPolicyOptions,
} from "../exchange/options.ts";
import {
  defaultJsonOptions,
  defaultRequestOptions,
  jsonPolicyShape,
  jsonPolicyShapeOfRoute,
  toJsonPolicy,
  type JsonOptions,
  type RequestOptions,
} from "../transcode/options.ts";

/** What defaults, upstreams and routes may say alike, each winning over the one before. */
export interface Policy extends CallPolicy, HeaderPolicyOptions, ReplyPolicyOptions, CompressionPolicyOptions {
  readonly json: JsonOptions;
  readonly request: RequestOptions;
}

export const defaultPolicy: Policy = {
  ...defaultCallPolicy,
  ...defaultHeaderPolicy,
  ...defaultReplyPolicy,
  ...defaultCompressionPolicy,
  json: defaultJsonOptions,
  request: defaultRequestOptions,
};

/** Keys of `defaults` and of an upstream. */
export const policyShape = {
  ...callPolicyShape,
  ...headerPolicyShape,
  ...replyPolicyShape,
  ...compressionPolicyShape,
  ...jsonPolicyShape,
};
/** Keys of a route. */
export const policyShapeOfRoute = {
  ...callPolicyShapeOfRoute,
  ...headerPolicyShape,
  ...replyPolicyShapeOfRoute,
  ...compressionPolicyShape,
  ...jsonPolicyShapeOfRoute,
};
/** Keys of a later version, wherever a policy stands. */
export const laterPolicyKeys = ["auth", "breaker", "rate_limit", "cors"];

/** What one level sets; undefined or absent: left to the level above. */
export type PolicyOverrides = Overrides<Policy>;

type Overrides<T> = {
  readonly [K in keyof T]?:
    (T[K] extends readonly unknown[] ? T[K] : T[K] extends object ? Overrides<T[K]> : T[K]) | undefined;
};

export function toPolicyOverrides(parsed: z.output<z.ZodObject<typeof policyShape>>): PolicyOverrides {
  return {
    ...toCallPolicy(parsed),
    ...toHeaderPolicy(parsed),
    ...toReplyPolicy(parsed),
    ...toCompressionPolicy(parsed),
    ...toJsonPolicy(parsed),
  };
}

/** Maps are merged key by key, all the way down; lists and single values replace. Neither argument is changed. */
export function mergePolicy(base: Policy, overrides: PolicyOverrides): Policy {
  return merge(base, overrides) as Policy; // Overrides has Policy's shape
}

function merge(base: unknown, override: unknown): unknown {
  if (override === undefined) return base;
  if (!isMap(base) || !isMap(override)) return override;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(override)) merged[key] = merge(base[key], value);
  return merged;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
