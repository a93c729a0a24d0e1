import assert from "node:assert/strict";
import { validateHeaderName, validateHeaderValue } from "node:http";
import { describe, it } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import { compileHeaderPolicy, whyNeverCrosses } from "../../../../src/exchange/headers/headers.ts";
import type { HeaderRules } from "../../../../src/exchange/headers/headers.ts";

const none: HeaderRules = { allow: [], deny: [], rename: {} };
const open = compileHeaderPolicy(none, none);

/** Metadata of a request, by a policy with these rules. */
function toMetadata(headers: readonly string[], rules: Partial<HeaderRules> = {}, extra: readonly string[] = []) {
  return compileHeaderPolicy({ ...none, ...rules }, none).toMetadata(headers, extra);
}

function toReply(headers: readonly string[], rules: Partial<HeaderRules> = {}, trailers: readonly string[] = []) {
  return compileHeaderPolicy(none, { ...none, ...rules }).toReplyHeaders(headers, trailers);
}

const CONNECTION = "it belongs to one connection";
const BODY = "it describes a body that is translated";
const GRPC = "it belongs to the gRPC protocol";
const OWN = "it is the gateway's to set";
const NAME = "gRPC metadata names hold letters, digits, _, - and . only";

describe("whyNeverCrosses()", () => {
  const both: [name: string, reason: string][] = [
    ["connection", CONNECTION], // in metadata it makes grpc-js hang
    ["Keep-Alive", CONNECTION],
    ["Proxy-Connection", CONNECTION],
    ["Proxy-Authenticate", CONNECTION],
    ["Proxy-Authorization", CONNECTION],
    ["TE", CONNECTION],
    ["Trailer", CONNECTION],
    ["Transfer-Encoding", CONNECTION],
    ["Upgrade", CONNECTION],
    ["HTTP2-Settings", CONNECTION],
    ["Host", CONNECTION],
    ["Expect", CONNECTION],
    ["Accept-Encoding", CONNECTION],
    ["Alt-Svc", CONNECTION],
    ["Sec-WebSocket-Key", CONNECTION],
    ["transfer_encoding", CONNECTION], // the same name to a server behind WSGI
    ["Content-Type", BODY],
    ["Content-Length", BODY],
    ["CONTENT_LENGTH", BODY],
    ["grpc-timeout", GRPC],
    ["grpc-status", GRPC],
    ["Grpc-Status-Details-Bin", GRPC],
    ["Grpc-Metadata-Foo", GRPC], // grpc-gateway's convention is none of ours
    ["grpc_encoding", GRPC],
    ["X-Request-Id", OWN],
    ["x_request_id", OWN],
    [":path", NAME],
    ["", NAME],
    ["a b", NAME],
    ["x!", NAME], // HTTP allows it
  ];
  for (const [name, reason] of both) {
    it(`holds back ${JSON.stringify(name)} in both directions`, () => {
      assert.equal(whyNeverCrosses("request", name), reason);
      assert.equal(whyNeverCrosses("response", name), reason);
    });
  }

  const one: [direction: "request" | "response", name: string][] = [
    ["request", "X-Forwarded-For"],
    ["request", "X-Forwarded-Anything"],
    ["request", "x_forwarded_for"],
    ["request", "Forwarded"],
    ["response", "Date"],
    ["response", "Server"],
    ["response", "X-Accel-Buffering"],
  ];
  for (const [direction, name] of one) {
    it(`holds back ${name} in a ${direction} only`, () => {
      assert.equal(whyNeverCrosses(direction, name), OWN);
      assert.equal(whyNeverCrosses(direction === "request" ? "response" : "request", name), null);
    });
  }

  it("lets Content-Disposition cross in a response only", () => {
    assert.equal(whyNeverCrosses("request", "Content-Disposition"), BODY);
    assert.equal(whyNeverCrosses("response", "Content-Disposition"), null);
  });

  const free =
    "Authorization Cookie Set-Cookie User-Agent Accept Accept-Language Traceparent X-Foo x.y_z Via Range ETag";
  for (const name of free.split(" ")) {
    it(`lets ${name} cross`, () => {
      assert.equal(whyNeverCrosses("request", name), null);
      assert.equal(whyNeverCrosses("response", name), null);
    });
  }
});

