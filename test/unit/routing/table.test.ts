import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildRouteTable } from "../../../src/routing/table.ts";
import type { RouteEntry, RouteMatch } from "../../../src/routing/table.ts";
import { parseTemplate } from "../../../src/routing/template.ts";

/** Entries from lines such as `GET /v1/{a}`; a value is its line. */
function entries(lines: readonly string[]): RouteEntry<string>[] {
  return lines.map((line, index) => {
    const [method = "", source = ""] = line.split(" ");
    return { method, template: parseTemplate(source), value: line, place: `routes.yaml:${index + 1}:3` };
  });
}

function match(lines: readonly string[], request: string): RouteMatch<string> {
  const [method = "", path = ""] = request.split(/ (.*)/s);
  return buildRouteTable(entries(lines)).table.match(method, path);
}

/** The match as one line: the route's index and variables, or what else it is. */
function show(lines: readonly string[], request: string): string {
  const result = match(lines, request);
  switch (result.kind) {
    case "found":
      return [lines.indexOf(result.value), ...result.variables.map((value) => JSON.stringify(value))].join(" ");
    case "method_not_allowed":
      return `405 ${result.allow.join(", ")}`;
    case "not_found":
      return "404";
    case "redirect":
      return `308 ${result.path}`;
    case "malformed":
      return `400 ${result.reason}`;
  }
}

type Row = [lines: string[], request: string, expected: string];

function rows(table: readonly Row[]): void {
  for (const [lines, request, expected] of table) {
    it(`${request} of [${lines.join(" | ")}] is ${expected}`, () => assert.equal(show(lines, request), expected));
  }
}

describe("match(): segments", () => {
  rows([
    [["GET /"], "GET /", "0"], // the root has no segment
    [["GET /"], "GET /a", "404"],
    [["GET /a/b"], "GET /a/b", "0"],
    [["GET /a/b"], "GET /a", "404"], // a prefix is no match
    [["GET /a/b"], "GET /a/b/c", "404"],
    [["GET /a"], "GET /A", "404"], // paths are case-sensitive
    [["GET /v1/*"], "GET /v1/x", "0"],
    [["GET /v1/*"], "GET /v1/x/y", "404"], // * is one segment
    [["GET /v1/{a}/x/{b}"], "GET /v1/1/x/2", '0 "1" "2"'],
    [["GET /v1/{b}/x/{a}"], "GET /v1/1/x/2", '0 "1" "2"'], // in the order of the template
    [["GET /v1/{name=shelves/*/books/*}"], "GET /v1/shelves/1/books/2", '0 "shelves/1/books/2"'],
    [["GET /v1/{name=shelves/*/books/*}"], "GET /v1/shelves/1", "404"],
    [["GET /v1/{a=x}/y"], "GET /v1/x/y", '0 "x"'], // a literal can be captured
    [["GET /{a=*/*}/z/{b}"], "GET /1/2/z/3", '0 "1/2" "3"'],
    [["GET /v1/~.-_!$&'()+,;=@"], "GET /v1/~.-_!$&'()+,;=@", "0"],
  ]);
});

describe("match(): **", () => {
  rows([
    [["GET /v1/**"], "GET /v1", "0"], // zero segments
    [["GET /v1/{a=**}"], "GET /v1", '0 ""'],
    [["GET /v1/{a=**}"], "GET /v1/x", '0 "x"'],
    [["GET /v1/{a=**}"], "GET /v1/x/y/z", '0 "x/y/z"'],
    [["GET /{a=**}"], "GET /", '0 ""'],
    [["GET /{a=x/**}"], "GET /x", '0 "x"'], // no slash after the last captured segment
    [["GET /{a=x/*/**}"], "GET /x/1", '0 "x/1"'],
    [["GET /{a=x/*/**}"], "GET /x", "404"],
    [["GET /{a=*}/{b=**}"], "GET /1/2/3", '0 "1" "2/3"'],
    [["GET /v1/{a=**}"], `GET /v1/${"x/".repeat(500)}x`, `0 "${"x/".repeat(500)}x"`], // longer than any template
  ]);
});

describe("match(): empty segments", () => {
  rows([
    [["GET /v1/*", "GET /v1/**", "GET /v1"], "GET /v1/", "404"], // a trailing slash is an empty segment
    [["GET /*", "GET /**"], "GET //", "404"],
    [["GET /*/a"], "GET //a", "404"], // * takes at least one character
    [["GET /v1/{a=**}"], "GET /v1//a", "404"], // a variable must not capture the leading slash
    [["GET /v1/{a=**}"], "GET /v1/a/", "404"],
    [["GET /v1/{a=**}"], "GET /v1/a//b", '0 "a//b"'], // ** takes what lies between others as it is
    [["GET /v1/{u=**}"], "GET /v1/http://h/x", '0 "http://h/x"'],
    [["GET /v1/*/{a=**}", "GET /v1/{a=**}"], "GET /v1/a//b", '1 "a//b"'], // the more specific would start empty
    [["GET /v1/a"], "GET /v1//a", "404"], // slashes are not merged
  ]);
});

