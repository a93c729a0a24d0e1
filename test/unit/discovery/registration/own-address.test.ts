import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { describe, it } from "node:test";
import { ownAddress } from "../../../../src/discovery/registration/own-address.ts";

function info(address: string, internal = false, scopeid = 0): NetworkInterfaceInfo {
  const isV4 = address.includes(".");
  const common = { address, netmask: "", mac: "", internal, cidr: null };
  return isV4 ? { ...common, family: "IPv4" } : { ...common, family: "IPv6", scopeid };
}

const INTERFACES = {
  lo: [info("127.0.0.1", true), info("::1", true)],
  usb0: [info("169.254.3.4")],
  eth0: [info("fe80::1", false, 2), info("2001:db8::5"), info("10.0.0.5")],
  eth1: [info("10.1.0.5")],
  six: [info("2001:db8::6")],
};

describe("ownAddress()", () => {
  for (const [text, name, expected] of [
    ["10.9.9.9:50051", undefined, "10.9.9.9:50051"],
    ["db.internal:1", undefined, "db.internal:1"],
    [":50051", undefined, "10.0.0.5:50051"], // not loopback, not of one link, IPv4 first
    ["0.0.0.0:50051", undefined, "10.0.0.5:50051"], // what a service listens on, copied
    ["[::]:50051", undefined, "10.0.0.5:50051"],
    [":50051", "eth1", "10.1.0.5:50051"],
    [":50051", "six", "[2001:db8::6]:50051"],
    [":50051", "lo", "127.0.0.1:50051"], // asked for by name
  ] as const) {
    it(`takes ${text}${name === undefined ? "" : ` of ${name}`} as ${expected}`, () => {
      assert.equal(ownAddress(text, INTERFACES, name), expected);
    });
  }

  for (const [text, name, message] of [
    ["10.0.0.5", undefined, '"10.0.0.5" is no address: the port is missing; expected host:port'],
    [":0", undefined, '"10.0.0.5:0" is no address: the port is "0"; expected 1 to 65535'],
    [":1", "eth9", 'there is no interface "eth9"; expected one of lo, usb0, eth0, eth1, six'],
    [":1", "usb0", 'the interface "usb0" has no address that others can reach; expected host:port'],
    ["10.0.0.5:1", "eth0", '"10.0.0.5:1" names a host; an interface goes with a port alone, such as :50051'],
  ] as const) {
    it(`refuses ${text}${name === undefined ? "" : ` of ${name}`}`, () => {
      assert.throws(() => ownAddress(text, INTERFACES, name), { message });
    });
  }

  it("says where there is none", () => {
    const message = "no interface has an address that others can reach; expected host:port";
    assert.throws(() => ownAddress(":1", { lo: INTERFACES.lo }), { message });
  });
});