describe("toMetadata()", () => {
  it("lowers names, keeps order and repetition", () => {
    const headers = ["Authorization", "Bearer x", "X-A", "1", "HOST", "h", "x-a", "2", "User-Agent", "curl/8"];
    const expected = ["authorization", "Bearer x", "x-a", "1", "x-a", "2", "user-agent", "curl/8"];
    assert.deepEqual(open.toMetadata(headers, []), expected);
    assert.deepEqual(open.toMetadata(headers, []), expected); // the same from what it remembers
  });

  it("puts what the gateway sets first, and drops what a client says in its place", () => {
    const headers = [
      "X-Request-Id",
      "evil",
      "x_forwarded_for",
      "evil",
      "Forwarded",
      "for=evil",
      "X-Forwarded-Port",
      "1",
    ];
    const extra = ["x-request-id", "r1", "x-forwarded-for", "10.0.0.1"];
    assert.deepEqual(open.toMetadata(["a", "1", ...headers], extra), [...extra, "a", "1"]);
  });

  it("drops what Connection names, in any case and place", () => {
    const headers = ["X-Hop", "1", "connection", "Keep-Alive, x-hop ,X-Other", "x-other", "2", "X-Stays", "3"];
    assert.deepEqual(open.toMetadata(headers, []), ["x-stays", "3"]);
    assert.deepEqual(open.toMetadata(["Connection", "close", "Connection", "a", "A", "1", "b", "2"], []), ["b", "2"]);
    // The gateway's own is no hop's.
    assert.deepEqual(open.toMetadata(["Connection", "x-request-id"], ["x-request-id", "r"]), ["x-request-id", "r"]);
    // And what one request names holds for that request alone.
    assert.deepEqual(open.toMetadata(["A", "1"], []), ["a", "1"]);
  });

  const values: [value: string, expected: string | null][] = [
    ["plain text ~!", "plain text ~!"],
    ["  padded\t ", "padded"],
    ["", null], // "ASCII-Value" has one character at least
    ["   ", null],
    ["a\tb", null], // legal in HTTP, not in gRPC
    ["a\x00b", null],
    ["a\r\nx: y", null],
    ["caf\u00e9", null], // latin1, as Node hands it out
    ["\u00a0x", null], // a no-break space is not trimmed away
    ["a\x7f", null],
    [`${" ".repeat(60_000)}x`, "x"],
  ];
  for (const [value, expected] of values) {
    it(`${expected === null ? "drops" : "takes"} the value ${JSON.stringify(value.slice(-20))}`, () => {
      assert.deepEqual(open.toMetadata(["x-a", value], []), expected === null ? [] : ["x-a", expected]);
      assert.deepEqual(
        open.toMetadata([], ["x-request-id", value]),
        expected === null ? [] : ["x-request-id", expected],
      );
    });
  }

  const binary: [value: string, expected: string[]][] = [
    ["AAEC", ["AAEC"]],
    ["AAE=", ["AAE"]], // padding is dropped
    ["AAE", ["AAE"]],
    ["AA==", ["AA"]],
    ["/+8", ["/+8"]],
    [" AAEC ", ["AAEC"]],
    ["AAEC, AAE=,AA", ["AAEC", "AAE", "AA"]], // joined values are taken apart
    ["AAEC,!,AA", ["AAEC", "AA"]],
    ["AB", ["AA"]], // stray bits after the last byte
    ["", [""]], // no bytes
    ["A", []],
    ["AA=", []],
    ["A===", []],
    ["AAEC=", []],
    ["AA=A", []],
    ["_-8", []], // base64url
    ["caf\u00e9", []],
    ["AA EC", []],
  ];
  for (const [value, expected] of binary) {
    it(`makes [${expected.join(" ")}] of a -bin header ${JSON.stringify(value)}`, () => {
      const pairs = expected.flatMap((one) => ["x-a-bin", one]);
      assert.deepEqual(open.toMetadata(["X-A-Bin", value], []), pairs);
    });
  }

  const rules: [name: string, rules: Partial<HeaderRules>, headers: string[], expected: string[]][] = [
    ["allows only what is listed", { allow: ["X-A"] }, ["x-a", "1", "x-b", "2"], ["x-a", "1"]],
    ["allows by beginning", { allow: ["x-*"] }, ["X-A", "1", "y", "2", "x", "3"], ["x-a", "1"]],
    ["denies", { deny: ["Cookie", "x-b*"] }, ["cookie", "1", "X-Bee", "2", "x-a", "3"], ["x-a", "3"]],
    ["denies before it allows", { allow: ["*"], deny: ["a"] }, ["a", "1", "b", "2"], ["b", "2"]],
    ["renames", { rename: { "X-Old": "X-New" } }, ["x-OLD", "1", "x-new", "2"], ["x-new", "1", "x-new", "2"]],
    ["allows by the old name", { allow: ["a"], rename: { a: "b" } }, ["a", "1", "b", "2"], ["b", "1"]],
    ["does not allow by the new name", { allow: ["b"], rename: { a: "b" } }, ["a", "1", "b", "2"], ["b", "2"]],
    ["checks base64 by the new name", { rename: { a: "a-bin" } }, ["a", "!", "a", "AAE="], ["a-bin", "AAE"]],
    [
      "allows nothing that never crosses",
      { allow: ["host", "grpc-*", "te"] },
      ["host", "1", "te", "2", "grpc-x", "3"],
      [],
    ],
    ["renames nothing that never crosses", { rename: { host: "x-host" } }, ["host", "1"], []],
    [
      "renames to nothing that never crosses",
      { rename: { a: "host", b: "x-forwarded-for" } },
      ["a", "1", "b", "2"],
      [],
    ],
    ["renames to no illegal name", { rename: { a: "a b", b: "" } }, ["a", "1", "b", "2"], []],
    [
      "renames by own keys only",
      { rename: {} },
      ["constructor", "1", "__proto__", "2"],
      ["constructor", "1", "__proto__", "2"],
    ],
  ];
  for (const [name, some, headers, expected] of rules) {
    it(name, () => assert.deepEqual(toMetadata(headers, some), expected));
  }

  it("holds deny and rename, not allow, against what the gateway sets", () => {
    const extra = ["x-request-id", "r", "x-forwarded-host", "h"];
    const some = { allow: ["a"], deny: ["x-forwarded-*"], rename: { "X-Request-Id": "X-Trace" } };
    assert.deepEqual(toMetadata(["a", "1"], some, extra), ["x-trace", "r", "a", "1"]);
  });

  it("lets no client set the name under which the gateway's own goes on", () => {
    const some = { rename: { "x-forwarded-for": "X-Real-Ip", a: "x-real-ip" } };
    const headers = ["X-Real-Ip", "evil", "x_real_ip", "evil", "a", "evil", "b", "1"];
    assert.deepEqual(toMetadata(headers, some, ["x-forwarded-for", "10.0.0.1"]), ["x-real-ip", "10.0.0.1", "b", "1"]);
  });

  it("keeps the whole below 64 KiB, the gateway's own first", () => {
    const big = "x".repeat(40_000);
    const metadata = open.toMetadata(["a", big, "b", big, "c", "1"], ["x-request-id", "r"]);
    assert.deepEqual(metadata, ["x-request-id", "r", "a", big, "c", "1"]);
    const many = Array.from({ length: 4000 }, (_, index) => [`x-${index}`, "v"]).flat();
    const bytes = open.toMetadata(many, []).reduce((sum, text) => sum + text.length + 16, 0);
    assert.ok(bytes > 60 * 1024 && bytes <= 64 * 1024, String(bytes));
  });
});

