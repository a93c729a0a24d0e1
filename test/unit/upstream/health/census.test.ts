import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Census } from "../../../../src/upstream/health/census.ts";

describe("Census", () => {
  function make(threshold: number) {
    const told: boolean[] = [];
    const census = new Census(threshold, (isPanicking) => told.push(isPanicking));
    const instances = Array.from({ length: 4 }, () => ({ isGood: true, isCountedGood: false, isLocal: false }));
    const set = (good: number) => {
      for (const [index, instance] of instances.entries()) {
        instance.isGood = index < good;
        census.count(instance);
        census.count(instance);
      }
      census.judge(4, 4);
    };
    return { census, told, set, instances };
  }

  it("panics with fewer in good health than the threshold says, and not at it", () => {
    const { census, told, set } = make(50);
    for (const good of [4, 2, 1, 0, 2]) set(good);
    assert.deepEqual([told, census.good], [[true, false], 2]);
  });

  it("has no reason to where there is nothing else to use, or is never to", () => {
    const { census, told, set } = make(50);
    set(4);
    census.judge(100, 4);
    assert.deepEqual(told, []);
    const never = make(0);
    never.set(0);
    assert.deepEqual(never.told, []);
  });

  it("forgets those that are gone", () => {
    const { census, set, instances } = make(50);
    set(2);
    for (const instance of instances) census.forget(instance);
    assert.equal(census.good, 0);
  });
});
