import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createHedgePlan } from "../../src/call/hedge.ts";
import { RetryBudget } from "../../src/call/retry-budget.ts";
import { systemClock } from "../../src/core/clock.ts";
import { Code } from "../../src/core/code.ts";
import { connections } from "../support/connections.ts";
import { call, load, openUpstream, startProcess } from "../support/upstream-lab.ts";
import { cleanUp } from "../support/defer.ts";

afterEach(cleanUp);

for (const [name, connect] of connections)
  describe(`attempts of calls, ${name}`, () => {
    it("are hedged where an instance hangs: the others answer, and it is cancelled there", async () => {
      const servers = await Promise.all(["a", "b", "hangs"].map((each) => startProcess(each)));
      const lab = openUpstream(connect);
      lab.list(...servers.map(({ address }) => address));
      await lab.ready(3);
      const hedge = createHedgePlan({ delayMs: 50, percentile: 0, max: 1 });
      const traffic = load(lab.upstream, 10, { hedge, totalTimeoutMs: 8_000 });
      await traffic.more(100);
      const won = lab.next(({ type }) => type === "hedge_won");
      await servers[2]?.kill("SIGSTOP");
      await won;
      await traffic.more(200);
      assert.deepEqual((await traffic.stop()).failures, []);
    });

    it("stay within the budget where every instance fails", async () => {
      const servers = await Promise.all(["a", "b", "c"].map((each) => startProcess(each)));
      let retries = 0;
      let exhausted = 0;
      const budget = new RetryBudget({ percent: 20, minPerSecond: 1 }, systemClock);
      const startMs = performance.now();
      const lab = openUpstream(connect, {
        budget,
        onEvent({ type }) {
          if (type === "retry") retries++;
          if (type === "retry_budget_exhausted") exhausted++;
        },
      });
      lab.list(...servers.map(({ address }) => address));
      const ends = await Promise.all(
        Array.from({ length: 500 }, () => call(lab.upstream, "Fail", "14 not now").recorder.ended),
      );
      assert.ok(ends.every(({ code, message }) => code === Code.Unavailable && message === "not now"));
      const allowed = 10 + 100 + Math.ceil((performance.now() - startMs) / 1000);
      assert.ok(retries > 50 && retries <= allowed, `${retries} of ${allowed}`);
      assert.ok(exhausted >= 400, `${exhausted}`);
    });
  });
