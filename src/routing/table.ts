import { literalKey, SegmentedPath, type UnescapeMode } from "./path.ts";
import { collectMethods, find, insert, shadowed, TrieNode } from "./trie.ts";
import type { RouteEntry } from "./trie.ts";

export type { RouteEntry } from "./trie.ts";

/** What became of a request's method and path. */
export type RouteMatch<T> =
  /** `variables` holds decoded text, in the order of the template's variables. */
  | { readonly kind: "found"; readonly value: T; readonly variables: string[] }
  /** Other methods' routes take this path; `allow` is sorted. */
  | { readonly kind: "method_not_allowed"; readonly allow: string[] }
  | { readonly kind: "not_found" }
  /** A route takes the path without the slash at its end: this one. */
  | { readonly kind: "redirect"; readonly path: string }
  /** No route is looked for; `reason` completes PATH_MALFORMED. */
  | { readonly kind: "malformed"; readonly reason: string };

/**
 * Finds routes by method and path. The rules beyond the grammar's (`parseTemplate`):
 *
 * - The most specific template that takes the path and has the method wins: segment by segment a literal goes before
 *   `*`, and that before `**`. On one template a route of the exact method goes before one for every method.
 * - Where the last segment has a colon, templates with that verb are tried first; then the colon is ordinary text.
 * - A path is refused as malformed where its percent-encoding is broken or no UTF-8, where a character stands bare that
 *   no URL path may hold, and for `.` and `..` segments and NUL, however encoded.
 * - `*` takes no empty segment, so neither `/v1/` nor `/v1//a` is `/v1/*`. `**` takes some only between others, so that
 *   a name like `a//b` comes through, but no variable captures a leading slash (http.proto) and `/v1/` is not `/v1`,
 *   unless the options say so.
 */
export interface RouteTable<T> {
  /** `path` as it came: percent-encoded, without query. */
  match(method: string, path: string): RouteMatch<T>;
  readonly entries: readonly RouteEntry<T>[];
}

/** Two entries that take exactly the same requests. */
export interface RouteConflict<T> {
  readonly first: RouteEntry<T>;
  readonly second: RouteEntry<T>;
  readonly message: string;
}

/** An entry that no request reaches, paths with an empty segment aside. */
export interface RouteWarning<T> {
  readonly entry: RouteEntry<T>;
  readonly message: string;
}

export interface BuiltRouteTable<T> {
  /** Of two entries in conflict it has the first. */
  readonly table: RouteTable<T>;
  readonly conflicts: RouteConflict<T>[];
  readonly warnings: RouteWarning<T>[];
}

export interface RoutingOptions {
  /** Whether `/v1/shelves/` is another path than `/v1/shelves`, the same, or leads there. */
  readonly trailingSlash: "strict" | "ignore" | "redirect";
  readonly unescape: UnescapeMode;
}

/** What google/api/http.proto says. */
export const defaultRoutingOptions: RoutingOptions = { trailingSlash: "strict", unescape: "all_except_slash" };

/** Builds the table; methods are those that `checkMethod` lets pass. */
export function buildRouteTable<T>(
  entries: readonly RouteEntry<T>[],
  options: RoutingOptions = defaultRoutingOptions,
): BuiltRouteTable<T> {
  const plain = new TrieNode<T>();
  const verbs = new Map<string, TrieNode<T>>();
  const kept: RouteEntry<T>[] = [];
  const conflicts: RouteConflict<T>[] = [];
  for (const entry of entries) {
    const first = insert(rootOf(entry.template.verb, plain, verbs), entry);
    if (first === null) kept.push(entry);
    else conflicts.push({ first, second: entry, message: conflictMessage(first, entry) });
  }
  const warnings = [plain, ...verbs.values()]
    .flatMap((root) => shadowed(root))
    .map(({ entry, by }) => ({
      entry,
      message: `${describe(entry)} is never reached: ${by.map(describe).join(" and ")} take every path without an empty segment`,
    }));
  return { table: new Table(kept, plain, verbs, options), conflicts, warnings };
}

const NOT_FOUND = { kind: "not_found" } as const;

