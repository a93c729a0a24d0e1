import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OutlierOptions } from "../../../../src/upstream/health/options.ts";
import { findOutliers } from "../../../../src/upstream/health/statistics.ts";
import { defaultHealth } from "../../../support/default-health.ts";

const none = { stdevFactor: 0, minimumHosts: 1, requestVolume: 1 };
const noPercentage = { threshold: 100, minimumHosts: 1, requestVolume: 1 };

/** The places of those found, of `[total, faults]` each. */
function find(tallies: readonly (readonly [number, number])[], options: Partial<OutlierOptions> = {}): number[] {
  const all = tallies.map(([total, faults]) => ({ total, faults }));
  return [...findOutliers(all, { ...defaultHealth.outlier, ...options })].map((found) => all.indexOf(found));
}

describe("findOutliers()", () => {
  const good = [1000, 10] as const;

  it("finds the one whose success rate lies far below the mean", () => {
    assert.deepEqual(find([good, good, good, good, [1000, 300]]), [4]);
    // 0.99 on average, 0.995 and 0.985: within 1.9 standard deviations.
    assert.deepEqual(find([good, [1000, 5], [1000, 15], good, good]), []);
  });

  it("judges nobody where all fail alike, or all do well", () => {
    for (const faults of [0, 500, 840]) {
      assert.deepEqual(find(Array.from({ length: 6 }, () => [1000, faults] as const)), []);
    }
  });

  it("judges nobody for a few attempts, nor among a few instances", () => {
    assert.deepEqual(find([good, good, good, good, [99, 99]], { failurePercentage: noPercentage }), []);
    assert.deepEqual(find([good, good, good, [1000, 1000]]), []);
    assert.deepEqual(find([]), []);
    assert.deepEqual(find([[0, 0]], { successRate: { ...none, requestVolume: 1 } }), []);
  });

  it("finds those with more failures than the percentage, where the deviations say nothing", () => {
    const half = [good, good, good, [1000, 851], [1000, 851], [1000, 850]] as const;
    assert.deepEqual(find(half, { successRate: none }), [3, 4]);
    assert.deepEqual(find(half, { successRate: none, failurePercentage: noPercentage }), []);
  });

  it("knows the smallest limits", () => {
    const options = { successRate: none, failurePercentage: { threshold: 0, minimumHosts: 1, requestVolume: 1 } };
    assert.deepEqual(
      find(
        [
          [1, 1],
          [0, 0],
          [5, 0],
        ],
        options,
      ),
      [0],
    );
  });
});
