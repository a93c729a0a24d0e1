import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isIdempotent } from "../../../src/call/idempotent.ts";

describe("isIdempotent()", () => {
  for (const [route, level, httpMethod, expected, why] of [
    [undefined, "unknown", "GET", true, "GET is, where nothing else is said"],
    [undefined, "unknown", "HEAD", true, "HEAD is"],
    [undefined, "unknown", "POST", false, "POST is not"],
    [undefined, "unknown", "PUT", false, "PUT is not: nothing binds the rpc to HTTP's promise"],
    [undefined, "unknown", "DELETE", false, "nor is DELETE"],
    [undefined, "unknown", "*", false, "nor is a binding to every method"],
    [undefined, "idempotent", "POST", true, "the method's option stands over the verb"],
    [undefined, "no_side_effects", "POST", true, "no side effects is more than idempotent"],
    [false, "idempotent", "GET", false, "the route stands over both"],
    [true, "unknown", "POST", true, "either way"],
  ] as const) {
    it(`${why}: ${route} ${level} ${httpMethod}`, () => {
      assert.equal(isIdempotent({ route, level, httpMethod }), expected);
    });
  }
});
