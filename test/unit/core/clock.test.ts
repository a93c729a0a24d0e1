import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/core/clock.ts";

// The system clock does not keep a process alive, so the test does.
function keptAlive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  return promise.finally(() => clearInterval(timer));
}

describe("systemClock", () => {
  it("runs a function after the time, not before", async () => {
    const startMs = systemClock.now();
    await keptAlive(new Promise<void>((resolve) => systemClock.after(20, resolve)));
    // Timers count whole milliseconds of the event loop's own time, which may round the first one up.
    assert.ok(systemClock.now() - startMs >= 19);
  });

  it("does not run what was cancelled", async () => {
    const ran: string[] = [];
    await keptAlive(
      new Promise<void>((resolve) => {
        systemClock.after(1, () => ran.push("cancelled"))();
        systemClock.after(2, () => ran.push("kept"));
        systemClock.after(5, resolve);
      }),
    );
    assert.deepEqual(ran, ["kept"]);
  });

  it("takes a negative time for now", async () => {
    await keptAlive(new Promise<void>((resolve) => systemClock.after(-1000, resolve)));
  });

  for (const ms of [2 ** 31, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
    it(`does not take ${ms} ms for now, as setTimeout does`, async () => {
      let early = false;
      const cancel = systemClock.after(ms, () => (early = true));
      await keptAlive(new Promise<void>((resolve) => systemClock.after(5, resolve)));
      cancel();
      assert.equal(early, false);
    });
  }

  it("keeps no process alive", () => {
    const url = new URL("../../../src/core/clock.ts", import.meta.url).href;
    const program = `import { systemClock } from ${JSON.stringify(url)}; systemClock.after(60_000, () => {});`;
    const { status, signal } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      timeout: 20_000,
    });
    assert.deepEqual({ status, signal }, { status: 0, signal: null });
  });
});
