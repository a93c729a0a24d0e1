import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAddress } from "../../../src/discovery/address.ts";

describe("parseAddress()", () => {
  for (const [text, address] of [
    ["10.0.0.1:50051", "10.0.0.1:50051"],
    ["localhost:1", "localhost:1"],
    ["Books.Example.COM:65535", "books.example.com:65535"], // names know no case
    ["books.example.com.:80", "books.example.com.:80"], // a full name may end in a dot
    ["my_service-1:80", "my_service-1:80"], // Compose allows underscores
    ["[::1]:50051", "[::1]:50051"],
    ["[2001:DB8::1]:80", "[2001:db8::1]:80"],
    ["10.0.0.1:00080", "10.0.0.1:80"],
  ] as const) {
    it(`reads ${text}`, () => assert.deepEqual(parseAddress(text), { ok: true, address }));
  }

  for (const [text, reason] of [
    ["", "the port is missing"],
    ["10.0.0.1", "the port is missing"],
    ["[::1]", "the port is missing"],
    ["10.0.0.1:", 'the port is ""'],
    ["10.0.0.1:0", 'the port is "0"'],
    ["10.0.0.1:65536", 'the port is "65536"'],
    ["10.0.0.1:+80", 'the port is "+80"'],
    ["10.0.0.1:8e1", 'the port is "8e1"'],
    [":80", 'the host is ""'],
    ["::1:80", 'the host is "::1"; an IPv6 address stands in brackets'],
    ["[::1%eth0]:80", 'the host is "[::1%eth0]"'],
    ["[10.0.0.1]:80", 'the host is "[10.0.0.1]"'],
    ["10.0.0.256:80", 'the host is "10.0.0.256"'], // ends in a number, so it is meant as IPv4
    ["user@host:80", 'the host is "user@host"'],
    ["a b:80", 'the host is "a b"'],
    ["-a:80", 'the host is "-a"'],
    ["a..b:80", 'the host is "a..b"'],
    [`${"a".repeat(64)}:80`, "the host is"], // a label has at most 63 characters
    [`${"a.".repeat(127)}a:80`, "the host is"], // a name at most 253
    ["host\u0000:80", 'the host is "host\\u0000"'],
  ] as const) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
      const parsed = parseAddress(text);
      assert.ok(!parsed.ok);
      assert.ok(parsed.reason.includes(reason), parsed.reason);
    });
  }
});
