import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseTarget } from "../../../src/discovery/target.ts";

const EXPECTED = "expected etcd:///service#N, dns:///name:port#N or pass:///host:port#N,…";

describe("parseTarget() of pass", () => {
  for (const [text, ...addresses] of [
    ["pass:///10.0.0.1:50051", "10.0.0.1:50051#1"],
    ["pass:///10.0.0.1:50051#3,10.0.0.2:50052#1", "10.0.0.1:50051#3", "10.0.0.2:50052#1"],
    ["pass:///a:1, b:2", "a:1#1", "b:2#1"],
    ["pass:///:50051#2", "localhost:50051#2"], // an empty host is localhost
    ["pass:///[::1]:50051#2", "[::1]:50051#2"],
    ["pass:///a:1#0", "a:1#1"], // too small counts as 1
    ["pass:///a:1#-4", "a:1#1"],
    ["pass:///a:1#", "a:1#1"],
    ["pass:///a:1#2,A:1#3", "a:1#5"], // one address, all its connections
    ["a:1#2,b:2", "a:1#2", "b:2#1"], // host:port alone cannot be anything else
    ["localhost:50051", "localhost:50051#1"],
    ["PASS:///a:1", "a:1#1"],
  ] as const) {
    it(`reads ${text}`, () => {
      const target = parseTarget(text);
      assert.ok(target.kind === "pass");
      assert.deepEqual(
        target.addresses.map(({ address, connections }) => `${address}#${connections}`),
        addresses,
      );
    });
  }
});

describe("parseTarget() of etcd", () => {
  for (const [text, hosts, service, connections] of [
    ["etcd:///library", [], "library", 1],
    ["etcd:///library#2", [], "library", 2],
    ["etcd:///library/#0", [], "library", 1],
    ["etcd:////apps/library", [], "/apps/library", 1], // a service whose keys begin with a slash
    ["etcd://h1:2379,h2:12379/library#3", ["h1:2379", "h2:12379"], "library", 3],
    ["etcd://h1,[::1]/library", ["h1:2379", "[::1]:2379"], "library", 1],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parseTarget(text), { kind: "etcd", hosts, service, isKey: false, connections });
    });
  }

  it("reads go-zero's discov, whose key is whole", () => {
    const expected = { kind: "etcd", hosts: ["h1:2379", "h2:2379"], service: "shop.rpc", isKey: true, connections: 2 };
    assert.deepEqual(parseTarget("discov://h1:2379,h2/shop.rpc#2"), expected);
  });
});

describe("parseTarget() of dns", () => {
  for (const [text, name, port, servers, connections] of [
    ["dns:///Library.internal:50051", "library.internal", 50051, [], 1],
    ["dns:library:50051#3", "library", 50051, [], 3],
    ["dns:///_grpc._tcp.library.internal#2", "_grpc._tcp.library.internal", null, [], 2],
    ["dns://10.0.0.2/library:1", "library", 1, ["10.0.0.2:53"], 1],
    ["dns://10.0.0.2:5353,[::1]:53,[::1]/library:1", "library", 1, ["10.0.0.2:5353", "[::1]:53", "[::1]:53"], 1],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parseTarget(text), { kind: "dns", name, port, servers, connections });
    });
  }
});

describe("parseTarget() of what it cannot read", () => {
  for (const [text, message] of [
    ["", `the scheme is missing; ${EXPECTED}`],
    ["library", `the scheme is missing; ${EXPECTED}`],
    ["pass:///", '"" is no address: the port is missing; expected host:port'],
    ["pass:///a", '"a" is no address: the port is missing; expected host:port'],
    ["pass:///a:1,", '"" is no address: the port is missing; expected host:port'],
    ["pass:///a:70000", '"a:70000" is no address: the port is "70000"; expected 1 to 65535'],
    ["pass:///::1:80", '"::1:80" is no address: the host is "::1"; an IPv6 address stands in brackets'],
    ["pass:///a:1#x", '"x" connections; expected a whole number up to 1000 after "#"'],
    ["pass:///a:1#1.5", '"1.5" connections; expected a whole number up to 1000 after "#"'],
    ["pass:///a:1#1001", '"1001" connections; expected a whole number up to 1000 after "#"'],
    [
      "pass:///a:1,b,c:0,d:4#x",
      '"b" is no address: the port is missing; expected host:port; ' +
        '"c:0" is no address: the port is "0"; expected 1 to 65535; ' +
        '"x" connections; expected a whole number up to 1000 after "#"', // all at once
    ],
    ["pass://a:1", `a slash is missing after pass://; ${EXPECTED}`],
    ["etcd://library", "the service is missing; expected etcd://hosts/service"],
    ["etcd:///", 'the service is ""; expected a name such as library'],
    ["etcd:///a b", 'the service is "a b"; expected a name such as library'],
    ["etcd://h:0/library", '"h:0" is no address: the port is "0"; expected 1 to 65535'],
    [
      "etcd://h:0,g:x/#1.5",
      '"h:0" is no address: the port is "0"; expected 1 to 65535; ' +
        '"g:x:2379" is no address: the host is "g:x"; expected a host name, IPv4 or [IPv6]; ' +
        '"1.5" connections; expected a whole number up to 1000 after "#"; ' +
        'the service is ""; expected a name such as library',
    ],
    ["dns:///library", '"library" is no address: the port is missing; expected host:port'],
    ["dns://library:50051", "the name is missing; expected dns://servers/name:port"],
    ["dns://ns.internal/library:1", 'the DNS server is "ns.internal"; expected an IP address such as 10.0.0.2:53'],
    ["http://a:1", `the scheme http is unknown; ${EXPECTED}`],
    ["ectd:///library", `the scheme ectd is unknown; ${EXPECTED}; did you mean "etcd"?`],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseTarget(text), { message: `target ${JSON.stringify(text)}: ${message}` });
    });
  }
});
