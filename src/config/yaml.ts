import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Alias, type Node } from "yaml";
import type { Problem } from "../core/problem.ts";
import { formatPath, type Path } from "./path.ts";

/** Counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** What the file holds at one path. */
export interface Spot {
  /** Of the key where there is one, else of the value. */
  readonly key: Position;
  /** Where a message about the value points: the value, but the key of a map or list, which may begin lines later. */
  readonly value: Position;
  /** The value as written, short enough for a message. */
  readonly shown: string;
}

/** A YAML text as plain values, and where each of them stands. */
export interface YamlFile {
  /** Maps without a prototype, lists, scalars; undefined where the text is no YAML. */
  readonly value: unknown;
  /** By `formatPath`; the whole is "". */
  readonly spots: ReadonlyMap<string, Spot>;
  readonly problems: readonly Problem[];
}

/** What to make of a text in a value: the text in its place, and why that failed. */
export type ExpandText = (text: string) => { readonly text: string; readonly reasons: readonly string[] };

// Values that aliases may add: generous for a file written by hand, nothing for a bomb (billion laughs).
const MAX_ALIASED = 10_000;
// Deeper than any configuration, well below where recursion ends.
const MAX_DEPTH = 50;
const MAX_SHOWN = 60;

/** Reads YAML 1.2. Duplicate keys, tags, and aliases that multiply are problems; all are reported at once. */
export function readYaml(text: string, file: string, expandText: ExpandText): YamlFile {
  const lines = new LineCounter();
  const problems: Problem[] = [];
  const report = (position: Position, message: string): void => {
    problems.push({ file, ...position, message, severity: "error" });
  };
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const document = parse(text, lines);
  if (document instanceof Error) {
    report({ line: 1, column: 1 }, `not valid YAML: ${document.message}`);
    return { value: undefined, spots: new Map(), problems };
  }
  let lastLine = 0;
  for (const { message, pos } of [...document.errors, ...document.warnings]) {
    const position = at(pos[0]);
    // What follows in the same line mostly follows from the first.
    if (position.line === lastLine) continue;
    lastLine = position.line;
    const line = text.split("\n", position.line).at(-1) ?? "";
    const hint = /[{[].*:\s*\$\{/.test(line) ? "; within { } or [ ], quote what holds ${…}" : "";
    // yaml's own advice is for programmers.
    report(position, `not valid YAML: ${decapitalize(message.replace(/; please use YAML\..*/, ""))}${hint}`);
  }
  if (problems.length > 0) return { value: undefined, spots: new Map(), problems };

  const spots = new Map<string, Spot>();
  let aliased = 0;

  /** `open` holds the anchors being followed: one that meets itself would never end. */
  function read(node: Node | null, path: Path, key: Position | undefined, open: readonly Node[]): unknown {
    const value = at(node?.range?.[0] ?? 0);
    if (isAlias(node)) {
      const target = follow(node, open);
      return target && read(target, path, key ?? value, [...open, target]);
    }
    if (open.length > 0 && ++aliased > MAX_ALIASED) {
      if (aliased === MAX_ALIASED + 1)
        report(key ?? value, `aliases make more than ${MAX_ALIASED} values of this file`);
      return undefined;
    }
    const spot = { key: key ?? value, value: isScalar(node) ? value : (key ?? value), shown: show(node) };
    spots.set(formatPath(path), spot);
    if (path.length > MAX_DEPTH) return report(value, `more than ${MAX_DEPTH} levels deep`);
    if (isSeq(node)) return node.items.map((item, index) => read(item as Node, [...path, index], undefined, open));
    if (isMap(node)) return readMap(node.items as MapItem[], path, open);
    const scalar = isScalar(node) ? node.value : null;
    if (typeof scalar !== "string") return scalar;
    const { text, reasons } = expandText(scalar);
    for (const reason of reasons) report(value, `${formatPath(path)}: ${reason}`);
    return text;
  }

  function readMap(items: readonly MapItem[], path: Path, open: readonly Node[]): unknown {
    // Without a prototype, so that no key can be mistaken for something inherited.
    const result = Object.create(null) as Record<string, unknown>;
    const first = new Map<string, Position>();
    const merged: (readonly [Node | null, Position])[] = [];
    for (const { key, value } of items) {
      const position = at(key.range?.[0] ?? 0);
      const name = String(isScalar(key) ? key.value : key);
      const earlier = first.get(name);
      if (isMergeKey(key)) {
        merged.push([value, position]);
      } else if (earlier !== undefined) {
        report(position, `duplicate key "${name}"; the first stands in line ${earlier.line}`);
      } else if (name === "__proto__") {
        report(position, 'key "__proto__" is not allowed');
      } else {
        first.set(name, position);
        result[name] = read(value, [...path, name], position, open);
      }
    }
    for (const [node, position] of merged) merge(node, position, open);
    return result;

    /** Takes what is not there yet from the map, the maps, or what stands for them, behind `<<`. */
    function merge(node: Node | null, position: Position, open: readonly Node[]): void {
      const source = isAlias(node) ? follow(node, open) : node;
      if (source === undefined) return;
      const inner = isAlias(node) ? [...open, source as Node] : open;
      if (isSeq(source)) return source.items.forEach((item) => merge(item as Node, position, inner));
      if (!isMap(source)) return report(position, `<< takes a map, or a list of maps, not ${show(source)}`);
      const pairs = source.items as MapItem[];
      for (const { key, value } of pairs) {
        const name = String(isScalar(key) ? key.value : key);
        if (isMergeKey(key) || name === "__proto__" || first.has(name)) continue;
        const place = at(key.range?.[0] ?? 0);
        first.set(name, place);
        result[name] = read(value, [...path, name], place, inner);
      }
      for (const { key, value } of pairs) if (isMergeKey(key)) merge(value, position, inner);
    }
  }

  /** What an alias stands for; undefined where that is wrong. */
  function follow(alias: Alias, open: readonly Node[]): Node | undefined {
    const position = at(alias.range?.[0] ?? 0);
    const target = alias.resolve(document as Exclude<typeof document, Error>);
    if (target === undefined) report(position, `alias *${alias.source} has no anchor &${alias.source} before it`);
    else if (open.includes(target)) report(position, `alias *${alias.source} contains itself`);
    else return target;
    return undefined;
  }

  return { value: read(document.contents, [], undefined, []), spots, problems };
}

/** What parsed nodes hold under `stringKeys`. */
interface MapItem {
  readonly key: Node;
  readonly value: Node | null;
}

/** `<<: *defaults` (YAML 1.1, "Merge Key Language-Independent Type"), which 1.2 dropped and files still use. */
function isMergeKey(key: Node): boolean {
  return isScalar(key) && key.value === "<<" && key.type === "PLAIN";
}

function parse(text: string, lineCounter: LineCounter) {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false, // readMap names the first one, too
      resolveKnownTags: false,
    });
  } catch (error) {
    // The parser recurses: thousands of open brackets end in a RangeError.
    return error instanceof RangeError ? new Error("nested too deeply") : (error as Error);
  }
}

function show(node: Node | null): string {
  if (isMap(node)) return "a map";
  if (isSeq(node)) return node.items.length === 0 ? "an empty list" : "a list";
  if (!isScalar(node) || node.value === null) return "nothing";
  const text = typeof node.value === "string" ? JSON.stringify(node.value) : (node.source ?? String(node.value));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function decapitalize(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
