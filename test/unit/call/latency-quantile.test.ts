import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LatencyQuantile } from "../../../src/call/latency-quantile.ts";
import { seededRandom } from "../../support/seeded-random.ts";

describe("LatencyQuantile", () => {
  it("knows nothing of fewer than a hundred", () => {
    const quantile = new LatencyQuantile(0.95);
    for (let i = 0; i < 99; i++) quantile.record(10);
    assert.equal(quantile.ms, Infinity);
    quantile.record(10);
    assert.ok(Math.abs(quantile.ms - 10) <= 0.5, `${quantile.ms}`);
  });

  for (const ratio of [0.5, 0.95, 0.99]) {
    it(`is exact to 5 % at ${ratio}`, () => {
      const random = seededRandom(7);
      const quantile = new LatencyQuantile(ratio);
      for (let i = 0; i < 2_000; i++) quantile.record(1 + random() * 1000);
      const expected = 1 + ratio * 1000;
      assert.ok(Math.abs(quantile.ms / expected - 1) < 0.08, `${quantile.ms} for ${expected}`);
    });
  }

  it("forgets what lies two thousand back", () => {
    const quantile = new LatencyQuantile(0.5);
    for (let i = 0; i < 2_000; i++) quantile.record(1_000);
    for (let i = 0; i < 2_000; i++) quantile.record(1);
    assert.ok(quantile.ms < 1.1, `${quantile.ms}`);
  });

  it("takes what is beyond its range", () => {
    const quantile = new LatencyQuantile(0.5);
    for (const ms of [0, 1e12]) for (let i = 0; i < 100; i++) quantile.record(ms);
    assert.ok(quantile.ms >= 0.1 && quantile.ms < Infinity);
  });
});