describe("match(): precedence and backtracking", () => {
  rows([
    [["GET /v1/{a}", "GET /v1/x"], "GET /v1/x", "1"], // a literal goes before *
    [["GET /v1/**", "GET /v1/*"], "GET /v1/x", "1"], // * goes before **
    [["GET /v1/**", "GET /v1"], "GET /v1", "1"], // nothing goes before ** as nothing
    [["GET /**", "GET /v1/**", "GET /*/x/y"], "GET /v1/x/y", "1"], // decided at the first segment that differs
    [["GET /{a}/b/c", "GET /a/{b}/c"], "GET /a/b/c", '1 "b"'],
    [["GET /a/b/c", "GET /a/*/d"], "GET /a/b/d", "1"], // the literal branch fails later
    [["GET /a/b/c", "GET /{x}/b/{y}"], "GET /a/b/d", '1 "a" "d"'], // …and two levels up
    [["GET /a/b/c", "GET /a/*/x", "GET /{r=**}"], "GET /a/b/d", '2 "a/b/d"'],
    [["GET /a/{x=b/**}", "GET /a/b/c/d"], "GET /a/b/c/e", '0 "b/c/e"'],
    [["POST /v1/{a}", "GET /v1/x"], "POST /v1/x", '0 "x"'], // a branch without the method fails, too
    [["* /v1/x", "GET /v1/x"], "GET /v1/x", "1"], // on one template the exact method goes first
    [["* /v1/x", "GET /v1/x"], "PUT /v1/x", "0"],
    [["* /v1/x", "GET /v1/{a}"], "GET /v1/x", "0"], // but the more specific path goes before the exact method
    [["get /v1/x"], "GET /v1/x", "405 get"], // methods are case-sensitive
  ]);

  it("does not depend on the order of the routes", () => {
    const lines = ["GET /a/b", "GET /a/*", "GET /a/**", "GET /*/b", "GET /**"];
    for (const list of [lines, [...lines].reverse()]) {
      const found = ["/a/b", "/a/x", "/a/x/y", "/x/b", "/x"].map((path) => match(list, `GET ${path}`));
      assert.deepEqual(
        found.map((result) => result.kind === "found" && result.value),
        lines,
      );
    }
  });
});

describe("match(): verbs", () => {
  rows([
    [["POST /v1/{a}:archive"], "POST /v1/x:archive", '0 "x"'],
    [["POST /v1/{a}:archive"], "POST /v1/x", "404"],
    [["POST /v1/{a}:archive"], "POST /v1/x:other", "404"],
    [["POST /v1/{a}:archive", "POST /v1/{a}"], "POST /v1/x:archive", '0 "x"'], // the verb's template goes first
    [["POST /v1/{a}:archive", "POST /v1/{a}"], "POST /v1/x:other", '1 "x:other"'], // a colon is text else
    [["POST /v1/*:archive", "POST /v1/x%3Aarchive"], "POST /v1/x:archive", "0"], // before a more specific one without
    [["POST /v1/*:archive", "POST /v1/x%3Aarchive"], "POST /v1/x%3Aarchive", "1"], // an encoded colon is text
    [["GET /v1/{a}"], "GET /v1/foo:bar", '0 "foo:bar"'],
    [["GET /v1/{a}"], "GET /v1/:", '0 ":"'],
    [["GET /v1/{a}:b"], "GET /v1/x:a:b", '0 "x:a"'], // split at the last colon
    [["GET /v1/a:b:c"], "GET /v1/a:b:c", "0"],
    [["GET /v1/{a}:b", "GET /**"], "GET /v1/:b", "1"], // no segment is left ahead of the verb
    [["GET /v1/**:b"], "GET /v1/:b", "404"],
    [["GET /v1/{a=**}:b"], "GET /v1:b", '0 ""'], // ** takes nothing
    [["GET /v1/{a=**}:b"], "GET /v1/x/y:b", '0 "x/y"'],
    [["GET /{a=**}:b"], "GET /:b", '0 ""'],
    [["GET /{a=**}:b", "GET /{a}"], "GET /:c", '1 ":c"'], // and the whole segment is back for the other trie
    [["GET /{a=**}:b", "GET /*"], "POST /:b", "405 GET"],
    [["GET /v1:b/x", "GET /v1/x:b"], "GET /v1:b/x", "0"], // only the last segment has a verb
    [["GET /x:v%20w"], "GET /x:v%20w", "0"], // decoded, like every literal
    [["GET /x:v"], "GET /x:%76", "0"],
    [["GET /{a}:v"], "GET /%C3%A9:v", '0 "é"'], // the colon moves when the text ahead is decoded
    [["GET /v1/x:a", "POST /v1/*"], "POST /v1/x:a", "1"], // another method's verb leaves the colon as text
  ]);
});

