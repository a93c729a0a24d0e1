import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_HASH_KEY } from "../../../../src/upstream/balancer/balancer.ts";
import { createRoundRobin } from "../../../../src/upstream/balancer/round-robin.ts";
import { candidate, count, fill, type FakeCandidate } from "../../../support/candidates.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const byWeight = ({ weight, connections }: FakeCandidate) => weight * connections;

function make(candidates: readonly FakeCandidate[]) {
  const balancer = fill(createRoundRobin(byWeight), candidates);
  const order = (picks: number) =>
    Array.from({ length: picks }, () => balancer.pick([], NO_HASH_KEY)?.endpoint).join("");
  return { balancer, order };
}

describe("createRoundRobin()", () => {
  it("gives nothing where there is nothing", () => {
    assert.equal(createRoundRobin(byWeight).pick([], NO_HASH_KEY), null);
  });

  it("gives exactly equal shares, each in its turn", () => {
    const { order } = make([candidate("a"), candidate("b"), candidate("c")]);
    assert.equal(order(7), "abcabca");
  });

  it("shares by connections: an endpoint with two gets twice as much", () => {
    const { balancer } = make([candidate("a", { connections: 2 }), candidate("b")]);
    assert.deepEqual(count(balancer, 300), { a: 200, b: 100 });
  });

  it("spreads unequal shares evenly, in exact proportion", () => {
    const { order, balancer } = make([candidate("a", { weight: 5 }), candidate("b"), candidate("c")]);
    assert.equal(order(14), "abaacaaabaacaa");
    assert.deepEqual(count(balancer, 700), { a: 500, b: 100, c: 100 });
  });

  it("takes over a weight that changes", () => {
    const a = candidate("a");
    const { balancer } = make([a, candidate("b")]);
    count(balancer, 10);
    a.weight = 4;
    balancer.change(a);
    const { a: ofA = 0 } = count(balancer, 500);
    assert.ok(Math.abs(ofA - 400) <= 1, `${ofA}`);
  });

  it("keeps the shares of others equal while the set changes with every pick", () => {
    const random = seededRandom(1);
    const { balancer } = make([candidate("a"), candidate("b"), candidate("c")]);
    const shares: Record<string, number> = {};
    for (let i = 0; i < 3_000; i++) {
      const comer = candidate("x");
      const comes = random() < 0.5;
      if (comes) balancer.add(comer);
      const { endpoint = "none" } = balancer.pick([], NO_HASH_KEY) ?? {};
      if (comes) balancer.remove(comer);
      shares[endpoint] = (shares[endpoint] ?? 0) + 1;
    }
    const { a = 0, b = 0, c = 0 } = shares;
    assert.ok(Math.max(a, b, c) - Math.min(a, b, c) <= 1, JSON.stringify(shares));
  });

  it("does not make up for an ejection in a burst", () => {
    const a = candidate("a", { isHealthy: false });
    const { balancer } = make([a, candidate("b"), candidate("c")]);
    assert.deepEqual(count(balancer, 100), { b: 50, c: 50 });
    a.isHealthy = true;
    const { a: ofA = 0 } = count(balancer, 90);
    assert.ok(Math.abs(ofA - 30) <= 1, `${ofA}`);
  });

  it("passes over what was tried without taking its turn, and gives it where there is nothing else", () => {
    const { balancer, order } = make([candidate("a"), candidate("b")]);
    assert.deepEqual(count(balancer, 3, ["a"]), { b: 3 });
    assert.equal(order(2)[0], "a");
    assert.ok(balancer.pick(["a", "b"], NO_HASH_KEY));
  });

  it("finds the one in good health among many, and shares evenly where none is", () => {
    const many = Array.from({ length: 100 }, (_, i) => candidate(`h${i}`, { isHealthy: i === 77 }));
    const { balancer } = make(many);
    assert.deepEqual(count(balancer, 50), { h77: 50 });
    for (const one of many) one.isHealthy = false;
    const shares = Object.values(count(balancer, 10_000));
    assert.ok(shares.length === 100 && shares.every((share) => Math.abs(share - 100) <= 50), JSON.stringify(shares));
  });
});
