import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lastSegment, prefixEnd, servicePrefix } from "../../../../src/discovery/etcd/keys.ts";

describe("servicePrefix()", () => {
  for (const [service, prefix, expected] of [
    ["shop", "", "shop/"],
    ["shop/", "", "shop/"],
    ["/apps/shop", "", "/apps/shop/"],
    ["shop", "/etcd3_naming/", "/etcd3_naming/shop/"],
    ["shop", "/etcd3_naming", "/etcd3_naming/shop/"],
    ["/shop", "/etcd3_naming/", "/etcd3_naming/shop/"],
    ["shop", "/", "/shop/"],
  ] as const) {
    it(`is ${expected} for ${service} under "${prefix}"`, () => assert.equal(servicePrefix(service, prefix), expected));
  }
});

describe("prefixEnd()", () => {
  for (const [prefix, end] of [
    ["shop/", "shop0"],
    ["a", "b"],
    ["a\u00ff", "b"], // as latin1: a byte of 0xff cannot grow, the one before it does
    ["\u00ff\u00ff", "\u0000"], // to the end of all keys
    ["", "\u0000"],
  ] as const) {
    it(`follows ${JSON.stringify(prefix)} with ${JSON.stringify(end)}`, () => {
      assert.equal(prefixEnd(Buffer.from(prefix, "latin1")).toString("latin1"), end);
    });
  }
});

describe("lastSegment()", () => {
  it("is what follows the last slash", () => {
    assert.equal(lastSegment("/etcd3_naming/shop/10.0.0.1:1"), "10.0.0.1:1");
    assert.equal(lastSegment("10.0.0.1:1"), "10.0.0.1:1");
    assert.equal(lastSegment("shop/"), "");
  });
});
