import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TimerWheel } from "../../../src/core/timer-wheel.ts";
import { HandClock } from "../../support/hand-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";

describe("TimerWheel", () => {
  it("fires when the base would, and tells the base's time", () => {
    const base = new HandClock();
    const wheel = new TimerWheel(base);
    base.advance(3);
    for (const ms of [20, 39, 40, 45, 500, 9999, 10_220]) {
      const start = wheel.now();
      let firedAt = NaN;
      wheel.after(ms, () => (firedAt = wheel.now()));
      base.advance(ms - 0.001);
      assert.ok(Number.isNaN(firedAt), `${ms}: fired at ${firedAt - start}`);
      base.advance(0.002);
      assert.ok(Math.abs(firedAt - start - ms) < 0.002, `${ms}: fired at ${firedAt - start}`);
    }
  });

  it("leaves the base alone while it holds nothing", () => {
    const base = new HandClock();
    const wheel = new TimerWheel(base);
    const cancel = wheel.after(1000, () => assert.fail("it was taken back"));
    assert.equal(base.pending, 1);
    cancel();
    cancel();
    base.advance(10_000);
    assert.equal(base.pending, 0);
  });

  it("hands short and long times on to the base", () => {
    const base = new HandClock();
    const wheel = new TimerWheel(base);
    const fired: string[] = [];
    wheel.after(0, () => fired.push("0"));
    wheel.after(5, () => fired.push("5"));
    wheel.after(60_000, () => fired.push("60,000"));
    base.advance(5);
    assert.deepEqual(fired, ["0", "5"]);
    base.advance(59_995);
    assert.deepEqual(fired, ["0", "5", "60,000"]);
  });

  it("lets one that fires take back another of its slot, and set new ones", () => {
    const base = new HandClock();
    const wheel = new TimerWheel(base);
    const fired: string[] = [];
    const cancels: (() => void)[] = [];
    wheel.after(100, () => {
      fired.push("first");
      cancels[0]?.();
      wheel.after(100, () => fired.push("later"));
    });
    cancels.push(wheel.after(100, () => fired.push("taken back")));
    wheel.after(100, () => fired.push("last"));
    base.advance(100);
    assert.deepEqual(fired, ["first", "last"]);
    base.advance(100);
    assert.deepEqual(fired, ["first", "last", "later"]);
  });

  it("fires nothing early after the process stood still", () => {
    // A base whose time jumps by itself, as a blocked event loop's does, before its timers run.
    let now = 0;
    let due: (() => void)[] = [];
    const wheel = new TimerWheel({ now: () => now, after: (_, fn) => (due.push(fn), () => {}) });
    const run = (): void => {
      const fns = due;
      due = [];
      for (const fn of fns) fn();
    };
    let early = 0;
    wheel.after(50, () => early++);
    now = 2000;
    let late = 0;
    wheel.after(10_000, () => late++);
    // The wheel's turn, then what it handed over.
    run();
    run();
    assert.deepEqual([early, late], [1, 0]);
    now = 11_970;
    run();
    assert.equal(late, 0);
    now = 12_000;
    run();
    run();
    assert.equal(late, 1);
  });

  it("loses none and fires none twice in random use", (t) => {
    const seed = 20_261_122;
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const base = new HandClock();
    const wheel = new TimerWheel(base);
    const waiting = new Map<number, { at: number; cancel: () => void }>();
    for (let id = 0; id < 5000; id++) {
      const ms = Math.floor(random() * 12_000);
      const at = wheel.now() + ms;
      const cancel = wheel.after(ms, () => {
        assert.ok(waiting.delete(id), `${id} fired after it was taken back, or twice`);
        assert.ok(wheel.now() >= at, `${id} fired ${at - wheel.now()} ms early`);
      });
      waiting.set(id, { at, cancel });
      if (random() < 0.5) {
        const victim = [...waiting.keys()][Math.floor(random() * waiting.size)] ?? -1;
        waiting.get(victim)?.cancel();
        waiting.delete(victim);
      }
      base.advance(random() * 30);
      for (const [late, { at: due }] of waiting) assert.ok(wheel.now() <= due, `${late} is overdue`);
    }
    base.advance(13_000);
    assert.equal(waiting.size, 0);
    assert.equal(base.pending, 0);
  });
});
