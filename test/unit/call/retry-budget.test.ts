import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RetryBudget } from "../../../src/call/retry-budget.ts";
import { HandClock } from "../../support/hand-clock.ts";
import { freshSeed } from "../../support/seeded-random.ts";

function takeAll(budget: RetryBudget): number {
  let taken = 0;
  while (budget.take()) taken++;
  return taken;
}

describe("RetryBudget", () => {
  it("has ten seconds of its minimum to start with", () => {
    assert.equal(takeAll(new RetryBudget({ percent: 20, minPerSecond: 10 }, new HandClock())), 100);
  });

  it("gives a share of the calls and a few a second, and no more, for as long as it is asked", () => {
    const clock = new HandClock();
    const budget = new RetryBudget({ percent: 20, minPerSecond: 10 }, clock);
    takeAll(budget);
    let taken = 0;
    for (let i = 0; i < 1_000; i++) {
      clock.advance(100);
      budget.calls += 50;
      taken += takeAll(budget);
    }
    // 100 s of 500 calls a second: 100 and 10 for each, but for what fades in the tenths of seconds between.
    assert.ok(taken > 10_900 && taken <= 11_000, `${taken}`);
  });

  it("does not save up: after an hour it allows what ten seconds have earned", () => {
    const clock = new HandClock();
    const budget = new RetryBudget({ percent: 20, minPerSecond: 10 }, clock);
    budget.calls += 360_000; // 100 a second: 20 and 10 for each
    clock.advance(3_600_000);
    assert.equal(takeAll(budget), 300);
  });

  it("allows none where both are 0, and follows an update", () => {
    const budget = new RetryBudget({ percent: 0, minPerSecond: 0 }, new HandClock());
    budget.calls += 1_000;
    assert.equal(takeAll(budget), 0);
    budget.update({ percent: 100, minPerSecond: 0 });
    budget.calls += 7;
    assert.equal(takeAll(budget), 7);
  });

  it("never gives more than was earned, whatever the order of calls, pauses and demands", () => {
    const step = fc.record({
      pauseMs: fc.integer({ min: 0, max: 30_000 }),
      calls: fc.integer({ min: 0, max: 5_000 }),
      demand: fc.integer({ min: 0, max: 3_000 }),
    });
    const property = fc.property(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 50 }),
      fc.array(step, { maxLength: 50 }),
      (percent, minPerSecond, steps) => {
        const clock = new HandClock();
        const budget = new RetryBudget({ percent, minPerSecond }, clock);
        let calls = 0;
        let taken = 0;
        for (const { pauseMs, calls: more, demand } of steps) {
          clock.advance(pauseMs);
          budget.calls += more;
          calls += more;
          for (let i = 0; i < demand && budget.take(); i++) taken++;
          const earned = 10 * minPerSecond + (minPerSecond * clock.now()) / 1000 + (calls * percent) / 100;
          assert.ok(taken <= earned + 1e-6, `${taken} of ${earned}`);
        }
      },
    );
    fc.assert(property, { seed: freshSeed(), numRuns: 200 });
  });
});
