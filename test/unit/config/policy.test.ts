import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultPolicy, mergePolicy } from "../../../src/config/policy.ts";

describe("mergePolicy()", () => {
  it("leaves what is not said", () => {
    assert.deepEqual(mergePolicy(defaultPolicy, {}), defaultPolicy);
    assert.deepEqual(mergePolicy(defaultPolicy, { timeoutMs: undefined, json: { names: undefined } }), defaultPolicy);
  });

  it("merges maps key by key, and replaces lists and single values", () => {
    const base = mergePolicy(defaultPolicy, {
      headers: { request: { allow: ["a", "b"], rename: { a: "x", b: "y" } } },
    });
    const merged = mergePolicy(base, {
      timeoutMs: 1,
      headers: { request: { allow: ["c"], rename: { b: "z" } } },
      json: { names: "proto" },
    });
    assert.equal(merged.timeoutMs, 1);
    assert.deepEqual(merged.headers.request, { allow: ["c"], deny: [], rename: { a: "x", b: "z" } });
    assert.deepEqual(merged.json, { ...defaultPolicy.json, names: "proto" });
    assert.deepEqual(base.headers.request.allow, ["a", "b"], "the base is not changed");
  });
});
