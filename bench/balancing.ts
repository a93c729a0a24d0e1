import { POLICIES, SCENARIOS, simulate } from "../test/support/balancing-simulation.ts";
import { freshSeed } from "../test/support/seeded-random.ts";

// `npm run simulate`: what each load balancing policy makes of fleets in which one instance is not like the others, on a
// virtual clock. Columns: what the odd instance gets of its fair share; what of theirs the least and the most loaded of
// the others get; latencies in ms, of which an idle server's are 69 and 461; calls that failed.

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [3, 30, 1_000];
if (!sizes.every((size) => Number.isInteger(size) && size >= 2 && size <= 100_000)) {
  console.error("usage: npm run simulate [-- instances …], each from 2 to 100000; without any: 3, 30 and 1000");
  process.exit(2);
}
const seed = freshSeed();
console.log(`seed ${seed}`);
for (const endpoints of sizes) {
  for (const scenario of SCENARIOS) {
    console.log(`\n${endpoints} instances, ${scenario === "equal" ? "all equal" : `one ${scenario}`}`);
    console.log("  policy                       odd   least   most     p50     p99   failed");
    for (const [name, policy] of Object.entries(POLICIES)) {
      const result = simulate({ policy, scenario, endpoints, seed });
      const share = (value: number) => `${(100 * value).toFixed(0)}%`.padStart(7);
      const ms = (value: number) => value.toFixed(0).padStart(8);
      console.log(
        `  ${name.padEnd(25)}${share(result.oddShare)}${share(result.leastShare)}${share(result.mostShare)}` +
          `${ms(result.p50)}${ms(result.p99)}${`${(100 * result.failureRatio).toFixed(2)}%`.padStart(9)}`,
      );
    }
  }
}
