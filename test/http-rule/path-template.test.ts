// "Path template syntax" of the comment on google.api.HttpRule (protos/google/api/http.proto), paragraph by paragraph,
// and what its special notes say of paths.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { problemsWith, serveRules, type Api } from "../support/http-rule.ts";

/** An rpc for each template, named R0, R1, …, of a request with the fields a, b, name and sub.a. */
function protoOf(templates: readonly string[]): string {
  const rpcs = templates.map(
    (template, i) => `rpc R${i}(Request) returns (Request) { option (google.api.http) = { get: "${template}" }; }`,
  );
  return `service S { ${rpcs.join("\n")} }
    message Request { string a = 1; string b = 2; string name = 3; Request sub = 4; repeated string list = 5; map<string, string> map = 6; }`;
}

function serve(t: TestContext, templates: readonly string[], yaml?: string): Promise<Api> {
  const read = "annotations: { read: true }";
  return serveRules(t, { proto: protoOf(templates), yaml: yaml === undefined ? read : `${read}\n${yaml}` });
}

async function problems(t: TestContext, template: string): Promise<string> {
  return (await problemsWith(t, { proto: protoOf([template]) })).join("\n");
}

describe("HttpRule, path template syntax: the grammar", () => {
  it("takes every form", async (t) => {
    const api = await serve(t, [
      "/v1/literal",
      "/v1/stars/*/{a}",
      "/v1/rest/**",
      "/v1/variables/{a}/{b=*}/{name=x/*/y/*}",
      "/v1/nested/{sub.a}/{sub.sub.a}",
      "/v1/verbs/{a}:cancel",
      "/v1/verbs:list",
    ]);
    assert.equal(api("GET", "/v1/literal"), "R0({})");
    assert.equal(api("GET", "/v1/stars/1/2"), 'R1({"a":"2"})');
    assert.equal(api("GET", "/v1/rest/1/2/3"), "R2({})");
    assert.equal(api("GET", "/v1/variables/1/2/x/3/y/4"), 'R3({"a":"1","b":"2","name":"x/3/y/4"})');
    assert.equal(api("GET", "/v1/nested/1/2"), 'R4({"sub":{"a":"1","sub":{"a":"2"}}})');
    assert.equal(api("GET", "/v1/verbs/1:cancel"), 'R5({"a":"1"})');
    assert.equal(api("GET", "/v1/verbs:list"), "R6({})");
  });

  it("refuses anything else, and names the column", async (t) => {
    assert.equal(await problems(t, "v1/a"), 'path template "v1/a": column 1: expected "/", found "v"');
    assert.equal(await problems(t, "/v1//a"), 'path template "/v1//a": column 5: expected a segment, found "/"');
    assert.equal(
      await problems(t, "/v1/{a"),
      'path template "/v1/{a": column 7: expected ".", "=" or "}", found the end',
    );
    assert.equal(await problems(t, "/v1/{a=}"), 'path template "/v1/{a=}": column 8: expected a segment, found "}"');
    assert.equal(
      await problems(t, "/v1/a*"),
      'path template "/v1/a*": column 6: expected "/", ":" or the end, found "*"',
    );
    assert.equal(await problems(t, "/v1/a:"), 'path template "/v1/a:": column 7: expected a verb, found the end');
  });
});

describe("HttpRule, path template syntax: `*` matches a single URL path segment", () => {
  it("takes neither none nor two", async (t) => {
    const api = await serve(t, ["/v1/{a}/end"]);
    assert.equal(api("GET", "/v1/x/end"), 'R0({"a":"x"})');
    assert.equal(api("GET", "/v1/end"), "404");
    assert.equal(api("GET", "/v1//end"), "404");
    assert.equal(api("GET", "/v1/x/y/end"), "404");
  });
});

describe("HttpRule, path template syntax: `**` matches zero or more URL path segments, which must be the last part of the URL path except the Verb", () => {
  it("takes zero, one and many, without and with a verb", async (t) => {
    const api = await serve(t, ["/v1/{name=**}", "/v2/{name=files/**}:read", "/v3/**"]);
    assert.equal(api("GET", "/v1"), "R0({})");
    assert.equal(api("GET", "/v1/a"), 'R0({"name":"a"})');
    assert.equal(api("GET", "/v1/a/b/c"), 'R0({"name":"a/b/c"})');
    assert.equal(api("GET", "/v2/files/a/b:read"), 'R1({"name":"files/a/b"})');
    assert.equal(api("GET", "/v2/files:read"), 'R1({"name":"files"})');
    assert.equal(api("GET", "/v2/files/a/b:write"), "404");
    assert.equal(api("GET", "/v3/a/b"), "R2({})");
  });

  it("is refused elsewhere", async (t) => {
    const text = (template: string, column: number, expected: string, found: string): string =>
      `path template "${template}": column ${column}: expected ${expected}, found "${found}"`;
    const end = 'the end or ":" after "**"';
    assert.equal(await problems(t, "/v1/**/a"), text("/v1/**/a", 7, end, "/"));
    assert.equal(await problems(t, "/v1/{name=**}/a"), text("/v1/{name=**}/a", 14, end, "/"));
    assert.equal(await problems(t, "/v1/{name=a/**/b}"), text("/v1/{name=a/**/b}", 15, '"}" after "**"', "/"));
  });
});

