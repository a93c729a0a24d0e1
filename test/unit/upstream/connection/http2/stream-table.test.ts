import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Stream } from "../../../../../src/upstream/connection/http2/stream.ts";
import { StreamTable } from "../../../../../src/upstream/connection/http2/stream-table.ts";
import { seededRandom } from "../../../../support/seeded-random.ts";

const stream = (id: number): Stream => ({ name: id }) as unknown as Stream; // the table never looks inside

describe("StreamTable", () => {
  it("does as a Map does, with streams that live for one call and for thousands", (t) => {
    const seed = 20_261_122;
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const table = new StreamTable();
    const model = new Map<number, Stream>();
    for (let id = 1; id < 60_000; id += 2) {
      const one = stream(id);
      table.set(id, one);
      model.set(id, one);
      // From a handful to a thousand at a time, and now and then one that stays.
      const wanted = 5 + 1000 * Math.abs(Math.sin(id / 9000));
      while (model.size > wanted) {
        const ids = [...model.keys()].slice(random() < 0.02 ? 0 : 3);
        const victim = ids[Math.floor(random() * Math.min(ids.length, 8))] ?? id;
        table.delete(victim);
        table.delete(victim);
        model.delete(victim);
        assert.equal(table.get(victim), undefined);
      }
      assert.equal(table.size, model.size);
      for (const probe of [id, id - 2, id - 512, id + 2]) assert.equal(table.get(probe), model.get(probe));
    }
    for (const [id, one] of model) assert.equal(table.get(id), one);
    assert.deepEqual(new Set(table.values()), new Set(model.values()));
  });

  it("gives a list that stays whole while streams end", () => {
    const table = new StreamTable();
    for (let id = 1; id <= 9; id += 2) table.set(id, stream(id));
    let seen = 0;
    for (const _ of table.values()) {
      seen++;
      for (let id = 1; id <= 9; id += 2) table.delete(id);
    }
    assert.deepEqual([seen, table.size], [5, 0]);
  });
});
