import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { buildRouteTable, defaultRoutingOptions } from "../../../src/routing/table.ts";
import type { RouteEntry, RouteMatch, RoutingOptions } from "../../../src/routing/table.ts";
import { parseTemplate } from "../../../src/routing/template.ts";
import type { PathTemplate } from "../../../src/routing/template.ts";
import { freshSeed } from "../../support/seeded-random.ts";

/**
 * A matcher straight from the grammar: every template on every path, all candidates compared. Slow, and written
 * without the ideas of the fast one: no trie, no canonical text, no scan.
 */
function slowMatch(
  entries: readonly RouteEntry<number>[],
  method: string,
  path: string,
  options: RoutingOptions,
): RouteMatch<number> {
  if (/%(?![0-9a-f]{2})|[^!-~]|#/i.test(path) || !path.startsWith("/")) return { kind: "malformed", reason: "" };
  if (options.trailingSlash === "ignore" && path.length > 2 && path.at(-2) !== "/") path = path.replace(/\/$/, "");
  if (options.trailingSlash === "redirect" && /[^/]\/$/.test(path)) {
    const strict: RoutingOptions = { ...options, trailingSlash: "strict" };
    if (slowMatch(entries, method, path, strict).kind === "malformed") return { kind: "malformed", reason: "" };
    const shorter = slowMatch(entries, method, path.slice(0, -1), strict);
    return shorter.kind === "found" ? { kind: "redirect", path: path.slice(0, -1) } : shorter;
  }
  const raw = path === "/" ? [] : path.slice(1).split("/");
  for (const segment of raw) {
    let text: string;
    try {
      text = decodeURIComponent(segment);
    } catch {
      return { kind: "malformed", reason: "" };
    }
    const beforeVerb = segment === raw.at(-1) && segment.includes(":") ? segment.replace(/:[^:]*$/, "") : segment;
    const parts = [...text.split("/"), ...decodeURIComponent(beforeVerb).split("/")];
    const dotted = segment.replaceAll(/%2f/gi, "/").replaceAll(/%2e/gi, ".").split("/");
    if (text.includes("\0") || parts.some((part) => part === "." || part === "..") || dotted.includes("..")) {
      return { kind: "malformed", reason: "" };
    }
  }
  const last = raw.at(-1) ?? "";
  const colon = last.lastIndexOf(":");
  const readings: { segments: string[]; verb: string }[] = [{ segments: raw, verb: "" }];
  if (colon >= 0 && decodeURIComponent(last.slice(colon + 1)) !== "") {
    const head = [...raw.slice(0, -1), last.slice(0, colon)];
    const root = head.length === 1 && head[0] === "";
    readings.unshift({ segments: root ? [] : head, verb: decodeURIComponent(last.slice(colon + 1)) });
  }
  const allow = new Set<string>();
  for (const { segments, verb } of readings) {
    const taking = entries.filter(({ template }) => template.verb === verb && takes(template, segments));
    const best = taking
      .filter((entry) => entry.method === method || entry.method === "*")
      .sort((a, b) => compare(a, b))[0];
    if (best) return { kind: "found", value: best.value, variables: capture(best.template, segments, options) };
    for (const entry of taking) allow.add(entry.method);
  }
  return allow.size > 0 ? { kind: "method_not_allowed", allow: [...allow].sort() } : { kind: "not_found" };
}

function takes({ segments }: PathTemplate, path: readonly string[]): boolean {
  const rest = segments.at(-1)?.kind === "rest";
  const fixed = rest ? segments.length - 1 : segments.length;
  if (path.length < fixed || (!rest && path.length > fixed) || path.at(-1) === "") return false;
  if (path.length > fixed && path[fixed] === "") return false;
  return segments.slice(0, fixed).every((segment, index) => {
    const raw = path[index] ?? "";
    return segment.kind === "literal" ? !/%2f/i.test(raw) && decodeURIComponent(raw) === segment.text : raw !== "";
  });
}

/** Literal before star before the end before `**`, at the first segment that differs; then the exact method. */
function compare(a: RouteEntry<number>, b: RouteEntry<number>): number {
  const ranks = { literal: 0, star: 1, rest: 3 };
  for (let i = 0; ; i++) {
    const [left, right] = [a.template.segments[i], b.template.segments[i]];
    const difference = (left ? ranks[left.kind] : 2) - (right ? ranks[right.kind] : 2);
    if (difference !== 0) return difference;
    if (!left) return (a.method === "*" ? 1 : 0) - (b.method === "*" ? 1 : 0);
  }
}

function capture(template: PathTemplate, path: readonly string[], { unescape }: RoutingOptions): string[] {
  // Encoded characters that stay as they are.
  const kept = { all_except_slash: "/", all_except_reserved: ":/?#[]@!$&'()*+,;=", all: "" }[unescape];
  const keep = (text: string): string =>
    text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) =>
      [...decodeURIComponent(run)].map((char, i) => (kept.includes(char) ? encodedAt(run, i) : char)).join(""),
    );
  return template.variables.map((variable) => {
    const taken = path.slice(variable.start, variable.rest ? path.length : variable.end);
    return taken.map((text) => (variable.multi ? keep(text) : decodeURIComponent(text))).join("/");
  });
}

