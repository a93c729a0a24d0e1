import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkContentHeaders } from "../../../src/exchange/content.ts";
import type { HttpExchange } from "../../../src/exchange/http.ts";

function check(headers: Readonly<Record<string, string>>): string | null {
  const http = { header: (name: string) => headers[name] } as HttpExchange; // all that it asks
  return checkContentHeaders(http, "json")?.message ?? null;
}

describe("checkContentHeaders()", () => {
  it("takes JSON in UTF-8 under any of its names, and a body without a type", () => {
    assert.equal(check({}), null);
    for (const type of [
      "application/json",
      "APPLICATION/JSON",
      " application/json ",
      "application/json;charset=utf-8",
      "application/json ; Charset=UTF8 ; q=1",
      'application/json; charset="UTF-8"',
      "application/json; charset=us-ascii",
      "application/json;",
      "application/vnd.api+json",
      'application/json; profile="a;b"',
    ]) {
      assert.equal(check({ "content-type": type }), null, type);
    }
  });

  it("refuses every other type, and shows it shortened", () => {
    for (const type of [
      "",
      "json",
      "text/json",
      "application/jsonp",
      "application/json-seq",
      "application/+json",
      "application/json text",
      "application/json, application/json",
      "application/json; charset=latin1",
      "application/json; charset=utf-16le",
      "application/json; charset",
      "application/json;;charset=utf-8",
      "multipart/form-data; boundary=a",
    ]) {
      assert.match(
        check({ "content-type": type }) ?? "",
        /^content-type ".*" is not supported; expected application\/json$/,
      );
    }
    assert.ok((check({ "content-type": "x".repeat(10_000) }) ?? "").length < 200);
  });

  it("judges a long header in no time", () => {
    const startMs = performance.now();
    for (const part of ["; a=b", ";\t", ' ;a="', "+json"])
      check({ "content-type": `application/json${part.repeat(10_000)}` });
    assert.ok(performance.now() - startMs < 100);
  });

  it("refuses every coding of the body", () => {
    for (const encoding of ["identity", "Identity", ""]) assert.equal(check({ "content-encoding": encoding }), null);
    for (const encoding of ["gzip", "br", "identity, gzip", "x"]) {
      assert.match(check({ "content-encoding": encoding }) ?? "", /^content-encoding ".*" is not supported/);
    }
  });
});
