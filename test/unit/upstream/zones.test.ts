import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Candidate } from "../../../src/upstream/balancer/balancer.ts";
import { createBalancer } from "../../../src/upstream/balancer/create.ts";
import { localRatio, ZonedBalancer } from "../../../src/upstream/zones.ts";
import { HandClock } from "../../support/hand-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";

describe("localRatio()", () => {
  for (const [localListed, localGood, good, minEndpoints, expected] of [
    [10, 10, 30, 1, 1],
    [10, 7, 30, 1, 1], // as many as are enough
    [10, 5, 30, 1, 5 / 7],
    [10, 1, 30, 1, 1 / 7],
    [10, 0, 30, 1, 0],
    [0, 0, 30, 1, 0],
    [1, 1, 30, 2, 1 / 30], // too few to prefer: as if there were no zones
    [2, 2, 30, 2, 1],
  ] as const) {
    it(`is ${expected.toFixed(2)} with ${localGood} good of ${localListed}, at least ${minEndpoints}`, () => {
      assert.equal(localRatio({ localListed, localGood, good }, { spillBelow: 70, minEndpoints }), expected);
    });
  }
});

describe("ZonedBalancer", () => {
  interface Fake extends Candidate {
    isHealthy: boolean;
    readonly isLocal: boolean;
  }
  const fake = (endpoint: string, isLocal: boolean): Fake => ({
    endpoint,
    isLocal,
    isHealthy: true,
    weight: 1,
    connections: 1,
    inFlight: 0,
    capacity: 1,
    sinceMs: 0,
  });

  function make(policy: "round_robin" | "least_request") {
    const random = seededRandom(3);
    const lab = { ratio: 1 };
    const create = () =>
      createBalancer<Fake>(
        { policy },
        { clock: new HandClock(), random, totalInFlight: () => 0, onModuleFailure() {} },
      );
    const balancer = new ZonedBalancer<Fake>({ create, ratio: () => lab.ratio, random });
    const all = [fake("l1", true), fake("l2", true), fake("o1", false), fake("o2", false)] as const;
    for (const each of all) balancer.add(each);
    const count = (picks: number, tried: string[] = [], hashKey = () => -1) => {
      const counts: Record<string, number> = { l1: 0, l2: 0, o1: 0, o2: 0 };
      for (let i = 0; i < picks; i++) {
        const { endpoint = "none" } = balancer.pick(tried, hashKey()) ?? {};
        counts[endpoint] = (counts[endpoint] ?? 0) + 1;
      }
      return counts;
    };
    return { lab, balancer, all, count, random };
  }

  it("stays in the zone, or gives away what the ratio says", () => {
    const { lab, count } = make("round_robin");
    assert.deepEqual(count(100), { l1: 50, l2: 50, o1: 0, o2: 0 });
    lab.ratio = 0;
    assert.deepEqual(count(100), { l1: 0, l2: 0, o1: 50, o2: 50 });
    lab.ratio = 0.75;
    const { l1 = 0, l2 = 0, o1 = 0 } = count(10_000);
    assert.ok(Math.abs(l1 + l2 - 7_500) < 200 && o1 > 1_100, `${l1 + l2} ${o1}`);
  });

  it("leaves the zone for an instance that is better there: not tried, or in good health", () => {
    const { count, all } = make("least_request");
    assert.deepEqual(count(10, ["l1"]), { l1: 0, l2: 10, o1: 0, o2: 0 });
    const { l1, l2 } = count(10, ["l1", "l2"]);
    assert.deepEqual([l1, l2], [0, 0]);
    for (const each of all) if (each.isLocal) each.isHealthy = false;
    assert.equal(count(10)["l1"], 0);
    for (const each of all) each.isHealthy = false;
    const none = count(10);
    assert.equal((none["l1"] ?? 0) + (none["l2"] ?? 0), 10);
  });

  it("is empty only where both sides are, and keeps a request with a key on its side", () => {
    const { balancer, all, lab, count, random } = make("round_robin");
    lab.ratio = 0.5;
    for (let key = 0; key < 2 ** 32; key += 2 ** 27) {
      const { l1 = 0, l2 = 0 } = count(10, [], () => key);
      assert.ok(l1 + l2 === 0 || l1 + l2 === 10);
    }
    const { l1 = 0, l2 = 0 } = count(1_000, [], () => Math.floor(random() * 2 ** 32));
    assert.ok(Math.abs(l1 + l2 - 500) < 80);
    lab.ratio = 1;
    for (const each of all) if (each.isLocal) balancer.remove(each);
    assert.equal(count(10)["o1"], 5);
    for (const each of all) if (!each.isLocal) balancer.remove(each);
    assert.equal(balancer.pick([], -1), null);
  });
});
