import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { status } from "@grpc/grpc-js";
import { NodeHttpExchange } from "../../src/edge/adapter.ts";
import { Exchange } from "../../src/exchange/exchange.ts";
import { startKindsGateway } from "../support/kinds.ts";

setFlagsFromString("--allow-natives-syntax");
const haveSameMap = new Function("a", "b", "return %HaveSameMap(a, b)") as (a: object, b: object) => boolean;
const hasFastProperties = new Function("a", "return %HasFastProperties(a)") as (a: object) => boolean;

type Patched = Record<string, (...args: never[]) => unknown>;

/** All objects that a method is called on from here on. */
function callersOf(prototype: object, method: string): Set<object> {
  const methods = prototype as unknown as Patched;
  const original = methods[method] as (...args: never[]) => unknown;
  const callers = new Set<object>();
  methods[method] = function (this: object, ...args) {
    callers.add(this);
    return original.apply(this, args);
  };
  return callers;
}

function byClass(objects: Set<object>): Map<string, object[]> {
  return Map.groupBy([...objects], (one) => one.constructor.name);
}

describe("what is made for each request", () => {
  it("keeps one shape, whatever becomes of the request", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        keep(_, reply) {
          reply({ code: status.NOT_FOUND, details: "no" });
        },
      },
    );
    const ended = callersOf(Exchange.prototype, "finish");
    const read = callersOf(NodeHttpExchange.prototype, "listen");
    const ask = async (path: string, init: RequestInit = {}): Promise<number> => {
      const headers = { "content-type": "application/json", ...init.headers };
      const reply = await fetch(`${gateway.address}${path}`, { ...init, headers });
      await reply.arrayBuffer();
      return reply.status;
    };
    const statuses = [
      await ask("/v1/act/x"),
      await ask("/v1/act/x", { headers: { "x-request-id": "mine", "x-forwarded-for": "1.2.3.4" } }),
      await ask("/v1/act/x", { method: "HEAD" }),
      await ask("/v1/act/x?nope=1"),
      await ask("/v1/echo", { method: "POST", body: "{}" }),
      await ask("/v1/echo", { method: "POST", body: "{" }),
      await ask("/v1/files/x", { method: "POST", body: "x" }),
      await ask("/v1/nowhere"),
      await ask("/v1/watch/x?count=3"),
      await ask("/v1/watch/x?count=2", { headers: { accept: "text/event-stream" } }),
    ];
    assert.deepEqual(statuses, [200, 200, 200, 400, 200, 400, 404, 404, 200, 200]);
    for (const [name, objects] of [...byClass(ended), ...byClass(read)]) {
      const [first, ...others] = objects as [object, ...object[]];
      assert.ok(hasFastProperties(first), name);
      for (const other of others) assert.ok(haveSameMap(first, other), `${name} has two shapes`);
    }
  });
});
