import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OutlierOptions } from "../../../../src/upstream/health/options.ts";
import { Outlier } from "../../../../src/upstream/health/outlier.ts";
import { defaultHealth } from "../../../support/default-health.ts";
import { HandClock } from "../../../support/hand-clock.ts";

function make(mayEject = () => true, options: Partial<OutlierOptions> = {}) {
  const clock = new HandClock();
  const told: string[] = [];
  const outlier = new Outlier(clock, {
    outlierOptions: { ...defaultHealth.outlier, ...options },
    mayEject,
    onEjected: (forMs) => told.push(`out ${forMs}`),
    onReadmitted: () => told.push("in"),
  });
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) outlier.failed();
  };
  return { clock, told, outlier, fail };
}

describe("Outlier", () => {
  it("ejects after three failures in a row, for a second", () => {
    const { clock, told, outlier, fail } = make();
    fail(2);
    outlier.succeeded();
    fail(2);
    assert.equal(outlier.isEjected, false);
    fail(1);
    assert.equal(outlier.isEjected, true);
    fail(5);
    clock.advance(999);
    assert.equal(outlier.isEjected, true);
    clock.advance(1);
    assert.equal(outlier.isEjected, false);
    assert.deepEqual(told, ["out 1000", "in"]);
  });

  it("doubles the time up to half a minute where the first answer fails again, and halves it with each interval in", () => {
    const { clock, told, outlier, fail } = make();
    fail(3);
    for (let i = 0; i < 6; i++) {
      clock.advance(30_000);
      fail(1);
    }
    assert.deepEqual(
      told.filter((line) => line !== "in"),
      [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].map((ms) => `out ${ms}`),
    );
    outlier.endInterval(); // while it is out
    clock.advance(30_000);
    outlier.succeeded();
    outlier.endInterval();
    outlier.endInterval();
    fail(2);
    assert.equal(told.at(-1), "in");
    fail(1);
    assert.equal(told.at(-1), "out 8000");
  });

  it("is not ejected by answers that something is wrong, unless they stand out, and then by the first when it is back", () => {
    const { clock, told, outlier, fail } = make();
    for (let i = 0; i < 10; i++) outlier.faulted();
    fail(2);
    outlier.faulted();
    fail(2);
    assert.deepEqual(told, []);
    assert.deepEqual([outlier.total, outlier.faults], [15, 15]);
    outlier.standsOut();
    clock.advance(1_000);
    outlier.faulted();
    assert.deepEqual(told, ["out 1000", "in", "out 2000"]);
    clock.advance(2_000);
    outlier.succeeded();
    outlier.faulted();
    assert.equal(told.at(-1), "in");
  });

  it("knows no failures in a row where they are not to count, but is on trial all the same", () => {
    const { clock, told, outlier, fail } = make(undefined, { consecutiveFailures: 0, baseEjectionMs: 500 });
    fail(100);
    assert.deepEqual(told, []);
    outlier.standsOut();
    clock.advance(500);
    fail(1);
    assert.deepEqual(told, ["out 500", "in", "out 1000"]);
  });

  it("stays in where it may not be ejected, and goes with the next failure once it may", () => {
    let may = false;
    const { outlier, fail } = make(() => may);
    fail(10);
    assert.equal(outlier.isEjected, false);
    may = true;
    fail(1);
    assert.equal(outlier.isEjected, true);
  });

  it("takes one attempt at a time when it is back, until it answers well", () => {
    const { clock, outlier, fail } = make();
    assert.equal(outlier.beginAttempt(), false);
    fail(3);
    assert.equal(outlier.isHealthy, false);
    clock.advance(1_000);
    assert.equal(outlier.isHealthy, true);
    assert.equal(outlier.beginAttempt(), true);
    assert.equal(outlier.isHealthy, false);
    outlier.endTrial(); // its owner went away: nothing is known
    assert.equal(outlier.isHealthy, true);
    outlier.beginAttempt();
    outlier.endTrial();
    fail(1);
    clock.advance(2_000);
    outlier.beginAttempt();
    outlier.endTrial();
    outlier.succeeded();
    assert.equal(outlier.beginAttempt(), false);
    assert.equal(outlier.isHealthy, true);
  });

  it("leaves no timer after close()", () => {
    const { clock, told, outlier, fail } = make();
    fail(3);
    outlier.close();
    clock.advance(60_000);
    assert.equal(clock.pending, 0);
    assert.deepEqual(told, ["out 1000"]);
  });
});
