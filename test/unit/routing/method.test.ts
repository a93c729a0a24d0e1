import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkMethod } from "../../../src/routing/method.ts";

describe("checkMethod()", () => {
  it("lets pass what Node's HTTP parser knows, and the star", () => {
    for (const method of ["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND", "M-SEARCH", "*"]) {
      assert.equal(checkMethod(method), null, method);
    }
  });

  const refused: [method: string, reason: string][] = [
    [
      "get", // HTTP methods are case-sensitive
      `method "get" is unknown to Node's HTTP parser, which refuses such requests; did you mean "GET"?`,
    ],
    ["BREW", `method "BREW" is unknown to Node's HTTP parser, which refuses such requests`],
    ["", `method "" is unknown to Node's HTTP parser, which refuses such requests`],
    ["CONNECT", 'method "CONNECT" asks for a tunnel and never reaches a route'],
  ];
  for (const [method, reason] of refused) {
    it(`refuses ${JSON.stringify(method)} with the reason`, () => assert.equal(checkMethod(method), reason));
  }
});
