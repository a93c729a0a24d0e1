import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bindersFor } from "../../../src/exchange/content.ts";
import { GatewayError } from "../../../src/core/errors.ts";
import type { Route } from "../../../src/exchange/route.ts";
import type { BodyBinders } from "../../../src/transcode/binder.ts";

const pairs = {} as BodyBinders;
const parts = {} as BodyBinders;
const route = {
  kind: "unary",
  takesHttpBody: false,
  forms: null,
  takesForeignForms: false,
} as Route; // all that it asks

function choose(headers: Readonly<Record<string, string>>, of: Partial<Route> = {}): BodyBinders | GatewayError {
  return bindersFor({ ...route, ...of }, { header: (name) => headers[name] });
}

function check(headers: Readonly<Record<string, string>>): string | null {
  const found = choose(headers);
  return found instanceof GatewayError ? found.message : null;
}

describe("bindersFor()", () => {
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

  it("refuses JSON in another charset, and names the one that is taken", () => {
    for (const charset of ["latin1", "utf-16le"]) {
      const type = `application/json; charset=${charset}`;
      assert.equal(check({ "content-type": type }), `content-type "${type}" is not supported; expected charset=utf-8`);
    }
  });

  it("judges a long header in no time", () => {
    const startMs = performance.now();
    for (const part of ["; a=b", ";\t", ' ;a="', "+json"])
      check({ "content-type": `application/json${part.repeat(10_000)}` });
    assert.ok(performance.now() - startMs < 100);
  });
});

describe("bindersFor(): forms", () => {
  const forms = { pairs, parts };

  it("are taken where the route has them", () => {
    assert.equal(choose({ "content-type": "application/x-www-form-urlencoded" }, { forms }), pairs);
    assert.equal(choose({ "content-type": "Multipart/Form-Data; boundary=a" }, { forms }), parts);
    // Its reader says what is missing.
    assert.equal(choose({ "content-type": "multipart/form-data" }, { forms }), parts);
    for (const type of ["multipart/mixed; boundary=a", "multipart/form-datax", "application/x-www-form-urlencodedx"]) {
      const refusal = choose({ "content-type": type }, { forms });
      assert.match(String(refusal), /expected application\/json or a form$/, type);
    }
  });

  it("are refused from pages of other origins, unless the route takes them from any", () => {
    const type = { "content-type": "application/x-www-form-urlencoded", host: "api.test" };
    const table: readonly (readonly [Record<string, string>, boolean])[] = [
      [{}, true], // no browser
      [{ "sec-fetch-site": "same-origin", origin: "https://api.test" }, true],
      [{ "sec-fetch-site": "none" }, true], // typed by the user
      [{ "sec-fetch-site": "same-site", origin: "https://www.api.test" }, false],
      [{ "sec-fetch-site": "cross-site", origin: "https://evil.test" }, false],
      [{ origin: "https://api.test" }, true],
      [{ origin: "https://evil.test" }, false],
      [{ origin: "null" }, false], // a sandboxed frame
    ];
    for (const [headers, isTaken] of table) {
      const found = choose({ ...type, ...headers }, { forms });
      assert.equal(found === pairs, isTaken, JSON.stringify(headers));
      if (!isTaken) assert.equal((found as GatewayError).code, "FORM_CROSS_ORIGIN");
      assert.equal(choose({ ...type, ...headers }, { forms, takesForeignForms: true }), pairs);
    }
  });
});
