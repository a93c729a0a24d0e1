import type { OutlierOptions } from "./options.ts";

/** What was counted of one instance in an interval. */
export interface Tally {
  readonly total: number;
  readonly faults: number;
}

/**
 * Those whose failures stand out (gRFC A50, "Success Rate Algorithm" and "Failure Percentage Algorithm"): their success
 * rate lies so many standard deviations below the mean of all, or their failures are more than so many in a hundred.
 * Instances with too few attempts are neither judged nor counted.
 */
export function findOutliers<T extends Tally>(tallies: readonly T[], options: OutlierOptions): Set<T> {
  const { successRate, failurePercentage } = options;
  const found = new Set<T>();
  const rated = tallies.filter(({ total }) => total > 0 && total >= successRate.requestVolume);
  if (successRate.stdevFactor > 0 && rated.length > 0 && rated.length >= successRate.minimumHosts) {
    const rates = rated.map(({ total, faults }) => 1 - faults / total);
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
    const least = mean - (Math.sqrt(variance) * successRate.stdevFactor) / 1000;
    for (const [index, tally] of rated.entries()) if ((rates[index] ?? 1) < least) found.add(tally);
  }
  const counted = tallies.filter(({ total }) => total > 0 && total >= failurePercentage.requestVolume);
  if (counted.length >= failurePercentage.minimumHosts) {
    for (const tally of counted) {
      if (tally.faults * 100 > tally.total * failurePercentage.threshold) found.add(tally);
    }
  }
  return found;
}