describe("match(): percent-encoding", () => {
  rows([
    [["GET /v1/{a}"], "GET /v1/a%20b%3F%C3%A9%25", '0 "a b?é%"'], // a single segment is decoded whole
    [["GET /v1/{a}"], "GET /v1/a%2Fb%2fc", '0 "a/b/c"'], // slashes as well
    [["GET /v1/{a}"], "GET /v1/%252F%2525", '0 "%2F%25"'], // once
    [["GET /v1/{a}"], "GET /v1/a+b", '0 "a+b"'], // plus is a space in queries only
    [["GET /v1/{a=x/*}"], "GET /v1/x/a%2Fb%2fc", '0 "x/a%2Fb%2fc"'], // several: %2F and %2f stay as they came
    [["GET /v1/{a=**}"], "GET /v1/a%2Fb", '0 "a%2Fb"'], // ** is several, even when it takes one
    [["GET /v1/{a=**}"], "GET /v1/a%3Ab%20c%25d%252F", '0 "a:b c%d%2F"'], // and the rest is decoded
    [["GET /v1/books"], "GET /v1/%62ook%73", "0"], // literals are compared decoded
    [["GET /v1/caf%C3%A9"], "GET /v1/caf%c3%a9", "0"],
    [["GET /v1/100%25"], "GET /v1/100%25", "0"],
    [["GET /v1/a%252Fb"], "GET /v1/a%2Fb", "404"],
    [["GET /v1/a/b", "GET /v1/{x}"], "GET /v1/a%2Fb", '1 "a/b"'], // an encoded slash separates nothing
    [["GET /v1/{a}"], "GET /v1/%0A%7F", '0 "\\n\x7f"'], // control characters are text to a field
    [["GET /{a}"], "GET /__proto__", '0 "__proto__"'],
  ]);
});

describe("match(): malformed paths", () => {
  const any = ["GET /**", "GET /{a}/**"];
  const dots = '400 "." and ".." segments are refused';
  rows([
    [any, "GET /%", '400 "%" is no percent-encoding; expected two hexadecimal digits after "%"'],
    [any, "GET /a%2", '400 "%2" is no percent-encoding; expected two hexadecimal digits after "%"'],
    [any, "GET /%41%zz", '400 "%zz" is no percent-encoding; expected two hexadecimal digits after "%"'],
    [any, "GET /%%25", '400 "%%2" is no percent-encoding; expected two hexadecimal digits after "%"'],
    [any, "GET /%ff", "400 percent-encoding is not valid UTF-8"],
    [any, "GET /%C0%AF", "400 percent-encoding is not valid UTF-8"], // overlong slash
    [any, "GET /%ED%A0%80", "400 percent-encoding is not valid UTF-8"], // surrogate
    [any, "GET /%C3/%A9", "400 percent-encoding is not valid UTF-8"], // a character does not span segments
    [any, "GET /a%00", "400 %00 is refused"],
    [any, "GET /a b", '400 character " " must be percent-encoded'],
    [any, "GET /a\u00e9", '400 character "é" must be percent-encoded'],
    [any, "GET /%41\u00e9", '400 character "é" must be percent-encoded'],
    [any, "GET /a#b", '400 character "#" must be percent-encoded'],
    [any, "GET /a\x7f", `400 character "\x7f" must be percent-encoded`],
    [any, "GET a", '400 must start with "/"'],
    [any, "GET *", '400 must start with "/"'],
    [any, "GET ", '400 must start with "/"'],
    [any, "GET /.", dots],
    [any, "GET /..", dots],
    [any, "GET /a/../b", dots],
    [any, "GET /a/./b", dots],
    [any, "GET /a/..", dots],
    [any, "GET /%2e", dots],
    [any, "GET /a/%2E%2e/b", dots],
    [any, "GET /a/.%2E", dots],
    [any, "GET /a/..%2Fb", dots], // a field would hold `../b`
    [any, "GET /a/b%2f%2e%2e", dots],
    [any, "GET /a/..:v", dots], // what a verb leaves
    [any, "GET /a/b%2F..:v", dots],
    [any, "GET /a/...", '1 "a"'], // three dots are a name
    [any, "GET /a/.b/b./..c", '1 "a"'],
    [any, "GET /a/%252e", '1 "a"'], // decoded once: the text %2e
    [["GET /a"], "GET /none/..", dots], // malformed before not found
  ]);
});

