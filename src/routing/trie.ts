import type { SegmentedPath } from "./path.ts";
import { hashOf, literalKey } from "./path.ts";
import type { PathTemplate } from "./template.ts";

/** One binding in a table. */
export interface RouteEntry<T> {
  /** `GET` …, or `*` for every method. */
  readonly method: string;
  readonly template: PathTemplate;
  readonly value: T;
  /** Where it was written, for messages: `routes.yaml:12:5`. */
  readonly place: string;
}

/**
 * One segment's place in the trie. `**` needs no node below it, since nothing follows it: its entries hang at the
 * node ahead of it (`rest`).
 */
export class TrieNode<T> {
  literals: Map<number, LiteralEdge<T>> | null = null;
  star: TrieNode<T> | null = null;
  /** Templates that end here. */
  end: MethodSlots<T> | null = null;
  /** Templates that go on with `**`. */
  rest: MethodSlots<T> | null = null;
}

/** Adds an entry; where its place is taken already, nothing changes and the result is the entry that holds it. */
export function insert<T>(root: TrieNode<T>, entry: RouteEntry<T>): RouteEntry<T> | null {
  let node = root;
  for (const segment of entry.template.segments) {
    if (segment.kind === "rest") return (node.rest ??= new MethodSlots()).add(entry);
    node = segment.kind === "star" ? (node.star ??= new TrieNode()) : literalChild(node, literalKey(segment.text));
  }
  return (node.end ??= new MethodSlots()).add(entry);
}

/**
 * The most specific entry that takes this path and method: at each segment a literal goes before `*`, and that before
 * `**`; a branch that fails later falls back to the next. No node is visited twice, since one way alone leads from the
 * root to it: the time is bounded by the size of the trie, whatever the path.
 */
export function find<T>(node: TrieNode<T>, path: SegmentedPath, index: number, method: string): RouteEntry<T> | null {
  if (index === path.count) {
    const found = node.end === null ? null : node.end.find(method);
    return found !== null || node.rest === null ? found : node.rest.find(method);
  }
  if (node.literals !== null) {
    const child = literalAt(node.literals, path, index);
    if (child !== null) {
      const found = find(child, path, index + 1, method);
      if (found !== null) return found;
    }
  }
  if (path.isEmpty(index)) return null;
  if (node.star !== null) {
    const found = find(node.star, path, index + 1, method);
    if (found !== null) return found;
  }
  return node.rest === null ? null : node.rest.find(method);
}

/** Adds to `methods` those of all entries that take this path. */
export function collectMethods<T>(node: TrieNode<T>, path: SegmentedPath, index: number, methods: Set<string>): void {
  if (index === path.count) {
    node.end?.methods().forEach((method) => methods.add(method));
    node.rest?.methods().forEach((method) => methods.add(method));
    return;
  }
  const child = node.literals === null ? null : literalAt(node.literals, path, index);
  if (child !== null) collectMethods(child, path, index + 1, methods);
  if (path.isEmpty(index)) return;
  if (node.star !== null) collectMethods(node.star, path, index + 1, methods);
  node.rest?.methods().forEach((method) => methods.add(method));
}

/** An entry that others leave next to nothing to take. */
export interface Shadowed<T> {
  readonly entry: RouteEntry<T>;
  readonly by: readonly RouteEntry<T>[];
}

/**
 * Entries that no path reaches, those with an empty segment aside, since more specific ones together take all of
 * theirs. Only a `**` can be so: where other templates take zero segments there, and every longer path. (Any other
 * template is shadowed by none that is more specific, as that takes fewer paths.)
 */
export function shadowed<T>(node: TrieNode<T>): Shadowed<T>[] {
  const found: Shadowed<T>[] = [];
  for (const entry of node.rest?.all() ?? []) {
    const by = coverWithout(node, entry.method);
    if (by !== null) found.push({ entry, by });
  }
  for (const first of node.literals?.values() ?? []) {
    for (let edge: LiteralEdge<T> | null = first; edge !== null; edge = edge.next) found.push(...shadowed(edge.node));
  }
  if (node.star !== null) found.push(...shadowed(node.star));
  return found;
}

/** Entries of one place by method: few, so that a walk over the list is quicker than a map. */
class MethodSlots<T> {
  private readonly exact: RouteEntry<T>[] = [];
  private any: RouteEntry<T> | null = null;

  add(entry: RouteEntry<T>): RouteEntry<T> | null {
    const holder = entry.method === "*" ? this.any : this.exact.find((other) => other.method === entry.method);
    if (holder) return holder;
    if (entry.method === "*") this.any = entry;
    else this.exact.push(entry);
    return null;
  }

  /** The method's own entry, else the one for every method. */
  find(method: string): RouteEntry<T> | null {
    const exact = this.exact;
    for (let i = 0; i < exact.length; i++) {
      const entry = exact[i] as RouteEntry<T>; // i < length
      if (entry.method === method) return entry;
    }
    return this.any;
  }

  all(): RouteEntry<T>[] {
    return this.any === null ? this.exact : [...this.exact, this.any];
  }

  methods(): string[] {
    return this.exact.map((entry) => entry.method);
  }
}

/** Literals whose hashes are equal hang in a list. */
interface LiteralEdge<T> {
  readonly text: string;
  readonly node: TrieNode<T>;
  readonly next: LiteralEdge<T> | null;
}

function literalChild<T>(parent: TrieNode<T>, text: string): TrieNode<T> {
  const literals = (parent.literals ??= new Map<number, LiteralEdge<T>>());
  const hash = hashOf(text, 0, text.length);
  const first = literals.get(hash) ?? null;
  for (let edge = first; edge !== null; edge = edge.next) if (edge.text === text) return edge.node;
  const node = new TrieNode<T>();
  literals.set(hash, { text, node, next: first });
  return node;
}

// The hash comes from the pass that cuts the path, so no text of a segment is made to look it up.
function literalAt<T>(literals: Map<number, LiteralEdge<T>>, path: SegmentedPath, index: number): TrieNode<T> | null {
  let edge = literals.get(path.hash(index)) ?? null;
  while (edge !== null && !path.isLiteral(index, edge.text)) edge = edge.next;
  return edge === null ? null : edge.node;
}

/** Entries that together take zero and more segments below a node, its own `**` left out; null where some path is free. */
function coverWithout<T>(node: TrieNode<T>, method: string): RouteEntry<T>[] | null {
  const zero = node.end?.find(method) ?? null;
  if (zero === null || node.star === null) return null;
  const rest = node.star.rest?.find(method) ?? null;
  if (rest !== null) return [zero, rest];
  const more = coverWithout(node.star, method);
  return more === null ? null : [zero, ...more];
}