describe("HttpRule, path template syntax: Variable matches part of the URL path as specified by its template", () => {
  it("must not contain other variables", async (t) => {
    assert.equal(
      await problems(t, "/v1/{name={a}}"),
      'path template "/v1/{name={a}}": column 11: expected no variable inside a variable, found "{"',
    );
  });

  it("may omit its template where it matches a single path segment: {var} is {var=*}", async (t) => {
    const api = await serve(t, ["/v1/{a}", "/v2/{a=*}"]);
    assert.equal(api("GET", "/v1/x"), 'R0({"a":"x"})');
    assert.equal(api("GET", "/v2/x"), 'R1({"a":"x"})');
    assert.equal((await problemsWith(t, { proto: protoOf(["/v1/{a}", "/v1/{b=*}"]) })).length, 1);
  });
});

describe("HttpRule, path template syntax: if the LITERAL contains any reserved character, such characters should be percent-encoded before the matching", () => {
  it("matches either form by what it stands for", async (t) => {
    const api = await serve(t, ["/v1/a%3Ab/{a}", "/v1/@me", "/v1/caf%C3%A9", "/v1/x:y/{a}:go", "/v1/x:y"]);
    // Only in the last segment is a colon a verb's.
    for (const path of ["/v1/x:y/z:go", "/v1/x%3Ay/z:go"]) assert.equal(api("GET", path), 'R3({"a":"z"})', path);
    assert.equal(api("GET", "/v1/x:y"), "R4({})");
    assert.equal(api("GET", "/v1/x%3Ay"), "404");
    for (const path of ["/v1/a%3Ab/x", "/v1/a%3ab/x", "/v1/a:b/x"])
      assert.equal(api("GET", path), 'R0({"a":"x"})', path);
    for (const path of ["/v1/@me", "/v1/%40me"]) assert.equal(api("GET", path), "R1({})", path);
    for (const path of ["/v1/caf%C3%A9", "/v1/caf%c3%a9"]) assert.equal(api("GET", path), "R2({})", path);
  });
});

describe("HttpRule, path template syntax: a variable of exactly one path segment is wholly decoded", () => {
  it("gives back whatever the client encoded, slashes and colons too", async (t) => {
    const api = await serve(t, ["/v1/{a}", "/v2/{a=*}/{b}:go"]);
    const text = "/a:b?c#d%e f+é%2F~";
    const message = JSON.stringify({ a: text });
    assert.equal(api("GET", `/v1/${encodeURIComponent(text)}`), `R0(${message})`);
    assert.equal(api("GET", "/v2/a%2fb/c%3Ad:go"), 'R1({"a":"a/b","b":"c:d"})');
    assert.equal(api("GET", "/v1/a+b"), 'R0({"a":"a+b"})');
  });

  it("refuses broken encoding", async (t) => {
    const api = await serve(t, ["/v1/{a}"]);
    assert.equal(api("GET", "/v1/%zz"), '400 "%zz" is no percent-encoding; expected two hexadecimal digits after "%"');
    assert.equal(api("GET", "/v1/%ff"), "400 percent-encoding is not valid UTF-8");
  });
});

describe('HttpRule, path template syntax: a variable of multiple path segments is decoded, except "%2F" and "%2f" are left unchanged', () => {
  const templates = ["/v1/{name=foo/*}", "/v2/{name=**}", "/v3/{name=foo/*/bar/*}:go", "/v4/{name=a/**}"];

  it("keeps apart slashes that separate from those that are data", async (t) => {
    const api = await serve(t, templates);
    assert.equal(api("GET", "/v1/foo/a%2Fb%2fc%3Ad%20%C3%A9"), 'R0({"name":"foo/a%2Fb%2fc:d é"})');
    assert.equal(api("GET", "/v2/a%2Fb/c%2525"), 'R1({"name":"a%2Fb/c%25"})');
    assert.equal(api("GET", "/v3/foo/%2F/bar/b%3Ac:go"), 'R2({"name":"foo/%2F/bar/b:c"})');
  });

  it("decodes all but reserved characters, or all, where that is asked for", async (t) => {
    const reserved = await serve(t, templates, "routing: { unescape: all_except_reserved }");
    assert.equal(reserved("GET", "/v1/foo/a%2Fb%2fc%3Ad%20%C3%A9%25"), 'R0({"name":"foo/a%2Fb%2fc%3Ad é%"})');
    assert.equal(
      reserved("GET", "/v2/%3a%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D/%41%2D%2E%5F%7E%22%3C"),
      'R1({"name":"%3a%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D/A-._~\\"<"})',
    );
    assert.equal(reserved("GET", "/v3/foo/x%3Ay/bar/b%3Ac:go"), 'R2({"name":"foo/x%3Ay/bar/b%3Ac"})');
    assert.equal(reserved("GET", "/v4/a"), 'R3({"name":"a"})');
    assert.equal(reserved("GET", "/v4/a/b%2Fc/d"), 'R3({"name":"a/b%2Fc/d"})');
    const all = await serve(t, [...templates, "/v5/{a}"], "routing: { unescape: all }");
    assert.equal(all("GET", "/v1/foo/a%2Fb%2fc%3Ad%252F"), 'R0({"name":"foo/a/b/c:d%2F"})');
    assert.equal(all("GET", "/v2/..%2F..%2Fsecret"), '400 "." and ".." segments are refused');
    assert.equal(all("GET", "/v5/a%2Fb"), 'R4({"a":"a/b"})');
  });
});

