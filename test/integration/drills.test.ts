import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runDrill } from "../../drills/drill.ts";
import { etcdDrills } from "../../drills/etcd-drills.ts";
import { instanceDrills } from "../../drills/instance-drills.ts";
import { formatResult } from "../../drills/report.ts";

// What `npm run drills` does at length: shorter, two at a time, with a smaller fleet.
const SHORT = { perSecond: 100, seconds: 0.75, beforeMs: 300, slack: 4, fleet: 300 };

describe("the gateway through every event of docs/operations.md", { timeout: 240_000, concurrency: 2 }, () => {
  for (const drill of [...instanceDrills, ...etcdDrills]) {
    it(`${drill.name}: ${drill.event}`, async () => {
      const result = await runDrill(drill, SHORT);
      assert.deepEqual(result.problems, [], formatResult(result));
    });
  }
});
