import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../../src/upstream/resolver.ts";
import { Subset } from "../../../src/upstream/subset.ts";
import { freshSeed } from "../../support/seeded-random.ts";

const endpoint = (index: number, weight = 1): Endpoint => ({
  address: `10.0.${index >> 8}.${index & 255}:50051`,
  connections: 1,
  weight,
  zone: "",
});
const fleet = (count: number) => Array.from({ length: count }, (_, index) => endpoint(index));
const addresses = (endpoints: readonly Endpoint[]) => new Set(endpoints.map(({ address }) => address));

describe("Subset", () => {
  it("is all of a list that is no larger", () => {
    const all = fleet(5);
    assert.deepEqual(new Subset("a").choose(all, 5), all);
  });

  it("is the same for one name, whatever the order of the list, and keeps the list's order", () => {
    const all = fleet(100);
    const chosen = new Subset("a").choose(all, 10);
    assert.equal(chosen.length, 10);
    assert.deepEqual(
      chosen,
      all.filter((each) => chosen.includes(each)),
    );
    assert.deepEqual(addresses(new Subset("a").choose(all.toReversed(), 10)), addresses(chosen));
    assert.notDeepEqual(addresses(new Subset("b").choose(all, 10)), addresses(chosen));
  });

  it("does not spend its places on those with weight 0, and leaves them in the list", () => {
    const all = [...fleet(50), ...Array.from({ length: 50 }, (_, index) => endpoint(1_000 + index, 0))];
    const chosen = new Subset("a").choose(all, 10);
    assert.equal(chosen.filter(({ weight }) => weight > 0).length, 10);
    assert.equal(chosen.filter(({ weight }) => weight === 0).length, 50);
  });

  it("spreads gateways evenly: no instance has more than a binomial draw gives it", () => {
    const counts = new Map(fleet(200).map(({ address }) => [address, 0]));
    for (let gateway = 0; gateway < 400; gateway++) {
      const chosen = new Subset(`gateway-7d9f-${gateway}`).choose(fleet(200), 20);
      for (const { address } of chosen) counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    // 40 each on average with a deviation of 6.
    const values = [...counts.values()];
    assert.ok(Math.min(...values) >= 16 && Math.max(...values) <= 64, `${Math.min(...values)} ${Math.max(...values)}`);
    const variance = values.reduce((sum, value) => sum + (value - 40) ** 2, 0) / values.length;
    assert.ok(variance > 25 && variance < 50, `${variance} where 36 is expected`);
  });

  it("moves one place at most with each instance that comes or goes", () => {
    const step = fc.record({ index: fc.nat(300), comes: fc.boolean() });
    const property = fc.property(
      fc.string(),
      fc.integer({ min: 1, max: 30 }),
      fc.array(step, { maxLength: 60 }),
      (client, size, steps) => {
        const subset = new Subset(client);
        let all = fleet(60);
        let before = addresses(subset.choose(all, size));
        for (const { index, comes } of steps) {
          const changed = endpoint(index);
          const isThere = all.some(({ address }) => address === changed.address);
          if (comes && !isThere) all = [...all, changed];
          if (!comes && all.length > size) all = all.filter(({ address }) => address !== changed.address);
          const after = addresses(subset.choose(all, size));
          const added = [...after].filter((address) => !before.has(address));
          assert.ok(added.length <= 1, `${added.length} moved`);
          assert.equal(after.size, size);
          before = after;
        }
      },
    );
    fc.assert(property, { seed: freshSeed(), numRuns: 100 });
  });
});
