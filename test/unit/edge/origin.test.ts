import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileOrigins, isOriginPattern } from "../../../src/edge/origin.ts";

describe("compileOrigins()", () => {
  const isAllowed = compileOrigins(["https://app.example", "https://*.shop.example", "http://localhost:3000"]);
  const cases: readonly (readonly [origin: string, host: string, allowed: boolean, why: string])[] = [
    ["https://api.example", "api.example", true, "the site's own"],
    ["https://API.example", "api.EXAMPLE", true, "host names have no case"],
    ["https://api.example", "api.example:443", true, "the scheme's own port"],
    ["http://api.example", "api.example:80", true, "the scheme's own port"],
    ["http://api.example", "api.example", true, "TLS may end in front of the gateway"],
    ["http://[::1]:8080", "[::1]:8080", true, "an IPv6 address"],
    ["https://api.example:8443", "api.example", false, "another port"],
    ["https://api.example", "api.example:8443", false, "another port"],
    ["https://app.example", "api.example", true, "allowed"],
    ["http://app.example", "api.example", false, "another scheme"],
    ["https://app.example.evil", "api.example", false, "only begins like an allowed one"],
    ["https://evilapp.example", "api.example", false, "only ends like an allowed one"],
    ["https://a.shop.example", "api.example", true, "below an allowed one"],
    ["https://a.b.shop.example", "api.example", true, "far below an allowed one"],
    ["https://shop.example", "api.example", false, "not below it"],
    ["https://.shop.example", "api.example", false, "nothing before the dot"],
    ["https://evil/.shop.example", "api.example", false, "no origin"],
    ["https://evil@a.shop.example", "api.example", false, "no origin"],
    ["http://localhost:3000", "api.example", true, "allowed with its port"],
    ["http://localhost", "api.example", false, "without it"],
    ["null", "api.example", false, "a sandboxed page, or a file"],
    ["", "", false, "nothing is not the same as nothing"],
    ["https://", "", false, "nor is this"],
  ];
  for (const [origin, host, allowed, why] of cases) {
    it(`${JSON.stringify(origin)} at ${JSON.stringify(host)}: ${allowed}, ${why}`, () => {
      assert.equal(isAllowed(origin, host), allowed);
    });
  }

  it("lets any pass where one is *", () => {
    assert.ok(compileOrigins(["*"])("null", "api.example"));
  });
});

describe("isOriginPattern()", () => {
  it("takes origins as browsers write them, and a star for the first label", () => {
    for (const good of [
      "*",
      "https://app.example",
      "http://localhost:3000",
      "https://*.example.com",
      "http://[::1]:8080",
    ]) {
      assert.ok(isOriginPattern(good), good);
    }
    for (const bad of [
      "",
      "app.example",
      "https://app.example/",
      "https://*",
      "https://a*.example",
      "ws://app.example",
    ]) {
      assert.ok(!isOriginPattern(bad), bad);
    }
  });
});
