import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPickFirst } from "../../../../src/upstream/balancer/pick-first.ts";
import { candidate, count, type FakeCandidate } from "../../../support/candidates.ts";

describe("createPickFirst()", () => {
  it("keeps to the first of the list that is ready, until it is down, and then to the next", () => {
    const [a, b, c] = [candidate("a"), candidate("b"), candidate("c")];
    const balancer = createPickFirst<FakeCandidate>();
    balancer.list?.([a, b, c]);
    assert.deepEqual(count(balancer, 1), { none: 1 });
    balancer.add(c);
    balancer.add(b);
    assert.deepEqual(count(balancer, 5), { b: 5 });
    balancer.add(a);
    assert.deepEqual(count(balancer, 5), { b: 5 }, "one that comes later is no reason to move");
    assert.deepEqual(count(balancer, 5, ["b"]), { a: 5 });
    assert.deepEqual(count(balancer, 5), { b: 5 }, "one call's retry moves only that call");
    b.isHealthy = false;
    assert.deepEqual(count(balancer, 5), { a: 5 });
    b.isHealthy = true;
    assert.deepEqual(count(balancer, 5), { a: 5 });
    balancer.remove(a);
    balancer.list?.([c, b]);
    assert.deepEqual(count(balancer, 5), { c: 5 });
    c.isHealthy = false;
    balancer.remove(b);
    assert.deepEqual(count(balancer, 5), { c: 5 }, "in bad health is better than nothing");
  });
});
