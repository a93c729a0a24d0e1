import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type {
  AttemptEnd,
  AttemptListener,
  AttemptRequest,
  CallEvent,
  CallHandle,
  CallTarget,
  Pick,
} from "../../../src/call/call.ts";
import { createHedgePlan } from "../../../src/call/hedge.ts";
import { defaultRetryPolicy } from "../../../src/call/retry.ts";
import { RetryBudget } from "../../../src/call/retry-budget.ts";
import type { CallOptions } from "../../../src/call/call-options.ts";
import { startCall } from "../../../src/call/chain.ts";
import { Code } from "../../../src/core/code.ts";
import { gatewayError } from "../../../src/core/errors.ts";
import { Recorder } from "../../support/grpc-calls.ts";
import { HandClock } from "../../support/hand-clock.ts";

const ok: AttemptEnd = { code: Code.Ok, message: "", trailers: ["t", "1"], error: null, outcome: "answered" };
const unavailable: AttemptEnd = { ...ok, code: Code.Unavailable, message: "not now" };
const refused: AttemptEnd = {
  ...unavailable,
  message: "",
  error: gatewayError("UPSTREAM_CONNECTION_LOST", { upstream: "u" }),
  outcome: "not_processed",
};
const lost: AttemptEnd = { ...refused, outcome: "unknown" };

class FakeAttempt implements CallHandle {
  readonly endpoint: string;
  readonly request: AttemptRequest;
  readonly listener: AttemptListener;
  readonly log: string[] = [];
  writable = true;

  constructor(endpoint: string, request: AttemptRequest, listener: AttemptListener) {
    this.endpoint = endpoint;
    this.request = request;
    this.listener = listener;
  }

  send(message: Uint8Array): boolean {
    this.log.push(`send ${Buffer.from(message)}`);
    return this.writable;
  }
  halfClose(): void {
    this.log.push("halfClose");
  }
  pause(): void {
    this.log.push("pause");
  }
  resume(): void {
    this.log.push("resume");
  }
  cancel(because?: "timeout"): void {
    this.log.push(because === undefined ? "cancel" : `cancel: ${because}`);
  }
  message(text: string): void {
    const bytes = Buffer.from(text);
    this.listener.onMessage(bytes, 0, bytes.length);
  }
}

/** A target whose instances are a list of names, those not tried first. */
class FakeTarget implements CallTarget {
  readonly name = "u";
  ready: string[];
  readonly attempts: FakeAttempt[] = [];
  waiters: (() => void)[] = [];
  full = false;
  readonly clock = new HandClock();
  readonly events: CallEvent[] = [];
  budget = new RetryBudget({ percent: 20, minPerSecond: 10 }, this.clock);

  constructor(...ready: string[]) {
    this.ready = ready;
  }

  onCallEvent(event: CallEvent): void {
    this.events.push(event);
  }

  get last(): FakeAttempt {
    const attempt = this.attempts.at(-1);
    assert.ok(attempt, "no attempt was made");
    return attempt;
  }

  pick(tried: readonly string[]): Pick | null {
    const endpoint = this.ready.find((name) => !tried.includes(name)) ?? this.ready[0];
    if (endpoint === undefined) return null;
    return {
      endpoint,
      start: (request, listener) => {
        const attempt = new FakeAttempt(endpoint, request, listener);
        this.attempts.push(attempt);
        return attempt;
      },
    };
  }

  wait(ready: () => void): () => void {
    if (this.full) throw gatewayError("UPSTREAM_QUEUE_FULL", { upstream: "u", queue: 0 });
    this.waiters.push(ready);
    return () => void (this.waiters = this.waiters.filter((waiter) => waiter !== ready));
  }

