import { fieldError } from "../core/errors.ts";
import { percentProblem } from "../core/percent.ts";
import { filteredWriter } from "../transcode/json-filter.ts";
import type { JsonOptions } from "../transcode/options.ts";
import { compileReplyMask, type Maskable } from "../transcode/reply-mask.ts";
import type { Route } from "./route.ts";

/** Parameters by which a client chooses fields of replies, as Google's APIs name them; the request gets neither. */
export const MASK_PARAMETERS: readonly string[] = ["fields", "$fields"];

// Masks are the client's to make up.
const MAX_REMEMBERED = 64;

/**
 * Gives the route as a request with some query wants it: replies, which are `root`, hold what the client chose. The
 * result throws FIELD_INVALID and FIELD_UNKNOWN.
 */
export function compilePartial(route: Route, root: Maskable, names: JsonOptions["names"]): (query: string) => Route {
  const known = new Map<string, Route>();
  return (query) => {
    if (!query.includes("fields=")) return route;
    const text = query.split("&").flatMap(maskIn).join(",");
    if (text === "") return route;
    const before = known.get(text);
    if (before !== undefined) return before;
    const mask = compileReplyMask(text, root, names);
    const made = mask === undefined ? route : { ...route, write: filteredWriter(route.write, mask) };
    const [oldest] = known.keys();
    if (known.size >= MAX_REMEMBERED && oldest !== undefined) known.delete(oldest);
    known.set(text, made);
    return made;
  };
}

function maskIn(pair: string): string[] {
  const found = /^(?:\$|%24)?fields=(.+)$/.exec(pair)?.[1];
  if (found === undefined) return [];
  try {
    return [decodeURIComponent(found.replaceAll("+", " "))];
  } catch {
    throw fieldError("FIELD_INVALID", "fields", percentProblem(found));
  }
}