class Table<T> implements RouteTable<T> {
  readonly entries: readonly RouteEntry<T>[];
  private readonly plain: TrieNode<T>;
  // One trie a verb: with the verb cut off, such a template is matched like any other.
  private readonly verbs: ReadonlyMap<string, TrieNode<T>>;
  private readonly path: SegmentedPath;
  private readonly trailingSlash: RoutingOptions["trailingSlash"];

  constructor(
    entries: readonly RouteEntry<T>[],
    plain: TrieNode<T>,
    verbs: ReadonlyMap<string, TrieNode<T>>,
    options: RoutingOptions,
  ) {
    this.entries = entries;
    this.plain = plain;
    this.verbs = verbs;
    this.path = new SegmentedPath(
      Math.max(0, ...entries.map((entry) => entry.template.segments.length)),
      options.unescape,
    );
    this.trailingSlash = options.trailingSlash;
  }

  match(method: string, rawPath: string): RouteMatch<T> {
    const path = this.path;
    const reason = path.read(this.trailingSlash === "ignore" ? withoutSlash(rawPath) : rawPath);
    if (reason !== null) return { kind: "malformed", reason };
    if (path.endsInSlash()) return this.trailingSlash === "redirect" ? this.redirect(method, rawPath) : NOT_FOUND;
    const verbTrie = this.verbTrie();
    if (verbTrie !== null) {
      path.closeAtVerb();
      const found = path.endsInSlash() ? null : find(verbTrie, path, 0, method);
      if (found !== null) return { kind: "found", value: found.value, variables: this.variables(found) };
      path.closeAtEnd();
    }
    const found = find(this.plain, path, 0, method);
    if (found !== null) return { kind: "found", value: found.value, variables: this.variables(found) };
    return this.otherMethods(verbTrie);
  }

  // Browsers would take what begins with `//`, or `/\`, for another site: no route takes an empty first segment, and a
  // backslash goes out encoded.
  private redirect(method: string, rawPath: string): RouteMatch<T> {
    const path = withoutSlash(rawPath);
    if (path === rawPath) return NOT_FOUND;
    const match = this.match(method, path);
    return match.kind === "found" ? { kind: "redirect", path: path.replaceAll("\\", "%5C") } : match;
  }

  private verbTrie(): TrieNode<T> | null {
    const { colon, text } = this.path;
    if (colon === 0 || this.verbs.size === 0) return null;
    return this.verbs.get(text.slice(colon + 1)) ?? null;
  }

  private variables(entry: RouteEntry<T>): string[] {
    const path = this.path;
    const values: string[] = [];
    for (const { start, end, rest, multi } of entry.template.variables) {
      values.push(path.variable(start, end, rest, multi));
    }
    return values;
  }

  private otherMethods(verbTrie: TrieNode<T> | null): RouteMatch<T> {
    const methods = new Set<string>();
    collectMethods(this.plain, this.path, 0, methods);
    if (verbTrie !== null) {
      this.path.closeAtVerb();
      if (!this.path.endsInSlash()) collectMethods(verbTrie, this.path, 0, methods);
    }
    return methods.size === 0 ? NOT_FOUND : { kind: "method_not_allowed", allow: [...methods].sort() };
  }
}

/** Without the slash at its end, of which one is ignored: `/v1//` is still a path with an empty segment. */
function withoutSlash(path: string): string {
  return /[^/]\/$/.test(path) ? path.slice(0, -1) : path;
}

function rootOf<T>(verb: string, plain: TrieNode<T>, verbs: Map<string, TrieNode<T>>): TrieNode<T> {
  if (verb === "") return plain;
  const key = literalKey(verb);
  let root = verbs.get(key);
  if (root === undefined) verbs.set(key, (root = new TrieNode<T>()));
  return root;
}

function conflictMessage<T>(first: RouteEntry<T>, second: RouteEntry<T>): string {
  return `${describe(second)} takes exactly the requests of ${describe(first)}`;
}

function describe<T>(entry: RouteEntry<T>): string {
  const method = entry.method === "*" ? "any method" : entry.method;
  return `${method} ${entry.template.source} (${entry.place})`;
}
