import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { POLICIES, simulate, type Scenario } from "../../../support/balancing-simulation.ts";
import { freshSeed } from "../../../support/seeded-random.ts";

interface Expectation {
  /** What the odd instance gets of its fair share: [least, most]. */
  readonly odd: readonly [number, number];
  /** What each of the others gets, of their average. */
  readonly others: readonly [number, number];
  /** Of all calls; with three instances a third of them is the odd one's fair share. */
  readonly failed: number;
  /** Milliseconds; that of an idle server is 461, and 1,000 is where calls run into their limit. */
  readonly p99: number;
}

// What each of a thousand instances gets within a second are twenty calls: by chance alone four, or forty.
const EVEN = [0.2, 2.2] as const;
const EXACT = [0.94, 1.07] as const;
const HASHED = [0.1, 2.5] as const;
const GOOD_P99 = 620;
const LIMIT = 1_000;

type Row = readonly [keyof typeof POLICIES, Scenario, Expectation];

const rows: readonly Row[] = [
  ...(["least_request", "p2c_ewma"] as const).flatMap((policy): Row[] => [
    [policy, "equal", { odd: EVEN, others: EVEN, failed: 0.001, p99: GOOD_P99 }],
    [policy, "slow", { odd: [0, policy === "p2c_ewma" ? 0.2 : 0.3], others: EVEN, failed: 0.04, p99: LIMIT }],
    // It must not become the favourite for being quick.
    [policy, "failing", { odd: [0, 0.15], others: EVEN, failed: 0.02, p99: GOOD_P99 }],
    [policy, "hung", { odd: [0, 0.15], others: EVEN, failed: 0.03, p99: LIMIT }],
  ]),
  ["least_request, slow start", "joining", { odd: [0.01, 1], others: EVEN, failed: 0.01, p99: GOOD_P99 }],
  ["round_robin", "equal", { odd: EXACT, others: EXACT, failed: 0.001, p99: GOOD_P99 }],
  // It looks at nothing: what ejection is for.
  ["round_robin", "failing", { odd: EXACT, others: EXACT, failed: 0.34, p99: GOOD_P99 }],
  ["ring_hash", "equal", { odd: HASHED, others: HASHED, failed: 0.002, p99: GOOD_P99 }],
  ["ring_hash, bounded 1.25", "slow", { odd: [0, 0.4], others: HASHED, failed: 0.05, p99: LIMIT }],
  ["ring_hash, bounded 1.25", "hung", { odd: [0, 0.2], others: HASHED, failed: 0.05, p99: LIMIT }],
  ["maglev", "equal", { odd: HASHED, others: HASHED, failed: 0.002, p99: GOOD_P99 }],
  ["random", "equal", { odd: EVEN, others: EVEN, failed: 0.002, p99: GOOD_P99 }],
];

const seed = freshSeed();

for (const endpoints of [3, 30, 1_000]) {
  describe(`a simulated fleet of ${endpoints}`, () => {
    for (const [name, scenario, { odd, others, failed, p99 }] of rows) {
      it(`${scenario === "equal" ? "of equals" : `with one ${scenario}`}, by ${name}`, () => {
        const result = simulate({ policy: POLICIES[name], scenario, endpoints, seed });
        const shown = `seed ${seed}: ${JSON.stringify(result)}`;
        assert.ok(result.oddShare >= odd[0] && result.oddShare <= odd[1], `share of the odd one, ${shown}`);
        assert.ok(result.leastShare >= others[0] && result.mostShare <= others[1], `shares of others, ${shown}`);
        assert.ok(result.failureRatio <= failed, `failures, ${shown}`);
        assert.ok(result.p99 <= p99, `p99, ${shown}`);
      });
    }

    it("with one joining, which slow start gives less at first by round_robin", () => {
      const run = (name: "round_robin" | "round_robin, slow start") =>
        simulate({ policy: POLICIES[name], scenario: "joining", endpoints, seed });
      const [cold, slow] = [run("round_robin"), run("round_robin, slow start")];
      assert.ok(slow.failureRatio <= cold.failureRatio, JSON.stringify({ seed, cold, slow }));
      if (endpoints === 1_000) assert.ok(slow.oddShare < 0.3 && cold.oddShare > 0.9, JSON.stringify({ cold, slow }));
    });

    it("loses less than half to a slow one of what random does, by least_request", () => {
      const run = (name: keyof typeof POLICIES) =>
        simulate({ policy: POLICIES[name], scenario: "slow", endpoints, seed }).failureRatio;
      // Of a thousand it is too few calls to tell.
      assert.ok(endpoints === 1_000 || run("least_request") < run("random") / 2);
    });
  });
}