/** What the character at `index` looked like in a run of percent-encoded ones. */
function encodedAt(run: string, index: number): string {
  return (run.match(/%[0-7][0-9a-f]|(?:%[89a-f][0-9a-f])+?(?=%[0-7c-f]|$)/gi) ?? [])[index] ?? "";
}

// Few texts, so that templates and paths meet often.
const literal = fc.constantFrom("a", "b", "c", "a%62", "x%3Ay", "%25", "%C3%A9");
const star = fc.constant("*");
const plain = fc.oneof({ weight: 3, arbitrary: literal }, star);
const template = fc
  .record({
    parts: fc.array(fc.record({ texts: fc.array(plain, { minLength: 1, maxLength: 2 }), variable: fc.boolean() }), {
      maxLength: 4,
    }),
    rest: fc.constantFrom("", "**", "{r=**}", "{r=a/**}", "{r=*/**}"),
    verb: fc.constantFrom("", "", "", ":v", ":w", ":%76w"),
  })
  .map(({ parts, rest, verb }) => {
    const segments = parts.map(({ texts, variable }, i) => (variable ? `{f${i}=${texts.join("/")}}` : texts.join("/")));
    if (rest !== "") segments.push(rest);
    return `/${segments.join("/")}${segments.length > 0 ? verb : ""}`;
  });
const route = fc.record({ method: fc.constantFrom("GET", "POST", "*"), source: template });

const pathText = fc.constantFrom(
  ...["a", "a", "b", "b", "c", "ab", "%61", "x:y", "x%3Ay", "%25", "%C3%A9", "%c3%a9", "z", ":", "::v"],
  ...[
    "a%2Fb",
    "a%2fb",
    "%3a%C3%A9%2f%40%7e",
    "%252F",
    "a+b",
    "",
    ".",
    "..",
    "%2e",
    "%2E.",
    "...",
    "a%2F..",
    "%",
    "%zz",
    "%ff",
    "%00",
    "a#",
    "é",
  ],
);
const path = fc
  .record({
    texts: fc.oneof(
      { weight: 4, arbitrary: fc.array(fc.constantFrom("a", "b", "c", "ab", "%61b", "z"), { maxLength: 6 }) },
      { weight: 2, arbitrary: fc.array(pathText, { maxLength: 6 }) },
    ),
    verb: fc.constantFrom("", "", "", ":v", ":w", ":vw", ":%76", ":", "%3Av", "/", "//"),
  })
  .map(({ texts, verb }) => `/${texts.join("/")}${verb}`);

