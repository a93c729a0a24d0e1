import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { codeName } from "../../../src/core/code.ts";
import { errorTable, fieldError, GatewayError, gatewayError, type ErrorCode } from "../../../src/core/errors.ts";

const DOCS = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");

describe("errorTable", () => {
  const sections = new Map(
    DOCS.split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section.replace(/^## .*/ms, "")] as const),
  );

  it("has a section in docs/errors.md for every code, in the same order, and no other", () => {
    assert.deepEqual([...sections.keys()], Object.keys(errorTable));
  });

  for (const [code, row] of Object.entries(errorTable)) {
    it(`is described as it is: ${code}`, () => {
      const [, head, ...rest] = sections.get(code)?.trim().split("\n\n") ?? [];
      assert.equal(head, `${row.http} ${codeName(row.grpc)}: \`${row.message}\``);
      assert.deepEqual(
        rest.map((paragraph) => /^\*\*(?:Cause|Remedy)\.\*\* \S/.exec(paragraph)?.[0].slice(2, -5)),
        ["Cause", "Remedy"],
      );
    });

    it(`is worded as all are: ${code}`, () => {
      assert.match(code, /^[A-Z]+(?:_[A-Z]+)*$/);
      assert.match(row.message, /^[a-z{].*[^.]$/, "lower case, without a full stop");
      assert.ok(row.grpc > 0 && row.grpc <= 16);
      assert.ok(row.http >= 400 && row.http <= 599);
    });
  }
});

describe("gatewayError()", () => {
  it("fills the blanks, once, whatever they are filled with", () => {
    const error = gatewayError("ROUTE_NOT_FOUND", { method: "GET", path: "/{method}/$&" });
    assert.equal(error.message, "no route for GET /{method}/$&");
  });

  it("takes gRPC code and HTTP status from the table", () => {
    const error = gatewayError("METHOD_NOT_ALLOWED", { path: "/a", method: "PUT", allow: "GET, POST" });
    assert.ok(error instanceof GatewayError && error instanceof Error);
    const { name, code, grpc, http, message, cause, violations, retryAfterSeconds } = error;
    assert.deepEqual(
      { name, code, grpc, http, message, cause, violations, retryAfterSeconds },
      {
        name: "GatewayError",
        code: "METHOD_NOT_ALLOWED",
        grpc: 12,
        http: 405,
        message: "/a does not answer to PUT; allowed: GET, POST",
        cause: undefined,
        violations: [],
        retryAfterSeconds: undefined,
      },
    );
  });

  it("keeps cause and Retry-After apart from the message", () => {
    const cause = new Error("ECONNREFUSED 10.0.0.5:50051");
    const error = gatewayError("UPSTREAM_UNAVAILABLE", { upstream: "shop" }, { cause, retryAfterSeconds: 1 });
    assert.equal(error.message, "upstream shop has no ready instance");
    assert.equal(error.cause, cause);
    assert.equal(error.retryAfterSeconds, 1);
  });

  it("leaves no blank for any code", () => {
    for (const [code, { message }] of Object.entries(errorTable)) {
      const params = Object.fromEntries([...message.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, "x"]));
      assert.doesNotMatch(gatewayError(code as ErrorCode, params as never).message, /[{}]|undefined/);
    }
  });
});

describe("fieldError()", () => {
  it("says the field in the message and as a violation", () => {
    const error = fieldError("FIELD_UNKNOWN", "book.titel", `unknown field; did you mean "title"?`);
    assert.equal(error.message, `book.titel: unknown field; did you mean "title"?`);
    assert.deepEqual(error.violations, [{ field: "book.titel", description: `unknown field; did you mean "title"?` }]);
    assert.deepEqual([error.code, error.http], ["FIELD_UNKNOWN", 400]);
  });
});
