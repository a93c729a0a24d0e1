import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { ask } from "../support/raw-http.ts";

describe("Accept of a request for one message", () => {
  for (const accept of [undefined, "*/*", "application/json", "application/*;q=0.1", "text/html, */*;q=0.8"]) {
    it(`${accept ?? "nothing"}: answers with JSON`, async (t) => {
      const { gateway } = await startKindsGateway(t);
      const reply = await ask(gateway, "/v1/act/x", { headers: accept === undefined ? {} : { accept } });
      assert.deepEqual([reply.status, reply.headers["content-type"]], [200, "application/json"]);
    });
  }

  for (const accept of ["text/html", "application/json;q=0", "text/event-stream", "application/problem+json"]) {
    it(`${accept}: 406, and no call`, async (t) => {
      const { gateway } = await startKindsGateway(
        t,
        {},
        {
          act() {
            assert.fail("called");
          },
        },
      );
      const reply = await ask(gateway, "/v1/act/x", { headers: { accept }, body: "{}" });
      assert.equal(reply.status, 406);
      const { details } = reply.json() as ErrorJson;
      assert.equal(details.at(-1)?.["reason"], "NOT_ACCEPTABLE");
    });
  }
});