describe("toReplyHeaders()", () => {
  it("gives initial and trailing metadata, repeated names repeated", () => {
    const headers = ["set-cookie", "a=1", "content-type", "application/grpc", "set-cookie", "b=2", "x-a", "1"];
    const trailers = ["x-a", "2", "grpc-status-details-bin", "CAU", "x-bytes-bin", "AAE"];
    const expected = ["set-cookie", "a=1", "set-cookie", "b=2", "x-a", "1", "x-a", "2", "x-bytes-bin", "AAE"];
    assert.deepEqual(open.toReplyHeaders(headers, trailers), expected);
  });

  it("drops what HTTP cannot carry", () => {
    const metadata = ["x-a", "a\nb", "x-b", "\u00e9", "x c", "1", "x-d", " 1 ", "x-e", ""];
    assert.deepEqual(open.toReplyHeaders(metadata, []), ["x-d", "1", "x-e", ""]);
  });

  it("gives a list of its own each time", () => {
    const list = open.toReplyHeaders([], []);
    list.push("x", "1");
    assert.deepEqual(open.toReplyHeaders([], []), []);
  });

  it("holds the rules of its own direction", () => {
    assert.deepEqual(toReply(["a", "1", "b", "2"], { allow: ["a"] }, ["a", "3", "c", "4"]), ["a", "1", "a", "3"]);
    assert.deepEqual(toReply(["a", "1", "b", "2"], { deny: ["a"], rename: { b: "X-B" } }), ["x-b", "2"]);
    assert.deepEqual(toReply(["a", "1"], { rename: { a: "content-length" } }), []);
    assert.deepEqual(toMetadata(["a", "1"], {}), ["a", "1"]);
  });
});