describe("match(): other methods", () => {
  rows([
    [["GET /a"], "POST /b", "404"],
    [["GET /a", "PUT /a"], "POST /a", "405 GET, PUT"],
    [["PUT /v1/{a}", "DELETE /v1/x", "GET /v1/**", "PATCH /v2"], "POST /v1/x", "405 DELETE, GET, PUT"], // all that take it
    [["GET /a"], "HEAD /a", "405 GET"], // HEAD and OPTIONS are not made up
    [["GET /v1/**"], "POST /v1", "405 GET"],
    [["POST /v1/{a}:v", "GET /v1/{a}"], "PUT /v1/x:v", "405 GET, POST"], // with and without the verb
    [["GET /v1/*"], "POST /v1/", "404"],
    [["GET /v1/**"], "POST /v1//a", "404"],
  ]);
});

describe("buildRouteTable()", () => {
  it("refuses two entries that differ in variables' names only, and keeps the first", () => {
    for (const [first, second] of [
      ["GET /v1/{a}", "GET /v1/{b}"],
      ["GET /v1/{a}", "GET /v1/*"],
      ["GET /v1/{a=x/*}", "GET /v1/x/{b}"], // what a variable spans is its own business
      ["GET /{a=**}:v", "GET /**:v"],
      ["* /a", "* /a"],
      ["GET /a%41", "GET /aA"], // the same literal, written twice
      ["GET /", "GET /"],
    ] as const) {
      const lines = [first, second];
      const { table, conflicts } = buildRouteTable(entries(lines));
      assert.equal(conflicts.length, 1, `${first} | ${second}`);
      assert.equal(conflicts[0]?.first.value, first);
      assert.equal(conflicts[0]?.second.value, second);
      assert.deepEqual(
        table.entries.map((entry) => entry.value),
        [first],
      );
    }
  });

  it("names both places of a conflict", () => {
    const { conflicts } = buildRouteTable(entries(["GET /v1/{a}", "* /b", "GET /v1/{b}", "* /b"]));
    assert.deepEqual(
      conflicts.map((conflict) => conflict.message),
      [
        "GET /v1/{b} (routes.yaml:3:3) takes exactly the requests of GET /v1/{a} (routes.yaml:1:3)",
        "any method /b (routes.yaml:4:3) takes exactly the requests of any method /b (routes.yaml:2:3)",
      ],
    );
  });

  it("takes entries that overlap in part", () => {
    for (const lines of [
      ["GET /v1/{a}", "POST /v1/{a}"],
      ["GET /v1/{a}", "* /v1/{a}"],
      ["GET /v1/{a}", "GET /v1/{a}:v"],
      ["GET /v1/{a}:v", "GET /v1/{a}:w"],
      ["GET /v1/{a}/b", "GET /v1/a/{b}"],
      ["GET /v1/*", "GET /v1/**", "GET /v1"],
      ["GET /v1/a%2A", "GET /v1/a%2a%2a"],
    ]) {
      assert.deepEqual(buildRouteTable(entries(lines)).conflicts, [], lines.join(" | "));
    }
  });

  it("warns of a ** that others together leave nothing to take", () => {
    const { warnings } = buildRouteTable(entries(["GET /v1/**", "* /v1", "GET /v1/*", "GET /v1/*/*/**"]));
    assert.deepEqual(
      warnings.map((warning) => warning.message),
      [
        "GET /v1/** (routes.yaml:1:3) is never reached: any method /v1 (routes.yaml:2:3) and GET /v1/* " +
          "(routes.yaml:3:3) and GET /v1/*/*/** (routes.yaml:4:3) take every path without an empty segment",
      ],
    );
    assert.equal(warnings[0]?.entry.value, "GET /v1/**");
  });

  it("does not warn where something is left", () => {
    for (const lines of [
      ["GET /v1/**", "GET /v1/*/**"], // zero segments
      ["GET /v1/**", "GET /v1", "GET /v1/*/*/**"], // one segment
      ["GET /v1/**", "GET /v1", "GET /v1/*"], // two
      ["GET /v1/**", "GET /v1", "POST /v1/*/**"], // of another method
      ["* /v1/**", "* /v1", "GET /v1/*/**"], // of all methods but one
      ["GET /v1/**:v", "GET /v1", "GET /v1/*/**"], // with a verb
      ["GET /**", "GET /v1", "GET /v1/**"],
      ["* /v1", "GET /v1"],
    ]) {
      assert.deepEqual(buildRouteTable(entries(lines)).warnings, [], lines.join(" | "));
    }
  });

  it("finds nothing in an empty table", () => {
    assert.equal(show([], "GET /"), "404");
    assert.equal(show([], "GET /a:b/c:d"), "404");
  });
});
