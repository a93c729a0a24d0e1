import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptEnd } from "../../../src/call/call.ts";
import { backoffMs, mayRepeat, pushbackMs } from "../../../src/call/retry.ts";
import { Code } from "../../../src/core/code.ts";
import { gatewayError } from "../../../src/core/errors.ts";

const lost = gatewayError("UPSTREAM_CONNECTION_LOST", { upstream: "u" });
const protocol = gatewayError("UPSTREAM_PROTOCOL", { upstream: "u", reason: "r" });
const cancelled = gatewayError("UPSTREAM_CANCELLED", { upstream: "u" });
const end = (outcome: AttemptEnd["outcome"], code: Code, error: AttemptEnd["error"] = null): AttemptEnd => ({
  code,
  message: "",
  trailers: [],
  error,
  outcome,
});

const asking = (pushback: string): AttemptEnd => ({
  ...end("answered", Code.Unavailable),
  trailers: ["grpc-retry-pushback-ms", pushback],
});
const codes = [Code.Unavailable, Code.Aborted];

describe("mayRepeat()", () => {
  for (const [what, attempt, always, idempotent] of [
    ["surely not processed", end("not_processed", Code.Unavailable, lost), true, true],
    ["a broken connection", end("unknown", Code.Unavailable, lost), false, true],
    ["a call that the instance broke off", end("unknown", Code.Unavailable, cancelled), false, true],
    ["UNAVAILABLE from an instance", end("answered", Code.Unavailable), false, true],
    ["an answer", end("answered", Code.NotFound), false, false],
    ["OK", end("answered", Code.Ok), false, false],
    ["a status that the policy names", end("answered", Code.Aborted), false, true],
    ["UNAVAILABLE with a pushback", asking("100"), false, true],
    ["UNAVAILABLE of one that wants no more", asking("-1"), false, false],
    ["UNAVAILABLE with a pushback that is none", asking("soon"), false, false],
    ["a broken protocol", end("unknown", Code.Internal, protocol), false, false],
    ["the upstream's own deadline", end("answered", Code.DeadlineExceeded), false, false],
    ["ENHANCE_YOUR_CALM", end("unknown", Code.ResourceExhausted), false, false],
    ["ENHANCE_YOUR_CALM in place of a refusal", end("not_processed", Code.ResourceExhausted), false, false],
  ] as const) {
    it(`${what}: ${always ? "always" : idempotent ? "where idempotent" : "never"}`, () => {
      assert.equal(mayRepeat(attempt, false, codes), always);
      assert.equal(mayRepeat(attempt, true, codes), idempotent);
    });
  }
});

describe("pushbackMs()", () => {
  for (const [value, expected] of [
    ["0", 0],
    ["1500", 1500],
    ["-1", null],
    ["1.5", null],
    ["99999999999", null],
  ] as const) {
    it(`reads ${value} as ${expected}`, () =>
      assert.equal(pushbackMs(["a", "1", "grpc-retry-pushback-ms", value]), expected));
  }

  it("says nothing where there is none", () => assert.equal(pushbackMs(["a", "grpc-retry-pushback-ms"]), undefined));
});

describe("backoffMs()", () => {
  it("doubles up to its cap, half of it by lot", () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 50].map((attempts) => backoffMs(attempts, () => 0)),
      [12.5, 25, 50, 100, 125, 125],
    );
    assert.equal(
      backoffMs(1, () => 0.5),
      18.75,
    );
  });
});