describe("a header policy", () => {
  it("never gives what grpc-js or Node's HTTP refuses", (t) => {
    const seed = Date.now();
    t.diagnostic(`seed ${seed}`);
    const name = fc.oneof(
      fc.constantFrom(
        "host",
        "Connection",
        "x-a-bin",
        "X-B",
        "grpc-x-bin",
        ":path",
        "content-type",
        "TE",
        "x_y",
        "a b",
      ),
      fc.string({ maxLength: 12 }),
      fc.string({ unit: "binary", maxLength: 6 }),
    );
    const value = fc.oneof(
      fc.constantFrom("keep-alive, x-b", "AAE=", "AAE", "a\r\nb", " x ", ""),
      fc.base64String(),
      fc.string({ maxLength: 20 }),
      fc.string({ unit: "binary", maxLength: 20 }),
    );
    const pairs = fc.array(fc.tuple(name, value), { maxLength: 8 }).map((list) => list.flat());
    const rules = fc.record({
      allow: fc.array(name, { maxLength: 1 }),
      deny: fc.array(name, { maxLength: 1 }),
      rename: fc.dictionary(name, name, { maxKeys: 3 }),
    });
    const check = (some: HeaderRules, headers: string[], extra: string[]) => {
      const policy = compileHeaderPolicy(some, some);
      const own = ["x-request-id", ...extra.filter((_, index) => index % 2 === 0)];
      const list = policy.toMetadata(headers, ["x-request-id", "r", ...extra]);
      const metadata = new Metadata();
      for (let i = 0; i < list.length; i += 2) {
        const [key = "", text = ""] = list.slice(i);
        metadata.add(key, key.endsWith("-bin") ? Buffer.from(text, "base64") : text);
        const reason = whyNeverCrosses("request", key);
        assert.ok(reason === null || (reason === OWN && own.includes(key)), key);
        assert.match(text, /^[ -~]*$/);
      }
      const reply = policy.toReplyHeaders(headers, extra);
      for (let i = 0; i < reply.length; i += 2) {
        validateHeaderName(reply[i] ?? "");
        validateHeaderValue(reply[i] ?? "", reply[i + 1] ?? "");
        assert.equal(whyNeverCrosses("response", reply[i] ?? ""), null);
      }
    };
    const gatewayPairs = pairs.map((list) => list.map((text, index) => (index % 2 === 0 ? "x-forwarded-for" : text)));
    fc.assert(fc.property(rules, pairs, gatewayPairs, check), { seed, numRuns: 3000 });
  });
});
