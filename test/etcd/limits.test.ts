import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdApi, follow, useEtcd } from "../support/etcd.ts";

describe("a prefix with more than a service has", () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);
  const DELETED = '{"Op":1,"Addr":"10.0.0.9:1"}';

  for (const [what, limits, value] of [
    ["keys", { keys: 50, bytes: 1_000_000 }, DELETED],
    ["bytes", { keys: 1000, bytes: 10_000 }, DELETED.padEnd(1000)],
  ] as const) {
    it(`keeps the list that stands, says so once, and goes on when there are fewer ${what}`, async (t) => {
      const service = `flood-${what}`;
      await api.put(`${service}/one`, "10.0.0.1:1");
      const told = follow(t, etcd, { service, relistMs: 200, limits });
      await told.untilAddresses("10.0.0.1:1");
      await api.putTogether(Array.from({ length: 100 }, (_, i) => [`${service}/x${i}`, value]));
      await told.until(({ troubles }) => troubles.length === 1);
      assert.equal(
        told.troubles[0],
        `more than ${limits.keys} keys, or ${limits.bytes} bytes, are under "${service}/"; expected a key for each instance`,
      );
      const late = follow(t, etcd, { service, relistMs: 200, limits });
      await late.until(({ troubles }) => troubles.length === 1);
      assert.equal(late.addresses, undefined);

      await api.deletePrefix(`${service}/x`);
      await api.put(`${service}/two`, "10.0.0.2:1");
      for (const one of [told, late]) {
        await one.until(({ recoveries }) => recoveries === 1);
        await one.untilAddresses("10.0.0.1:1,10.0.0.2:1");
        assert.equal(one.troubles.length, 1);
      }
      assert.ok(told.lists.length <= 3, "no list was told in between");
    });
  }

  it("tells the first bad values one by one, then how many more there are", async (t) => {
    const bad = Array.from({ length: 30 }, (_, i) => [`bad/${i}`, "none"] as const);
    await api.putTogether([...bad, ["bad/one", "10.0.0.1:1"]]);
    const told = follow(t, etcd, { service: "bad" });
    await told.untilAddresses("10.0.0.1:1");
    const events = told.eventsOf("bad_value");
    assert.equal(events.length, 21);
    assert.deepEqual(events.at(-1), {
      type: "bad_value",
      source: "bad/",
      key: "",
      reason: "10 more values were left out",
    });
  });
});