  becomeReady(...names: string[]): void {
    this.ready = names;
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

function start(target: FakeTarget, options: Partial<CallOptions> = {}, owner: Recorder = new Recorder()) {
  const { clock } = target;
  const call = startCall(
    {
      target,
      clock,
      random: () => 0.5,
      path: "/s/M",
      metadata: ["a", "1"],
      message: Buffer.from("m"),
      totalTimeoutMs: 1_000,
      waitForReadyMs: 400,
      idempotent: true,
      ...options,
    },
    owner,
  );
  return { clock, owner, call };
}

function endpoints(target: FakeTarget): string[] {
  return target.attempts.map((attempt) => attempt.endpoint);
}

describe("startCall()", () => {
  it("gives headers, messages and the end of one attempt, and leaves no timer", () => {
    const target = new FakeTarget("a");
    const { clock, owner } = start(target);
    assert.deepEqual(target.last.request, {
      path: "/s/M",
      metadata: ["a", "1"],
      message: Buffer.from("m"),
      deadlineMs: 1_000,
    });
    target.last.listener.onHeaders(["h", "1"]);
    assert.equal(owner.headers, null, "headers are held back: until a message the attempt may be repeated");
    target.last.message("x");
    assert.deepEqual(owner.headers, ["h", "1"]);
    target.last.message("y");
    target.last.listener.onEnd(ok);
    assert.deepEqual(owner.messages, ["x", "y"]);
    assert.deepEqual(owner.end, ok);
    assert.equal(clock.pending, 0);
  });

  it("gives headers before an end without messages", () => {
    const target = new FakeTarget("a");
    const { owner } = start(target);
    target.last.listener.onHeaders(["h", "1"]);
    target.last.listener.onEnd({ ...ok, code: Code.NotFound });
    assert.deepEqual(owner.headers, ["h", "1"]);
    assert.equal(owner.end?.code, Code.NotFound);
  });

  describe("an attempt whose instance gives no sign of life", () => {
    it("is made on another, and cancelled as too long in coming, where repeating does no harm", () => {
      const target = new FakeTarget("a", "b");
      const { clock, owner } = start(target);
      const [first] = target.attempts;
      first?.listener.onHeaders(["from", "a"]);
      first?.listener.onStalled?.();
      assert.deepEqual(first?.log, ["cancel: timeout"]);
      assert.deepEqual(endpoints(target), ["a", "b"]);
      assert.equal(target.last.request.deadlineMs, 1_000);
      target.last.message("x");
      target.last.listener.onEnd(ok);
      assert.deepEqual([owner.headers, owner.messages, owner.end?.code], [null, ["x"], Code.Ok]);
      assert.equal(clock.pending, 0);
    });

    it("goes on where it is when all others were tried, or after three attempts", () => {
      for (const names of [["a"], ["a", "b", "c", "d"]]) {
        const target = new FakeTarget(...names);
        const { owner } = start(target);
        for (let i = 0; i < 5; i++) target.last.listener.onStalled?.();
        assert.equal(target.attempts.length, Math.min(names.length, 3));
        target.last.listener.onEnd(ok);
        assert.equal(owner.end?.code, Code.Ok);
      }
    });

    it("goes on where it is when it may not be repeated, or has given or sent something", () => {
      const fixed = new FakeTarget("a", "b");
      start(fixed, { idempotent: false });
      const given = new FakeTarget("a", "b");
      start(given);
      given.last.message("x");
      const sent = new FakeTarget("a", "b");
      start(sent, { message: null }).call.send(Buffer.from("y"));
      for (const target of [fixed, given, sent]) {
        target.last.listener.onStalled?.();
        assert.equal(target.attempts.length, 1);
        assert.ok(!target.last.log.includes("cancel: timeout"));
      }
    });
  });

  describe("attempts", () => {
    it("goes to another instance where the first surely did not process it, idempotent or not", () => {
      const target = new FakeTarget("a", "b");
      const { owner } = start(target, { idempotent: false });
      target.last.listener.onEnd(refused);
      assert.deepEqual(endpoints(target), ["a", "b"]);
      target.last.listener.onEnd(ok);
      assert.equal(owner.end?.code, Code.Ok);
    });

    it("repeats an idempotent call after UNAVAILABLE and after a broken connection", () => {
      const target = new FakeTarget("a", "b", "c");
      const { owner } = start(target);
      target.last.listener.onHeaders(["from", "a"]);
      target.last.listener.onEnd(unavailable);
      target.last.listener.onEnd(lost);
      assert.deepEqual(endpoints(target), ["a", "b", "c"]);
      target.last.listener.onHeaders(["from", "c"]);
      target.last.message("x");
      assert.deepEqual(owner.headers, ["from", "c"]);
    });

    it("does not repeat any other call", () => {
      for (const end of [unavailable, lost]) {
        const target = new FakeTarget("a", "b");
        const { owner } = start(target, { idempotent: false });
        target.last.listener.onEnd(end);
        assert.deepEqual(owner.end, end);
        assert.deepEqual(endpoints(target), ["a"]);
      }
    });

    it("makes three at most and gives the end of the last", () => {
      const target = new FakeTarget("a", "b", "c", "d");
      const { owner, clock } = start(target);
      for (const text of ["1", "2", "3"]) target.last.listener.onEnd({ ...unavailable, message: text });
      assert.deepEqual(endpoints(target), ["a", "b", "c"]);
      assert.equal(owner.end?.message, "3");
      assert.equal(clock.pending, 0);
    });

    it("pauses before an instance that was tried", () => {
      const target = new FakeTarget("a");
      const { clock } = start(target);
      target.last.listener.onEnd(refused);
      clock.advance(18);
      assert.equal(target.attempts.length, 1);
      clock.advance(1);
      assert.equal(target.attempts.length, 2);
      target.last.listener.onEnd(refused);
      clock.advance(37);
      assert.equal(target.attempts.length, 2);
      clock.advance(1);
      assert.equal(target.attempts.length, 3);
    });

    it("does not wait for what would come after the deadline", () => {
      const target = new FakeTarget("a");
      const { clock, owner } = start(target);
      clock.advance(990);
      target.last.listener.onEnd(unavailable);
      assert.deepEqual(owner.end, unavailable);
      assert.equal(clock.pending, 0);
    });

    it("makes no other once a message was given", () => {
      const target = new FakeTarget("a", "b");
      const { owner } = start(target);
      target.last.message("x");
      target.last.listener.onEnd(lost);
      assert.deepEqual(owner.end, lost);
      assert.equal(target.attempts.length, 1);
    });

    it("makes another after a message where the owner can forget it", () => {
      const target = new FakeTarget("a", "b");
      const owner = new Recorder();
      const onRestart = (): void => {
        owner.headers = null;
        owner.bytes = 0;
        owner.messages.length = 0;
      };
      const { clock } = start(target, { idleTimeoutMs: 100 }, Object.assign(owner, { onRestart }));
      target.last.listener.onHeaders(["h", "1"]);
      target.last.message("half");
      target.last.listener.onEnd(lost);
      assert.deepEqual(endpoints(target), ["a", "b"]);
      clock.advance(100);
      target.last.listener.onHeaders(["h", "2"]);
      target.last.message("whole");
      target.last.listener.onEnd(ok);
      assert.deepEqual([owner.headers, owner.messages, owner.end], [["h", "2"], ["whole"], ok]);
      assert.equal(clock.pending, 0);
    });

    it("makes no other once a request message was taken, but does before", () => {
      const target = new FakeTarget("a", "b");
      const { owner, call } = start(target, { message: null });
      target.last.listener.onEnd(refused);
      assert.deepEqual(endpoints(target), ["a", "b"]);
      call.send(Buffer.from("1"));
      target.last.listener.onEnd(refused);
      assert.deepEqual(owner.end, refused);
    });
  });

  describe("what limits attempts", () => {
    it("makes no more than the policy says, but where none was processed", () => {
      const retry = { ...defaultRetryPolicy, attempts: 1 };
      const target = new FakeTarget("a", "b", "c", "d");
      const { owner } = start(target, { retry });
      target.last.listener.onStalled?.();
      target.last.listener.onEnd(unavailable);
      assert.deepEqual([target.attempts.length, owner.end], [1, unavailable]);
      const refusing = new FakeTarget("a", "b", "c", "d");
      start(refusing, { retry });
      for (let i = 0; i < 3; i++) refusing.last.listener.onEnd(refused);
      assert.deepEqual(endpoints(refusing), ["a", "b", "c"]);
    });

    it("makes none beyond the budget; the first that follows a refusal is free", () => {
      const target = new FakeTarget("a", "b", "c");
      target.budget = new RetryBudget({ percent: 0, minPerSecond: 0 }, target.clock);
      const { owner } = start(target);
      target.last.listener.onEnd(refused);
      assert.deepEqual(endpoints(target), ["a", "b"]);
      target.last.listener.onStalled?.();
      target.last.listener.onEnd(refused);
      assert.deepEqual(endpoints(target), ["a", "b"]);
      assert.deepEqual(owner.end, refused);
      assert.deepEqual(target.events, ["retry", "retry_budget_exhausted", "retry_budget_exhausted"]);
    });

    it("waits as long as the upstream asks, and makes none where it wants none", () => {
      const asking = (ms: string): AttemptEnd => ({ ...unavailable, trailers: ["grpc-retry-pushback-ms", ms] });
      const target = new FakeTarget("a", "b");
      const { clock, owner } = start(target);
      target.last.listener.onEnd(asking("300"));
      clock.advance(299);
      assert.equal(target.attempts.length, 1);
      clock.advance(1);
      assert.deepEqual(endpoints(target), ["a", "b"]);
      target.last.listener.onEnd(asking("-1"));
      assert.equal(owner.end?.code, Code.Unavailable);
      assert.equal(clock.pending, 0);
      const late = new FakeTarget("a", "b");
      const { owner: told } = start(late);
      late.last.listener.onEnd(asking("5000"));
      assert.equal(told.end?.code, Code.Unavailable, "the call would be over by then");
    });

    it("tells the upstream how many went before", () => {
      const target = new FakeTarget("a", "b", "c");
      start(target);
      target.last.listener.onEnd(unavailable);
      target.last.listener.onEnd(unavailable);
      assert.deepEqual(
        target.attempts.map(({ request }) => request.metadata.slice(2)),
        [[], ["grpc-previous-rpc-attempts", "1"], ["grpc-previous-rpc-attempts", "2"]],
      );
    });

    it("gives up an attempt without an answer in its time for another, the last one never", () => {
      const retry = { ...defaultRetryPolicy, perAttemptTimeoutMs: 100 };
      const target = new FakeTarget("a", "b", "c", "d");
      const { clock, owner } = start(target, { retry });
      clock.advance(300);
      assert.deepEqual(endpoints(target), ["a", "b", "c"]);
      assert.deepEqual(
        target.attempts.map(({ log }) => log.join()),
        ["cancel: timeout", "cancel: timeout", ""],
      );
      clock.advance(600);
      target.last.message("x");
      target.last.listener.onEnd(ok);
      assert.deepEqual([owner.end, clock.pending], [ok, 0]);

      const mutation = new FakeTarget("a", "b");
      start(mutation, { retry, idempotent: false });
      const begun = new FakeTarget("a", "b");
      start(begun, { retry });
      begun.last.message("x");
      for (const { clock: time, attempts } of [mutation, begun]) {
        time.advance(500);
        assert.equal(attempts.length, 1);
      }
    });
  });

  describe("hedging", () => {
    const plan = (max = 1) => createHedgePlan({ delayMs: 50, percentile: 0, max });

    it("makes another attempt after the delay; the first answer counts, and the other attempt is cancelled", () => {
      for (const winner of [0, 1]) {
        const target = new FakeTarget("a", "b");
        const { clock, owner } = start(target, { hedge: plan() });
        clock.advance(49);
        assert.equal(target.attempts.length, 1);
        clock.advance(1);
        assert.deepEqual(endpoints(target), ["a", "b"]);
        const [won, lostOne] = winner === 0 ? target.attempts : target.attempts.toReversed();
        lostOne?.listener.onHeaders(["from", "the other"]);
        won?.listener.onHeaders(["from", "the winner"]);
        won?.message("x");
        assert.deepEqual(lostOne?.log, ["cancel"]);
        won?.listener.onEnd(ok);
        assert.deepEqual([owner.headers, owner.messages, owner.end], [["from", "the winner"], ["x"], ok]);
        assert.deepEqual(target.events, winner === 0 ? ["hedge"] : ["hedge", "hedge_won"]);
        assert.equal(clock.pending, 0);
      }
    });

    it("takes a failure for an answer where another attempt could not better it", () => {
      const target = new FakeTarget("a", "b");
      const { clock, owner } = start(target, { hedge: plan() });
      clock.advance(50);
      target.last.listener.onEnd(unavailable);
      assert.equal(owner.ends, 0, "the first may do better");
      target.attempts[0]?.listener.onEnd({ ...ok, code: Code.NotFound });
      assert.equal(owner.end?.code, Code.NotFound);
      assert.equal(clock.pending, 0);
    });

    it("tries elsewhere where all have failed, those that hedged included in the count", () => {
      const target = new FakeTarget("a", "b", "c", "d");
      const { clock, owner } = start(target, { hedge: plan() });
      clock.advance(50);
      for (const attempt of target.attempts.slice()) attempt.listener.onEnd(unavailable);
      assert.deepEqual(endpoints(target), ["a", "b", "c"]);
      target.last.listener.onEnd(unavailable);
      assert.deepEqual(owner.end, unavailable);
      assert.equal(clock.pending, 0);
    });

    it("does not wait for the delay where the instance gives no sign of life", () => {
      const target = new FakeTarget("a", "b", "c");
      const { clock } = start(target, { hedge: plan() });
      target.last.listener.onStalled?.();
      assert.deepEqual(endpoints(target), ["a", "b"]);
      clock.advance(500);
      assert.deepEqual(endpoints(target), ["a", "b"]);
    });

    it("makes none without another instance, beyond its number or the budget, nor after the first message", () => {
      const alone = new FakeTarget("a");
      start(alone, { hedge: plan(2) });
      const poor = new FakeTarget("a", "b");
      poor.budget = new RetryBudget({ percent: 0, minPerSecond: 0 }, poor.clock);
      start(poor, { hedge: plan(2) });
      const begun = new FakeTarget("a", "b");
      start(begun, { hedge: plan(2) });
      begun.last.message("x");
      for (const { clock, attempts } of [alone, poor, begun]) {
        clock.advance(900);
        assert.equal(attempts.length, 1);
      }
      const many = new FakeTarget("a", "b", "c", "d");
      start(many, { hedge: plan(2) });
      many.clock.advance(900);
      assert.equal(many.attempts.length, 3);
    });

    it("cancels all of them with the call, and at its deadline as too long in coming", () => {
      for (const [ms, expected] of [
        [60, "cancel"],
        [1_000, "cancel: timeout"],
      ] as const) {
        const target = new FakeTarget("a", "b");
        const { clock, call } = start(target, { hedge: plan() });
        clock.advance(ms);
        call.cancel();
        assert.deepEqual(
          target.attempts.map(({ log }) => log),
          [[expected], [expected]],
        );
        assert.equal(clock.pending, 0);
      }
    });

    it("never doubles a call that is not idempotent, nor one whose client sends a stream", () => {
      for (const options of [{ idempotent: false }, { message: null }] as const) {
        const target = new FakeTarget("a", "b");
        const { clock } = start(target, { ...options, hedge: plan() });
        clock.advance(900);
        assert.equal(target.attempts.length, 1);
      }
    });
  });

  describe("waiting for a ready instance", () => {
    it("starts when one is ready", () => {
      const target = new FakeTarget();
      const { clock, owner } = start(target);
      clock.advance(300);
      target.becomeReady("a");
      assert.equal(target.last.request.deadlineMs, 1_000);
      target.last.listener.onEnd(ok);
      assert.equal(owner.end?.code, Code.Ok);
      assert.equal(clock.pending, 0);
    });

    it("waits again where the instance was gone when its turn came", () => {
      const target = new FakeTarget();
      start(target);
      target.becomeReady();
      assert.equal(target.waiters.length, 1);
      target.becomeReady("a");
      assert.equal(target.attempts.length, 1);
    });

    for (const [what, options, afterMs] of [
      ["its own limit", {}, 400],
      ["the deadline", { totalTimeoutMs: 200 }, 200],
      ["the time for the first message", { totalTimeoutMs: Infinity, firstMessageTimeoutMs: 100 }, 100],
    ] as const) {
      it(`ends as UPSTREAM_UNAVAILABLE by ${what}`, () => {
        const target = new FakeTarget();
        const { clock, owner } = start(target, options);
        clock.advance(afterMs - 1);
        assert.equal(owner.ends, 0);
        clock.advance(1);
        assert.equal(owner.end?.error?.code, "UPSTREAM_UNAVAILABLE");
        assert.equal(owner.end?.error?.retryAfterSeconds, 1);
        assert.deepEqual(target.waiters, []);
        assert.equal(clock.pending, 0);
      });
    }

    it("does not wait where it may not, and tells after startCall has returned", async () => {
      const { owner } = start(new FakeTarget(), { waitForReadyMs: 0 });
      assert.equal(owner.ends, 0);
      assert.equal((await owner.ended).error?.code, "UPSTREAM_UNAVAILABLE");
    });

    it("ends at once where the queue is full", async () => {
      const target = new FakeTarget();
      target.full = true;
      const { owner, clock } = start(target);
      assert.equal(owner.ends, 0);
      assert.equal((await owner.ended).error?.code, "UPSTREAM_QUEUE_FULL");
      assert.equal(clock.pending, 0);
    });

    it("gives the last attempt's end where no instance comes after it", () => {
      const target = new FakeTarget("a");
      const { clock, owner } = start(target);
      target.ready = [];
      target.last.listener.onEnd(lost);
      assert.equal(owner.ends, 0);
      clock.advance(400);
      assert.deepEqual(owner.end, lost);
    });

    it("tries an instance again without a pause after it was waited for", () => {
      const target = new FakeTarget("a");
      start(target);
      target.ready = [];
      target.last.listener.onEnd(refused);
      target.becomeReady("a");
      assert.equal(target.attempts.length, 2);
    });
  });

  describe("time limits", () => {
    it("cancels the attempt at the deadline", () => {
      const target = new FakeTarget("a");
      const { clock, owner } = start(target);
      clock.advance(999);
      assert.equal(owner.ends, 0);
      clock.advance(1);
      assert.equal(owner.end?.error?.message, "no answer within 1000 ms");
      assert.equal(owner.end?.code, Code.DeadlineExceeded);
      assert.deepEqual(target.last.log, ["cancel: timeout"]);
      target.last.listener.onEnd(ok);
      assert.equal(clock.pending, 0);
    });

    it("is what a call is said to have met that the instance broke off by then", () => {
      const target = new FakeTarget("a");
      const clock = new HandClock();
      const cancelled = gatewayError("UPSTREAM_CANCELLED", { upstream: "u" });
      // Set before the call's own timer for the same moment, and so ahead of it.
      clock.after(1_000, () => target.last.listener.onEnd({ ...lost, error: cancelled }));
      const { owner } = start(target, { clock });
      clock.advance(1_000);
      assert.equal(owner.end?.error?.code, "DEADLINE_EXCEEDED");
      assert.deepEqual([owner.ends, clock.pending], [1, 0]);
    });

    it("passes on a DEADLINE_EXCEEDED of the upstream's own", () => {
      const target = new FakeTarget("a", "b");
      const { owner } = start(target);
      const theirs = { ...ok, code: Code.DeadlineExceeded, message: "theirs" };
      target.last.listener.onEnd(theirs);
      assert.deepEqual(owner.end, theirs);
    });

    it("limits the first message of a stream, then the silence between messages", () => {
      const target = new FakeTarget("a");
      const { clock, owner } = start(target, {
        totalTimeoutMs: Infinity,
        firstMessageTimeoutMs: 100,
        idleTimeoutMs: 50,
      });
      assert.equal(target.last.request.deadlineMs, Infinity);
      clock.advance(99);
      target.last.message("x");
      for (let i = 0; i < 10; i++) {
        clock.advance(49);
        target.last.message("x");
      }
      assert.equal(owner.ends, 0);
      clock.advance(50);
      assert.equal(owner.end?.error?.code, "STREAM_IDLE");
      assert.equal(owner.end?.error?.message, "the stream was silent for 50 ms");
      assert.deepEqual(target.last.log, ["cancel: timeout"]);
      assert.equal(clock.pending, 0);
    });

    it("ends a stream whose first message does not come", () => {
      const target = new FakeTarget("a");
      const { clock, owner } = start(target, { totalTimeoutMs: 5_000, firstMessageTimeoutMs: 100 });
      target.last.listener.onHeaders(["h", "1"]);
      clock.advance(100);
      assert.equal(owner.end?.error?.message, "no answer within 100 ms");
      assert.equal(clock.pending, 0);
    });

    it("says of a stream that had begun that it did not end", () => {
      const target = new FakeTarget("a");
      const { clock, owner } = start(target, { totalTimeoutMs: 700, firstMessageTimeoutMs: 100 });
      clock.advance(99);
      target.last.message("x");
      clock.advance(601);
      assert.equal(owner.end?.error?.code, "DEADLINE_EXCEEDED");
      assert.equal(owner.end?.error?.message, "the answer did not end within 700 ms");
      assert.equal(clock.pending, 0);
    });

    it("does not count the time in which the owner has paused the stream", () => {
      const target = new FakeTarget("a");
      const { clock, owner, call } = start(target, { totalTimeoutMs: Infinity, idleTimeoutMs: 50 });
      target.last.message("x");
      call.pause();
      clock.advance(10_000);
      assert.equal(owner.ends, 0);
      call.resume();
      clock.advance(49);
      assert.equal(owner.ends, 0);
      clock.advance(1);
      assert.equal(owner.end?.error?.code, "STREAM_IDLE");
    });
  });

  describe("the owner's hold", () => {
    it("cancels an attempt, a wait and a backoff, and is told nothing more", () => {
      const running = new FakeTarget("a");
      const first = start(running);
      first.call.cancel();
      first.call.cancel();
      assert.deepEqual(running.last.log, ["cancel"]);
      running.last.listener.onEnd(ok);

      const waiting = new FakeTarget();
      const second = start(waiting);
      second.call.cancel();
      assert.deepEqual(waiting.waiters, []);

      const backing = new FakeTarget("a");
      const third = start(backing);
      backing.last.listener.onEnd(refused);
      third.call.cancel();
      third.clock.advance(10_000);
      assert.equal(backing.attempts.length, 1);

      for (const { owner, clock } of [first, second, third]) {
        assert.equal(owner.ends, 0);
        assert.equal(clock.pending, 0);
      }
    });

    it("may cancel from within a message", () => {
      const target = new FakeTarget("a");
      const { owner, call, clock } = start(target);
      owner.onEach = () => call.cancel();
      target.last.message("x");
      target.last.message("y");
      target.last.listener.onEnd(ok);
      assert.deepEqual(owner.messages, ["x"]);
      assert.equal(owner.ends, 0);
      assert.equal(clock.pending, 0);
    });

    it("keeps a pause for the attempt to come", () => {
      const target = new FakeTarget();
      const { call } = start(target);
      call.pause();
      target.becomeReady("a");
      assert.deepEqual(target.last.log, ["pause"]);
      call.resume();
      assert.deepEqual(target.last.log, ["pause", "resume"]);
    });

    it("keeps request messages for the attempt to come, and tells when more may be sent", async () => {
      const target = new FakeTarget();
      const { call, owner } = start(target, { message: null });
      assert.equal(call.send(Buffer.from("1")), false);
      assert.equal(call.send(Buffer.from("2")), false);
      call.halfClose();
      target.becomeReady("a");
      assert.deepEqual(target.last.log, ["send 1", "send 2", "halfClose"]);
      await Promise.resolve();
      assert.equal(owner.writable, 1);
    });
  });
});
