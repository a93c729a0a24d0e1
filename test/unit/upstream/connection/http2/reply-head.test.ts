import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decodeGrpcMessage,
  NO_STATUS,
  parseReplyHead,
  ReplyHeads,
} from "../../../../../src/upstream/connection/http2/reply-head.ts";

describe("parseReplyHead()", () => {
  it("takes out what gRPC reads, and keeps the rest as metadata", () => {
    const list = [
      ...[":status", "200", "content-type", "application/grpc+proto", "grpc-encoding", "gzip"],
      ...["grpc-accept-encoding", "gzip", "x-a", "1", "x-a", "2", "grpc-status-details-bin", "CAU"],
    ];
    assert.deepEqual(parseReplyHead(list), {
      httpStatus: 200,
      isGrpc: true,
      encoding: "gzip",
      grpcStatus: NO_STATUS,
      grpcMessage: "",
      metadata: ["x-a", "1", "x-a", "2", "grpc-status-details-bin", "CAU"],
    });
  });

  for (const [value, expected] of [
    ["0", 0],
    ["16", 16],
    ["007", 7],
    ["bad", NaN],
    ["-1", NaN],
    ["1.5", NaN],
    ["", NaN],
    ["99999999999999999999", NaN],
  ] as const) {
    it(`reads a grpc-status of "${value}" as ${expected}`, () => {
      assert.equal(parseReplyHead(["grpc-status", value]).grpcStatus, expected);
    });
  }
});

describe("decodeGrpcMessage()", () => {
  for (const [value, expected] of [
    ["plain", "plain"],
    ["100%25", "100%"],
    ["%E2%82%AC", "€"],
    ["%e2%82%ac", "€"],
    ["a%0Ab", "a\nb"],
    ["%", "%"],
    ["%4", "%4"],
    ["%4g%41", "%4gA"],
    ["%%41", "%A"],
    ["%ff", "\ufffd"], // no UTF-8: nothing is thrown away, and nothing throws
  ] as const) {
    it(`${JSON.stringify(value)} -> ${JSON.stringify(expected)}`, () =>
      assert.equal(decodeGrpcMessage(value), expected));
  }
});

describe("ReplyHeads", () => {
  it("knows a list again that the decoder keeps, and never another", () => {
    const heads = new ReplyHeads();
    const kept = Array.from({ length: 6 }, (_, i) => Object.freeze(["grpc-status", `${i}`]));
    for (let round = 0; round < 3; round++) {
      for (const [i, list] of kept.entries()) assert.equal(heads.of(list).grpcStatus, i);
    }
    const last = kept[5] ?? [];
    assert.equal(heads.of(last), heads.of(last));
    const passing = ["grpc-status", "1"];
    heads.of(passing);
    passing[1] = "2";
    assert.equal(heads.of(passing).grpcStatus, 2);
  });
});
