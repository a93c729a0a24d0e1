import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { entityTag, matchesTag } from "../../../src/exchange/etag.ts";

describe("entityTag()", () => {
  it("is strong, and the same for the same bytes, as text or not", () => {
    const tag = entityTag('{"name":"x"}');
    assert.match(tag, /^"[\w-]{22}"$/);
    assert.equal(entityTag(Buffer.from('{"name":"x"}')), tag);
    assert.notEqual(entityTag('{"name":"y"}'), tag);
  });
});

describe("matchesTag()", () => {
  for (const [ifNoneMatch, expected] of [
    ['"a"', true],
    ['W/"a"', true], // weak comparison
    ['"b", "a"', true],
    ['"b",W/"a"', true],
    ['"b,a"', false], // a comma in a tag
    ['"b"', false],
    ["a", false],
    ["*", true],
    ["", false],
  ] as const) {
    it(`${ifNoneMatch || "nothing"} -> ${expected}`, () => {
      assert.equal(matchesTag(ifNoneMatch, '"a"'), expected);
      assert.equal(matchesTag(ifNoneMatch, 'W/"a"'), expected);
    });
  }
});
