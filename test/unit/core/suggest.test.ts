import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { didYouMean, nearest } from "../../../src/core/suggest.ts";

describe("nearest()", () => {
  for (const [name, candidates, expected, why] of [
    ["titel", ["title", "subtitle"], "title", "two letters swapped"],
    ["naem", ["id", "name"], "name", "in a short word, too"],
    ["ba", ["ab"], undefined, "two letters in another order are another word"],
    ["Title", ["subtitle", "title"], "title", "case does not count"],
    ["displayname", ["displayName", "name"], "displayName", "and the candidate is given as it is written"],
    ["gett", ["get", "put"], "get", "one letter too many"],
    ["timeout_ms", ["timeout", "times"], "timeout", "four tenths of the name may differ"],
    ["x", ["y"], "y", "one letter is always near"],
    ["zzzz", ["title"], undefined, "nothing is near"],
    ["price", ["title", "author"], undefined, "the nearest one is too far"],
    ["a", [], undefined, "nothing to choose from"],
    ["", ["d"], undefined, "no name is like no other"],
    ["t".repeat(101), ["t".repeat(101)], undefined, "a long name is not worth the time"],
  ] as const) {
    it(`${JSON.stringify(name.slice(0, 12))} -> ${JSON.stringify(expected)}: ${why}`, () => {
      assert.equal(nearest(name, candidates), expected);
    });
  }
});

describe("didYouMean()", () => {
  it("is the end of a sentence, or nothing", () => {
    assert.equal(didYouMean("titel", ["title"]), `; did you mean "title"?`);
    assert.equal(didYouMean("zzzz", ["title"]), "");
  });
});
