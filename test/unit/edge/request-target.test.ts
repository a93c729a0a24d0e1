import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { describe, it } from "node:test";
import { GatewayError } from "../../../src/core/errors.ts";
import { originTarget } from "../../../src/edge/request-target.ts";

function request(url: string, rawHeaders: readonly string[], httpVersion = "1.1", method = "GET"): IncomingMessage {
  const headers: Record<string, string> = {};
  for (let i = 0; i < rawHeaders.length; i += 2)
    headers[(rawHeaders[i] ?? "").toLowerCase()] ??= rawHeaders[i + 1] ?? "";
  return { url, rawHeaders, headers, httpVersion, method } as unknown as IncomingMessage; // what it reads
}

function target(url: string, host = "a.test", method = "GET"): string {
  const result = originTarget(request(url, ["Host", host], "1.1", method));
  return result instanceof GatewayError ? result.code : result;
}

describe("originTarget()", () => {
  it("gives path and query, without a fragment", () => {
    for (const [url, expected] of [
      ["/", "/"],
      ["/a?b=c", "/a?b=c"],
      ["//a", "//a"],
      ["/a#b", "/a"],
      ["/a?b#c?d", "/a?b"],
      ["/a?u=http://b.test/", "/a?u=http://b.test/"],
    ] as const) {
      assert.equal(target(url), expected);
    }
  });

  it("reduces the absolute form, where it names the host that Host names", () => {
    for (const [url, host, expected] of [
      ["http://a.test/b?c", "a.test", "/b?c"],
      ["http://a.test", "a.test", "/"],
      ["http://a.test?b", "a.test", "/?b"],
      ["HTTP://A.TEST/b", "a.test", "/b"],
      ["http://a.test:80/b", "a.test", "/b"],
      ["http://a.test/b", "a.test:80", "/b"],
      ["https://a.test:443/b", "a.test", "/b"],
      ["http://[::1]:8080/b#c", "[::1]:8080", "/b"],
      ["http://a.test:443/b", "a.test", "HTTP_MALFORMED"],
      ["http://b.test/", "a.test", "HTTP_MALFORMED"],
      ["http://a.test@b.test/", "a.test", "HTTP_MALFORMED"],
      ["http://a.test\\@b.test/", "a.test", "HTTP_MALFORMED"],
      ["ftp://a.test/", "a.test", "HTTP_MALFORMED"],
      ["a.test:80", "a.test", "HTTP_MALFORMED"],
      ["", "a.test", "HTTP_MALFORMED"],
    ] as const) {
      assert.equal(target(url, host), expected, `${url} ${host}`);
    }
  });

  it("takes * with OPTIONS only", () => {
    assert.equal(target("*"), "ROUTE_NOT_FOUND");
    assert.equal(target("*", "a.test", "OPTIONS"), "*");
  });

  it("wants exactly one Host that is one, but of HTTP/1.0 none", () => {
    const reason = (rawHeaders: readonly string[], version?: string): string => {
      const result = originTarget(request("/", rawHeaders, version));
      return result instanceof GatewayError ? result.message : result;
    };
    assert.match(reason([]), /no Host header/);
    assert.equal(reason([], "1.0"), "/");
    assert.match(reason(["Host", "a", "hOsT", "a"]), /more than one Host/);
    assert.match(reason(["Host", "a", "hOsT", "b"], "1.0"), /more than one Host/);
    for (const host of ["a b", "a/b", "u@a", "a?b", "a#b", "a\\b", "<a>"]) {
      assert.match(reason(["Host", host]), /is no host/, host);
    }
    for (const host of ["", "a", "a:80", "[::1]", "[fe80::1%25eth0]:80", "xn--bcher-kva.test", "a_b.test", "%41"]) {
      assert.equal(reason(["Host", host]), "/", host);
    }
  });

  it("takes 100 headers and no more", () => {
    const headers = (count: number) => ["Host", "a", ...Array.from({ length: count - 1 }, () => ["x-a", "1"]).flat()];
    assert.equal(originTarget(request("/", headers(100))), "/");
    const error = originTarget(request("/", headers(101)));
    assert.ok(error instanceof GatewayError);
    assert.deepEqual([error.code, error.http], ["TOO_MANY_HEADERS", 431]);
  });
});
