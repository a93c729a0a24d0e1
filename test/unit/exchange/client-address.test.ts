import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileClientAddresses } from "../../../src/exchange/client-address.ts";

const TRUSTED = ["10.0.0.0/8", "192.168.1.1", "fd00::/8"];

interface Case {
  readonly name: string;
  readonly trusted?: string[];
  readonly peer: string;
  readonly secure?: boolean;
  readonly headers?: Record<string, string>;
  readonly client: string;
  readonly chain: string;
  readonly proto?: string;
  readonly host?: string | null;
}

const cases: Case[] = [
  { name: "tells the peer", peer: "1.2.3.4", client: "1.2.3.4", chain: "1.2.3.4" },
  { name: "tells https", peer: "1.2.3.4", secure: true, client: "1.2.3.4", chain: "1.2.3.4", proto: "https" },
  {
    name: "replaces what an untrusted peer says",
    peer: "1.2.3.4",
    headers: { "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https", "x-forwarded-host": "evil" },
    client: "1.2.3.4",
    chain: "1.2.3.4",
  },
  {
    name: "trusts nobody where no proxy is listed",
    trusted: [],
    peer: "127.0.0.1",
    headers: { "x-forwarded-for": "6.6.6.6" },
    client: "127.0.0.1",
    chain: "127.0.0.1",
  },
  {
    name: "appends to what a trusted proxy says",
    peer: "10.1.1.1",
    headers: { "x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-host": "shop.example:8443" },
    client: "1.2.3.4",
    chain: "1.2.3.4, 10.1.1.1",
    proto: "https",
    host: "shop.example:8443",
  },
  {
    name: "stops at the last address that no trusted proxy has", // to its left a client may have written anything
    peer: "10.1.1.1",
    headers: { "x-forwarded-for": "6.6.6.6,1.2.3.4 , 10.2.2.2,192.168.1.1" },
    client: "1.2.3.4",
    chain: "6.6.6.6,1.2.3.4 , 10.2.2.2,192.168.1.1, 10.1.1.1",
  },
  {
    name: "takes the first of a chain of trusted proxies alone",
    peer: "10.1.1.1",
    headers: { "x-forwarded-for": "10.3.3.3, 10.2.2.2" },
    client: "10.3.3.3",
    chain: "10.3.3.3, 10.2.2.2, 10.1.1.1",
  },
  {
    name: "stops at what is no address",
    peer: "10.1.1.1",
    headers: { "x-forwarded-for": "1.2.3.4, unknown, 10.2.2.2" },
    client: "10.2.2.2",
    chain: "1.2.3.4, unknown, 10.2.2.2, 10.1.1.1",
  },
  {
    name: "knows a proxy by an IPv4 address over an IPv6 socket",
    peer: "::ffff:10.1.1.1",
    headers: { "x-forwarded-for": "1.2.3.4" },
    client: "1.2.3.4",
    chain: "1.2.3.4, 10.1.1.1",
  },
  {
    name: "reads addresses with ports",
    peer: "fd00::1",
    headers: { "x-forwarded-for": "[2001:db8::1]:4711, 10.2.2.2:80" },
    client: "2001:db8::1",
    chain: "[2001:db8::1]:4711, 10.2.2.2:80, fd00::1",
  },
  {
    name: "takes a trusted peer without a chain for the client",
    peer: "10.1.1.1",
    client: "10.1.1.1",
    chain: "10.1.1.1",
  },
  {
    name: "takes the nearest proxy's word on protocol and host",
    peer: "10.1.1.1",
    headers: { "x-forwarded-proto": "http, HTTPS", "x-forwarded-host": "evil, shop.example" },
    client: "10.1.1.1",
    chain: "10.1.1.1",
    proto: "https",
    host: "shop.example",
  },
  {
    name: "does not pass on a protocol or host that is none",
    peer: "10.1.1.1",
    headers: { "x-forwarded-proto": "gopher", "x-forwarded-host": "a b<" },
    client: "10.1.1.1",
    chain: "10.1.1.1",
  },
  { name: "says unknown where the peer has no address", peer: "", client: "unknown", chain: "unknown" },
  {
    name: "leaves the host out where there is none",
    peer: "1.2.3.4",
    headers: { host: "" },
    client: "1.2.3.4",
    chain: "1.2.3.4",
    host: null,
  },
];

describe("resolve()", () => {
  for (const {
    name,
    trusted = TRUSTED,
    peer,
    secure = false,
    headers = {},
    client,
    chain,
    proto = "http",
    host = "gw:8080",
  } of cases) {
    it(name, () => {
      const all: Record<string, string> = { host: "gw:8080", ...headers };
      const addresses = compileClientAddresses(trusted);
      const http = { remoteAddress: peer, secure, header: (key: string) => all[key] };
      const forwarded = ["x-forwarded-for", chain, "x-forwarded-proto", proto];
      const metadata = host === null ? forwarded : [...forwarded, "x-forwarded-host", host];
      assert.deepEqual(addresses.resolve(http), { client, metadata });
      assert.deepEqual(addresses.resolve(http), { client, metadata }); // the same from what it remembers
    });
  }

  it("gives a list of its own each time", () => {
    const addresses = compileClientAddresses([]);
    const http = { remoteAddress: "1.2.3.4", secure: false, header: () => undefined };
    addresses.resolve(http).metadata.push("x", "1");
    assert.equal(addresses.resolve(http).metadata.length, 4);
  });
});

describe("compileClientAddresses()", () => {
  it("takes names of ranges", () => {
    const addresses = compileClientAddresses(["loopback", "uniquelocal"]);
    const http = { remoteAddress: "::1", secure: false, header: () => "1.2.3.4" };
    assert.equal(addresses.resolve(http).client, "1.2.3.4");
  });

  for (const wrong of ["localhost", "10.0.0.0/33", "10.0.0.0/x", ""]) {
    it(`refuses ${JSON.stringify(wrong)}`, () => assert.throws(() => compileClientAddresses([wrong]), TypeError));
  }
});
