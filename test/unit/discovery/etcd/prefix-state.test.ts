import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PrefixState } from "../../../../src/discovery/etcd/prefix-state.ts";
import type { KeyValue, WatchEvent } from "../../../../src/discovery/etcd/rpc.ts";

function kv(key: string, value: string, revision: number): KeyValue {
  return { key: Buffer.from(key, "latin1"), value: Buffer.from(value), mod_revision: String(revision), lease: "0" };
}

function put(key: string, value: string, revision: number): WatchEvent {
  return { type: "PUT", kv: kv(key, value, revision) };
}

function deletion(key: string, revision: number): WatchEvent {
  return { type: "DELETE", kv: kv(key, "", revision) };
}

function shown(state: PrefixState): string {
  return [...state.entries.values()].map(({ key, value }) => `${key}=${value}`).join(" ");
}

describe("PrefixState.applyList()", () => {
  it("says whether anything differs, and keeps the objects of entries that do not", () => {
    const state = new PrefixState();
    assert.equal(state.applyList({ kvs: [], revision: 5n }), true, "the first list is news, an empty one too");
    assert.equal(state.applyList({ kvs: [], revision: 6n }), false);
    assert.equal(state.applyList({ kvs: [kv("a", "1", 7)], revision: 7n }), true);
    const entry = state.entries.get("a");
    assert.equal(state.applyList({ kvs: [kv("a", "1", 7)], revision: 9n }), false);
    assert.equal(state.entries.get("a"), entry);
    assert.equal(state.revision, 9n);
    assert.equal(state.applyList({ kvs: [], revision: 10n }), true);
  });

  it("believes a list whose revision went back, and a value that changed at the same revision", () => {
    const state = new PrefixState();
    state.applyList({ kvs: [kv("a", "1", 40)], revision: 50n });
    assert.equal(state.applyList({ kvs: [kv("a", "2", 40)], revision: 41n }), true);
    assert.equal(shown(state), "a=2");
    assert.equal(state.revision, 41n);
  });
});

describe("PrefixState.applyEvents()", () => {
  it("applies what came after the list, and counts it", () => {
    const state = new PrefixState();
    state.applyList({ kvs: [kv("a", "1", 3), kv("b", "1", 4)], revision: 5n });
    assert.equal(state.applyEvents([deletion("a", 6), put("c", "1", 7), put("b", "2", 8)]), 3);
    assert.equal(shown(state), "b=2 c=1");
    assert.equal(state.revision, 8n);
  });

  it("ignores what the list has shown already", () => {
    const state = new PrefixState();
    state.applyList({ kvs: [], revision: 10n });
    assert.equal(state.applyEvents([put("a", "1", 9), deletion("a", 10)]), 0);
    assert.equal(state.applyEvents([put("a", "1", 9), put("b", "1", 11)]), 1);
    assert.equal(shown(state), "b=1");
  });

  it("applies all events of one revision", () => {
    const state = new PrefixState();
    state.applyList({ kvs: [], revision: 1n });
    assert.equal(state.applyEvents([put("a", "1", 2), put("b", "1", 2)]), 2);
  });

  it("keeps keys apart that are no UTF-8", () => {
    const state = new PrefixState();
    state.applyList({ kvs: [kv("k/\u00ff", "1", 1), kv("k/\u00fe", "2", 1)], revision: 1n });
    assert.equal(state.entries.size, 2);
    state.applyEvents([deletion("k/\u00ff", 2)]);
    assert.deepEqual(
      [...state.entries.values()].map(({ value }) => value),
      ["2"],
    );
  });
});

describe("PrefixState", () => {
  it("equals the store once all events are told, whatever lists come in between", () => {
    const change = fc.record({ key: fc.constantFrom("a", "b", "c"), isPut: fc.boolean() });
    // After each change of the store: whether the watch tells all it has so far, and whether a list is read.
    const step = fc.record({ change, isWatchHeard: fc.boolean(), isListed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const state = new PrefixState();
        const store = new Map<string, KeyValue>();
        let untold: WatchEvent[] = [];
        let revision = 1;
        const list = () => state.applyList({ kvs: [...store.values()], revision: BigInt(revision) });
        list();
        for (const { change, isWatchHeard, isListed } of steps) {
          revision += 1;
          const { key } = change;
          if (change.isPut) store.set(key, kv(key, `${revision}`, revision));
          else store.delete(key);
          untold.push(change.isPut ? put(key, `${revision}`, revision) : deletion(key, revision));
          if (isListed) list();
          if (!isWatchHeard) continue;
          state.applyEvents(untold);
          untold = [];
          assert.deepEqual(contents(state), new Map([...store].map(([name, { value }]) => [name, String(value)])));
        }
      }),
    );
  });
});

function contents(state: PrefixState): Map<string, string> {
  return new Map([...state.entries].map(([key, { value }]) => [key, value]));
}
