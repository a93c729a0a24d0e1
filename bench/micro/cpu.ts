const MIN_MS = 300;

/** Microseconds of CPU time per run, the best of five rounds, each of at least `minMs`. */
export function cpuUs(run: () => void, minMs = MIN_MS): number {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const start = process.cpuUsage();
    const until = performance.now() + minMs;
    let runs = 0;
    while (performance.now() < until) {
      for (let i = 0; i < 50; i++) run();
      runs += 50;
    }
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / runs);
  }
  return best;
}
