import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mix } from "../../../../src/core/hash.ts";
import { NO_HASH_KEY, type Balancer } from "../../../../src/upstream/balancer/balancer.ts";
import { createConsistentHash } from "../../../../src/upstream/balancer/hash/consistent-hash.ts";
import type { HashTableBuild } from "../../../../src/upstream/balancer/hash/hash-table.ts";
import { maglevBuild } from "../../../../src/upstream/balancer/hash/maglev.ts";
import { ringBuild } from "../../../../src/upstream/balancer/hash/ring.ts";
import { candidate, fill, type FakeCandidate } from "../../../support/candidates.ts";
import { HandClock } from "../../../support/hand-clock.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const KEYS = Array.from({ length: 20_000 }, (_, i) => mix(i));

function fleet(count: number, from = 0): FakeCandidate[] {
  return Array.from({ length: count }, (_, i) => candidate(`10.0.${(from + i) >> 8}.${(from + i) & 255}:50051`));
}

function make(
  build: HashTableBuild<FakeCandidate>,
  candidates: readonly FakeCandidate[],
  boundedLoad: number | null = null,
) {
  const clock = new HandClock();
  const balancer = createConsistentHash({
    build,
    boundedLoad,
    totalInFlight: () => candidates.reduce((sum, { inFlight }) => sum + inFlight, 0),
    random: seededRandom(5),
    clock,
  });
  fill(balancer, candidates);
  clock.advance(0);
  return { balancer, clock };
}

const ownersOf = (balancer: Balancer<FakeCandidate>, tried: readonly string[] = []) =>
  KEYS.map((key) => balancer.pick(tried, key)?.endpoint ?? "none");

/** Which share of the keys went elsewhere. */
const moved = (before: readonly string[], after: readonly string[]) =>
  before.filter((owner, at) => owner !== after[at]).length / before.length;

function tally(owners: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}

for (const [name, build, { disorder, spread }] of [
  // What a change moves beyond the keys of who came or went; how far shares may lie from the average.
  ["ring_hash", ringBuild<FakeCandidate>(160), { disorder: 0, spread: 0.35 }],
  ["maglev", maglevBuild<FakeCandidate>(65_537), { disorder: 0.02, spread: 0.15 }],
] as const) {
  describe(`createConsistentHash() with ${name}`, () => {
    it("gives the same key to the same instance, whatever the order of the list, in every process", () => {
      const candidates = fleet(30);
      const { balancer } = make(build, candidates);
      const owners = ownersOf(balancer);
      assert.deepEqual(ownersOf(make(build, candidates.toReversed()).balancer), owners);
      assert.equal(tally(owners).size, 30);
    });

    it("shares keys evenly, and by capacity", () => {
      for (const count of tally(ownersOf(make(build, fleet(10)).balancer)).values()) {
        assert.ok(Math.abs(count / 2_000 - 1) < spread, `${count} of 2000`);
      }
      const [heavy, ...others] = fleet(4);
      assert.ok(heavy);
      heavy.capacity = 3;
      const counts = tally(ownersOf(make(build, [heavy, ...others]).balancer));
      assert.ok(Math.abs((counts.get(heavy.endpoint) ?? 0) / 10_000 - 1) < spread / 2, JSON.stringify([...counts]));
    });

    for (const size of [3, 30, 300]) {
      it(`moves next to nothing but the keys of the one that leaves or comes, of ${size}`, () => {
        const candidates = fleet(size);
        const { balancer, clock } = make(build, candidates);
        const before = ownersOf(balancer);
        const gone = candidates[1];
        assert.ok(gone);
        const ofGone = before.filter((owner) => owner === gone.endpoint).length / before.length;
        const rest = candidates.filter((one) => one !== gone);
        gone.connections = 0;
        balancer.remove(gone);
        balancer.list?.(rest);
        clock.advance(0);
        const without = ownersOf(balancer);
        const share = moved(before, without);
        assert.ok(share >= ofGone && share <= ofGone + disorder, `${share}, of which ${ofGone} had to`);
        gone.connections = 1;
        balancer.add(gone);
        balancer.list?.(candidates);
        clock.advance(0);
        assert.deepEqual(ownersOf(balancer), before);
      });
    }

    it("moves the keys of one that is down, ejected or was tried, to several others, and gives them back", () => {
      const candidates = fleet(10);
      const { balancer } = make(build, candidates);
      const before = ownersOf(balancer);
      const [one] = candidates;
      assert.ok(one);
      const ofOne = before.filter((owner) => owner === one.endpoint).length / before.length;
      const expect = (after: string[]) => {
        assert.equal(moved(before, after), ofOne);
        assert.ok(tally(after.filter((_, at) => before[at] === one.endpoint)).size >= 5);
      };
      expect(ownersOf(balancer, [one.endpoint]));
      one.isHealthy = false;
      expect(ownersOf(balancer));
      one.isHealthy = true;
      one.connections = 0;
      balancer.remove(one);
      expect(ownersOf(balancer));
      one.connections = 1;
      balancer.add(one);
      assert.deepEqual(ownersOf(balancer), before);
    });

    it("is as steady with hardly any instance ready, from the first pick on", () => {
      const candidates = fleet(1_000);
      for (const one of candidates.slice(2)) one.connections = 0;
      const clock = new HandClock();
      const options = { build, boundedLoad: null, totalInFlight: () => 0, random: seededRandom(5), clock };
      const balancer = createConsistentHash<FakeCandidate>(options);
      balancer.list?.(candidates);
      for (const one of candidates.slice(0, 2)) balancer.add(one);
      const owners = ownersOf(balancer);
      clock.advance(1_000);
      assert.deepEqual(ownersOf(balancer), owners);
      const ready = candidates.slice(0, 2).map(({ endpoint }) => endpoint);
      assert.deepEqual([...tally(owners).keys()].sort(), ready);
    });

    it("sends what has no key to any", () => {
      const { balancer } = make(build, fleet(3));
      const owners = Array.from({ length: 300 }, () => balancer.pick([], NO_HASH_KEY)?.endpoint ?? "none");
      assert.equal(tally(owners).size, 3);
    });

    it("sends one hot key on where its instance has more than its bound", () => {
      const candidates = fleet(4);
      const { balancer } = make(build, candidates, 1.5);
      for (let i = 0; i < 100; i++) {
        const chosen = balancer.pick([], 7);
        assert.ok(chosen);
        chosen.inFlight++;
      }
      const loads = candidates.map(({ inFlight }) => inFlight).sort((a, b) => b - a);
      assert.ok((loads[0] ?? 0) <= Math.ceil((1.5 * 100) / 4), JSON.stringify(loads));
      assert.ok(
        (loads[0] ?? 0) >= 35 && (loads[1] ?? 0) >= 35,
        `it fills one after the other: ${JSON.stringify(loads)}`,
      );
    });

    it("gives nothing where nothing is ready, and takes back its timer", () => {
      const { balancer, clock } = make(build, []);
      assert.equal(balancer.pick([], 1), null);
      assert.equal(balancer.pick([], NO_HASH_KEY), null);
      balancer.list?.(fleet(3));
      balancer.close?.();
      assert.equal(clock.pending, 0);
    });
  });
}
