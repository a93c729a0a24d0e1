import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code } from "../../src/core/code.ts";
import type { UpstreamEvent } from "../../src/upstream/event.ts";
import { connections } from "../support/connections.ts";
import { startGrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { call, openUpstream } from "../support/upstream-lab.ts";
import { cleanUp, defer } from "../support/defer.ts";

afterEach(cleanUp);

for (const [name, connect] of connections)
  describe(`instances with a limit of concurrent streams, ${name}`, () => {
    it("answer all calls, over more connections and after some wait", async () => {
      let running = 0;
      let most = 0;
      const methods = labMethods("a");
      const server = await startGrpcServer(
        {
          ...methods,
          "/test.Lab/Sleep": {
            kind: "unary",
            handle: (_, reply) => {
              most = Math.max(most, ++running);
              setTimeout(() => {
                running--;
                reply(null, Buffer.from("a"));
              }, 20);
            },
          },
        },
        { options: { "grpc.max_concurrent_streams": 2 } },
      );
      defer(() => server.destroy());
      const events: UpstreamEvent[] = [];
      const lab = openUpstream(connect, { maxConnectionsPerEndpoint: 3, onEvent: (event) => events.push(event) });
      lab.list(server.address);
      await lab.ready(1);
      const ends = await Promise.all(
        Array.from({ length: 40 }, () => call(lab.upstream, "Sleep", "", { idempotent: false }).recorder.ended),
      );
      assert.ok(ends.every(({ code }) => code === Code.Ok));
      if (name === "grpc-js") return; // it does not tell its limit, and waits by itself
      assert.equal(most, 6);
      assert.equal(lab.upstream.status().queued, 0);
      const waits = events.flatMap((event) => (event.type === "call_queued" ? [event.waitMs] : []));
      assert.ok(waits.length >= 30 && Math.max(...waits) >= 60, `${waits.length} ${Math.max(...waits)}`);
      const ready = events.filter((event) => event.type === "connection_state" && event.state === "ready");
      assert.equal(ready.length, 3);
    });
  });
