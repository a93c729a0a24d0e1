import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStaticResolver } from "../../../src/discovery/static.ts";
import { parseTarget, type PassTarget } from "../../../src/discovery/target.ts";
import type { Endpoint } from "../../../src/upstream/resolver.ts";

describe("createStaticResolver()", () => {
  it("tells the target's addresses once, at the start", () => {
    const told: (readonly Endpoint[])[] = [];
    const unexpected = () => assert.fail("never in trouble");
    const resolver = createStaticResolver(parseTarget("pass:///a:1#2,b:2") as PassTarget);
    assert.equal(told.length, 0);
    resolver.start({ onEndpoints: (list) => told.push(list), onTrouble: unexpected, onRecovered: unexpected });
    resolver.close();
    assert.deepEqual(told, [
      [
        { address: "a:1", connections: 2, weight: 1, zone: "" },
        { address: "b:2", connections: 1, weight: 1, zone: "" },
      ],
    ]);
  });
});