describe("match() against a matcher straight from the grammar", () => {
  it("agrees on random templates and paths", (t) => {
    const seed = freshSeed();
    t.diagnostic(`seed ${seed}`);
    const seen = { found: 0, method_not_allowed: 0, not_found: 0, malformed: 0, redirect: 0 };
    const check = (routes: { method: string; source: string }[], paths: string[], options: RoutingOptions) => {
      const entries = routes.map(({ method, source }, value) => ({
        method,
        template: parseTemplate(source),
        value,
        place: "",
      }));
      const { table } = buildRouteTable(entries, options);
      for (const one of paths) {
        const actual = table.match("GET", one);
        const expected = slowMatch(table.entries, "GET", one, options);
        seen[actual.kind]++;
        if (actual.kind === "malformed") assert.equal(expected.kind, "malformed", one);
        else assert.deepEqual(actual, expected, one);
      }
    };
    const routes = fc.array(route, { minLength: 1, maxLength: 12 });
    const paths = fc.array(path, { minLength: 1, maxLength: 12 });
    const options = fc.oneof(
      fc.constant(defaultRoutingOptions),
      fc.record({
        trailingSlash: fc.constantFrom("strict", "ignore", "redirect"),
        unescape: fc.constantFrom("all_except_slash", "all_except_reserved", "all"),
      }),
    );
    fc.assert(fc.property(routes, paths, options, check), { seed, numRuns: 12_000 });
    for (const [kind, count] of Object.entries(seen)) assert.ok(count > 100, `${kind}: ${count} only`);
  });

  it("reads any text as a template or throws a TemplateError", (t) => {
    const seed = freshSeed();
    t.diagnostic(`seed ${seed}`);
    const piece = fc.constantFrom("/", "*", "**", "{", "}", "=", ":", ".", "a", "%", "%41", "%2F", "é", " ");
    const text = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((parts) => `/${parts.join("")}`),
      fc.string(),
    );
    const check = (source: string) => {
      try {
        const { segments, variables } = parseTemplate(source);
        assert.ok(segments.slice(0, -1).every((segment) => segment.kind !== "rest"));
        for (const { start, end } of variables) assert.ok(start < end && end <= segments.length);
      } catch (error) {
        const { name, column } = error as { name: string; column: number };
        assert.equal(name, "TemplateError");
        assert.ok(column >= 1 && column <= source.length + 1);
      }
    };
    fc.assert(fc.property(text, check), { seed, numRuns: 20_000 });
  });
});

describe("match() on hostile paths", () => {
  // 14 levels, at each a literal and a star for every combination: all of the trie lies on the path's way.
  const levels = 14;
  const sources = Array.from({ length: 2 ** levels }, (_, bits) => {
    const segments = Array.from({ length: levels }, (_, level) => ((bits >> level) & 1 ? "a" : "*"));
    return `/${segments.join("/")}/end`;
  });
  const adversarial = () =>
    buildRouteTable(
      sources.map((source) => ({ method: "GET", template: parseTemplate(source), value: source, place: "" })),
    );

  it("visits no node twice: the time is bounded by the templates, not by their combinations with the path", () => {
    const { table } = adversarial();
    const path = `/${"a/".repeat(levels)}no`;
    const start = process.cpuUsage();
    assert.equal(table.match("GET", path).kind, "not_found");
    const { user } = process.cpuUsage(start);
    assert.ok(user < 500_000, `${user} us for ${2 ** (levels + 1)} nodes`);
  });

  it("reads 64 KiB in a pass", () => {
    const lines = [
      "/{a=**}:v",
      "/a/**",
      "/*/*/*/x",
      "/a/a/{x=**}:w",
      ...Array.from({ length: 90 }, (_, i) => `${"/a".repeat(i + 1)}/b`),
    ];
    const entries = lines.map((source) => ({
      method: "GET",
      template: parseTemplate(source),
      value: source,
      place: "",
    }));
    const { table } = buildRouteTable(entries);
    const size = 64 * 1024;
    for (const unit of ["a/", "/", "a:", ":", "%61/", "%2F", "%252F", "..", "%2e", "%"]) {
      const path = `/${unit.repeat(size / unit.length)}`;
      const start = process.cpuUsage();
      table.match("GET", path);
      const { user } = process.cpuUsage(start);
      assert.ok(user < 500_000, `${unit}: ${user} us`);
    }
  });
});