describe("HttpRule, path template syntax: Verb", () => {
  it("is what follows the last colon of the last segment, where a template has that verb", async (t) => {
    const api = await serve(t, ["/v1/{a}:cancel", "/v1/{a}", "/v1/{name=x/**}:undo%20it", "/v2/{a}"]);
    assert.equal(api("GET", "/v1/1:cancel"), 'R0({"a":"1"})');
    assert.equal(api("GET", "/v1/a:b:cancel"), 'R0({"a":"a:b"})');
    assert.equal(api("GET", "/v1/1:resume"), 'R1({"a":"1:resume"})');
    assert.equal(api("GET", "/v1/1%3Acancel"), 'R1({"a":"1:cancel"})');
    assert.equal(api("GET", "/v1/x/y:undo%20it"), 'R2({"name":"x/y"})');
    assert.equal(api("GET", "/v2/a:b"), 'R3({"a":"a:b"})');
  });
});

describe("HttpRule, special notes: the path variables must not refer to any repeated or mapped field", () => {
  it("refuses such variables at load", async (t) => {
    const refusal = (path: string, reason: string): string =>
      `variable {${path}} of example.v1.Request: ${reason}; it takes more than one value`;
    assert.equal(await problems(t, "/v1/{list}"), refusal("list", "list is repeated"));
    assert.equal(await problems(t, "/v1/{map}"), refusal("map", "map is a map"));
    assert.equal(await problems(t, "/v1/{map.key}"), refusal("map.key", "map is a map"));
    assert.equal(await problems(t, "/v1/{sub.list}"), refusal("sub.list", "list is repeated"));
  });
});

describe('HttpRule, special notes: the path variables must not capture the leading "/" character', () => {
  it("captures none, and no empty segment in its place", async (t) => {
    const api = await serve(t, ["/v1/{name=**}"]);
    assert.equal(api("GET", "/v1/a"), 'R0({"name":"a"})');
    assert.equal(api("GET", "/v1//a"), "404");
    assert.equal(api("GET", "/v1/a//b"), 'R0({"name":"a//b"})');
    assert.equal(
      await problems(t, "/v1{name=**}"),
      'path template "/v1{name=**}": column 4: expected "/", ":" or the end, found "{"',
    );
  });
});

describe("routing.trailing_slash", () => {
  it("leads to the path without one, where a route takes that, and never to another site", async (t) => {
    const api = await serve(t, ["/v1/shelves", "/v1/{a}:go", "/{name=**}"], "routing: { trailing_slash: redirect }");
    for (const path of ["/v1/shelves", "/v1/x:go", "/v1/a%2Fb", "/evil.test"]) {
      assert.equal(api("GET", `${path}/`), `308 ${path}`);
    }
    for (const path of ["/v1/shelves//", "//", "//evil.test/"]) assert.equal(api("GET", path), "404", path);
    assert.equal(api("POST", "/v1/shelves/"), "405 GET");
    assert.equal(api("GET", "/\\evil.test/"), "308 /%5Cevil.test");
    assert.equal(api("GET", "/"), "R2({})");
  });

  it("makes another path of one, unless it is to be ignored", async (t) => {
    const templates = ["/v1/shelves", "/v1/{name=books/**}", "/v1/{a}:go", "/"];
    const strict = await serve(t, templates);
    for (const path of ["/v1/shelves/", "/v1/books/a/", "/v1/books/", "//"])
      assert.equal(strict("GET", path), "404", path);
    const lax = await serve(t, templates, "routing: { trailing_slash: ignore }");
    assert.equal(lax("GET", "/v1/shelves/"), "R0({})");
    assert.equal(lax("GET", "/v1/books/a/"), 'R1({"name":"books/a"})');
    assert.equal(lax("GET", "/v1/books/"), 'R1({"name":"books"})');
    assert.equal(lax("GET", "/v1/x:go/"), 'R2({"a":"x"})');
    assert.equal(lax("GET", "/"), "R3({})");
    for (const path of ["/v1/shelves//", "//"]) assert.equal(lax("GET", path), "404", path);
    assert.equal(lax("POST", "/v1/shelves/"), "405 GET");
  });
});
