import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_HASH_KEY } from "../../../../src/upstream/balancer/balancer.ts";
import { createLeastRequest } from "../../../../src/upstream/balancer/least-request.ts";
import { candidate, count, fill, type FakeCandidate } from "../../../support/candidates.ts";
import { HandClock } from "../../../support/hand-clock.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

function make(...candidates: FakeCandidate[]) {
  const options = { random: seededRandom(7), clock: new HandClock(), ramp: null, decayMs: null };
  return fill(createLeastRequest<FakeCandidate>(options), candidates);
}

describe("createLeastRequest()", () => {
  it("gives nothing where there is nothing, and the only one where there is one", () => {
    assert.equal(make().pick([], NO_HASH_KEY), null);
    assert.deepEqual(count(make(candidate("a", { isHealthy: false })), 3, ["a"]), { a: 3 });
  });

  for (const [weights, picks] of [
    [{ a: 1, b: 1, c: 1 }, 9_000],
    [{ a: 3, b: 1 }, 8_000],
    [{ a: 10, b: 1, c: 1, d: 2 }, 14_000],
  ] as const) {
    it(`shares idle ones by weight: ${JSON.stringify(weights)}`, () => {
      const candidates = Object.entries(weights).map(([name, weight]) => candidate(name, { weight }));
      const shares = count(make(...candidates), picks);
      const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
      for (const [name, weight] of Object.entries(weights)) {
        const expected = (picks * weight) / total;
        assert.ok(Math.abs((shares[name] ?? 0) - expected) < 4 * Math.sqrt(expected), JSON.stringify(shares));
      }
    });
  }

  it("takes the one with less in flight, by weight and connections", () => {
    for (const [a, b, taken] of [
      [{ inFlight: 5 }, { inFlight: 4 }, "b"],
      [{ inFlight: 5, weight: 3 }, { inFlight: 2 }, "a"],
      [{ inFlight: 5, connections: 3 }, { inFlight: 2 }, "a"],
    ] as const) {
      assert.deepEqual(count(make(candidate("a", a), candidate("b", b)), 100), { [taken]: 100 });
    }
  });

  it("never draws the same instance twice", () => {
    // Were the pair ever one instance, the busy one would be picked.
    assert.deepEqual(
      count(make(candidate("a", { inFlight: 9, weight: 100 }), candidate("b", { weight: 100 })), 1_000),
      {
        b: 1_000,
      },
    );
  });

  it("passes over what was tried and what is in bad health", () => {
    const [a, b, c] = [candidate("a"), candidate("b", { isHealthy: false }), candidate("c", { inFlight: 50 })];
    const balancer = make(a, b, c);
    assert.deepEqual(count(balancer, 100, ["a"]), { c: 100 });
    assert.deepEqual(count(balancer, 100, ["a", "c"]), { b: 100 });
    assert.deepEqual(count(balancer, 100, ["a", "b", "c"]), { a: 100 });
    balancer.remove(a);
    assert.deepEqual(count(balancer, 100), { c: 100 });
  });

  it("shares evenly among the few in good health of many", () => {
    const many = Array.from({ length: 1_000 }, (_, i) => candidate(`h${i}`, { isHealthy: i < 3 }));
    const shares = count(make(...many), 3_000);
    assert.deepEqual(Object.keys(shares).sort(), ["h0", "h1", "h2"]);
    for (const share of Object.values(shares)) assert.ok(Math.abs(share - 1_000) < 130, JSON.stringify(shares));
  });
});
