import type { DrillResult } from "./drill.ts";

const COLUMNS: readonly (readonly [heading: string, width: number])[] = [
  ["drill", 14],
  ["requests", 9],
  ["failed reads", 16],
  ["failed writes", 16],
  ["twice", 6],
  ["p50 ms", 7],
  ["p99 ms", 7],
  ["max ms", 7],
  ["recovery ms", 12],
  ["allowed", 17],
];

export function heading(): string {
  return line(COLUMNS.map(([name]) => name));
}

/** One drill as a line; what did not hold follows, a line each. */
export function formatResult(result: DrillResult): string {
  const { name, requests, repeated, p50Ms, p99Ms, maxMs, recoveryMs, bound, problems } = result;
  const cells = [
    name,
    String(requests),
    counts(result.failedReads),
    counts(result.failedMutations),
    String(repeated),
    ...[p50Ms, p99Ms, maxMs, recoveryMs].map((ms) => ms.toFixed(0)),
    `${percent(bound.reads)} / ${percent(bound.mutations)}`,
  ];
  const verdict = problems.length === 0 ? "ok" : "FAILED";
  return [`${line(cells)}${verdict}`, ...problems.map((problem) => `    ${problem}`)].join("\n");
}

function percent(share: number | "in flight"): string {
  return typeof share === "number" ? `${share * 100} %` : share;
}

/** `3 (504: 2, 503: 1)` */
function counts(failed: Readonly<Record<string, number>>): string {
  const parts = Object.entries(failed);
  if (parts.length === 0) return "0";
  const total = parts.reduce((sum, [, count]) => sum + count, 0);
  return `${total} (${parts.map(([status, count]) => `${status}: ${count}`).join(", ")})`;
}

function line(cells: readonly string[]): string {
  return cells.map((cell, index) => cell.padEnd(COLUMNS[index]?.[1] ?? 0)).join("");
}
