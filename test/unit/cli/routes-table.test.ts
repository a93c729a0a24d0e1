import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatRoutes } from "../../../src/cli/routes-table.ts";

describe("formatRoutes()", () => {
  it("aligns columns below a heading, without blanks at line ends", () => {
    const text = formatRoutes([
      {
        method: "GET",
        path: "/v1/{name=books/*}",
        rpc: "a.v1.Lib/Get",
        upstream: "lib",
        source: "r.yaml:9:5",
        served: "unary",
      },
      {
        method: "*",
        path: "/v1/all",
        rpc: "a.v1.Lib/Up",
        upstream: "lib",
        source: "lib.proto:3:1",
        served: "client_stream http_body",
      },
    ]);
    assert.equal(
      text,
      [
        "METHOD  PATH                RPC           UPSTREAM  SOURCE         SERVED",
        "GET     /v1/{name=books/*}  a.v1.Lib/Get  lib       r.yaml:9:5     unary",
        "*       /v1/all             a.v1.Lib/Up   lib       lib.proto:3:1  client_stream http_body",
      ].join("\n"),
    );
  });

  it("says that there are none", () => assert.equal(formatRoutes([]), "no routes"));
});
