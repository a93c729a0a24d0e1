import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createHttp2Connection } from "../../src/upstream/connection/http2.ts";
import { load, openUpstream, startProcess } from "../support/upstream-lab.ts";
import { cleanUp } from "../support/defer.ts";

afterEach(cleanUp);

describe("an upstream with one of three instances that hangs", () => {
  for (const policy of ["round_robin", "least_request"] as const) {
    for (const totalTimeoutMs of [1_000, 5_000]) {
      it(`loses at most 1 % of idempotent calls with a limit of ${totalTimeoutMs} ms, ${policy}`, async () => {
        const servers = [await startProcess("a"), await startProcess("b"), await startProcess("hangs")];
        const hanging = servers[2];
        assert.ok(hanging);
        const lab = openUpstream(createHttp2Connection(), { loadBalancing: { policy } });
        lab.list(...servers.map(({ address }) => address));
        await lab.ready(3);
        const traffic = load(lab.upstream, 64, { totalTimeoutMs });
        await traffic.more(500);
        const suspect = lab.next(({ type, ...event }) => type === "connection_suspect" && "isSuspect" in event);
        await hanging.kill("SIGSTOP");
        const stoppedMs = performance.now();
        await suspect;
        assert.ok(performance.now() - stoppedMs < 1_000);
        // None is left there.
        await traffic.more(1_000);
        const trusted = lab.next((event) => event.type === "connection_suspect" && !event.isSuspect);
        await hanging.kill("SIGCONT");
        await trusted;
        const before = traffic.counts["hangs"] ?? 0;
        while ((traffic.counts["hangs"] ?? 0) === before) await traffic.more(20);
        const { failures, total } = await traffic.stop();
        assert.ok(failures.length <= total / 100, `${failures.length} of ${total}: ${failures[0]}`);
        assert.ok(performance.now() - stoppedMs < 5_000);
      });
    }
  }
});
