import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { preferred, type Balancer, type Candidate } from "../../../../src/upstream/balancer/balancer.ts";
import { createLeastRequest } from "../../../../src/upstream/balancer/least-request.ts";
import { createRoundRobin } from "../../../../src/upstream/balancer/round-robin.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

type FakeCandidate = { -readonly [K in keyof Candidate]: Candidate[K] };

function candidate(endpoint: string, rest: Partial<Candidate> = {}): FakeCandidate {
  return { endpoint, weight: 1, inFlight: 0, isHealthy: true, turn: 0, ...rest };
}

function count(balancer: Balancer, candidates: readonly FakeCandidate[], picks: number, tried: string[] = []) {
  const shares: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const { endpoint } = balancer.pick(candidates, tried);
    shares[endpoint] = (shares[endpoint] ?? 0) + 1;
  }
  return shares;
}

describe("preferred()", () => {
  const a = candidate("a");
  const b = candidate("b");
  const ejected = candidate("e", { isHealthy: false });

  for (const [candidates, tried, expected, why] of [
    [[a, b], [], [a, b], "all, without a copy"],
    [[a, b, ejected], [], [a, b], "healthy ones"],
    [[a, b], ["a"], [b], "those not tried"],
    [[a, ejected], ["a"], [ejected], "not tried comes before healthy"],
    [[a, ejected], ["a", "e"], [a], "healthy ones where all were tried"],
    [[ejected], [], [ejected], "ejected ones where there are no others"],
  ] as const) {
    it(`gives ${why}`, () => {
      const got = preferred<Candidate>(candidates, tried);
      assert.deepEqual(got, expected);
      if (expected.length === candidates.length) assert.equal(got, candidates);
    });
  }
});

describe("createRoundRobin()", () => {
  it("gives exactly equal shares, each in its turn", () => {
    const candidates = [candidate("a"), candidate("b"), candidate("c")];
    const balancer = createRoundRobin();
    const order = Array.from({ length: 7 }, () => balancer.pick(candidates, []).endpoint).join("");
    assert.equal(order, "abcabca");
    assert.deepEqual(count(createRoundRobin(), [candidate("a"), candidate("b")], 1_000), { a: 500, b: 500 });
  });

  it("shares by connections: an endpoint with two gets twice as much", () => {
    assert.deepEqual(count(createRoundRobin(), [candidate("a"), candidate("a"), candidate("b")], 300), {
      a: 200,
      b: 100,
    });
  });

  it("shares by weight", () => {
    const shares = count(createRoundRobin(), [candidate("a", { weight: 3 }), candidate("b")], 400);
    assert.ok(Math.abs((shares["a"] ?? 0) - 300) <= 1, JSON.stringify(shares));
  });

  it("keeps the shares of others equal while the list changes with every pick", () => {
    const random = seededRandom(1);
    const stable = [candidate("a"), candidate("b"), candidate("c")];
    const shares: Record<string, number> = { a: 0, b: 0, c: 0, x: 0 };
    const balancer = createRoundRobin();
    for (let i = 0; i < 3_000; i++) {
      const comer = candidate("x");
      const at = Math.floor(random() * 4);
      const list = random() < 0.5 ? stable : [...stable.slice(0, at), comer, ...stable.slice(at)];
      const { endpoint } = balancer.pick(list, []);
      shares[endpoint] = (shares[endpoint] ?? 0) + 1;
    }
    const { a = 0, b = 0, c = 0 } = shares;
    assert.ok(Math.max(a, b, c) - Math.min(a, b, c) <= 1, JSON.stringify(shares));
  });

  it("does not make up for an ejection in a burst", () => {
    const candidates = [candidate("a"), candidate("b")];
    const balancer = createRoundRobin();
    (candidates[0] as FakeCandidate).isHealthy = false; // it has two
    assert.deepEqual(count(balancer, candidates, 100), { b: 100 });
    (candidates[0] as FakeCandidate).isHealthy = true; // it has two
    const { a = 0 } = count(balancer, candidates, 100);
    assert.ok(Math.abs(a - 50) <= 1, `${a}`);
  });
});

describe("createLeastRequest()", () => {
  it("shares idle equals about evenly", () => {
    const shares = count(createLeastRequest(seededRandom(7)), [candidate("a"), candidate("b"), candidate("c")], 3_000);
    for (const name of ["a", "b", "c"]) {
      assert.ok(Math.abs((shares[name] ?? 0) - 1_000) < 120, JSON.stringify(shares));
    }
  });

  it("takes the one with less in flight, by weight", () => {
    const balancer = createLeastRequest(seededRandom(7));
    assert.deepEqual(count(balancer, [candidate("a", { inFlight: 5 }), candidate("b", { inFlight: 4 })], 100), {
      b: 100,
    });
    assert.deepEqual(
      count(balancer, [candidate("a", { inFlight: 5, weight: 3 }), candidate("b", { inFlight: 2 })], 100),
      {
        a: 100,
      },
    );
  });

  it("never draws the same connection twice", () => {
    // Were the pair ever one connection, the busy one would be picked.
    const shares = count(createLeastRequest(seededRandom(3)), [candidate("a", { inFlight: 9 }), candidate("b")], 1_000);
    assert.deepEqual(shares, { b: 1_000 });
  });

  it("passes over what was tried and what is ejected", () => {
    const balancer = createLeastRequest(seededRandom(9));
    const candidates = [candidate("a"), candidate("b", { isHealthy: false }), candidate("c", { inFlight: 50 })];
    assert.deepEqual(count(balancer, candidates, 100, ["a"]), { c: 100 });
  });

  it("takes away the share of an instance that hangs, in a simulation", () => {
    const random = seededRandom(11);
    const balancer = createLeastRequest(random);
    const candidates = ["a", "b", "hangs"].map((name) => candidate(name));
    const busyUntil: { candidate: FakeCandidate; at: number }[] = [];
    const shares: Record<string, number> = {};
    // 1,000 calls a second of 10 ms each; one step is a millisecond.
    for (let now = 0; now < 2_000; now++) {
      for (let i = busyUntil.length - 1; i >= 0; i--) {
        const entry = busyUntil[i];
        if (entry === undefined || entry.at > now) continue;
        entry.candidate.inFlight--;
        busyUntil.splice(i, 1);
      }
      const chosen = balancer.pick(candidates, []);
      chosen.inFlight++;
      if (now >= 1_000) shares[chosen.endpoint] = (shares[chosen.endpoint] ?? 0) + 1;
      if (chosen.endpoint !== "hangs") busyUntil.push({ candidate: chosen, at: now + 10 });
    }
    assert.ok((shares["hangs"] ?? 0) <= 10, JSON.stringify(shares));
  });
});
