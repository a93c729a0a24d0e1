import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { MetricsTotal } from "../../../src/telemetry/metrics-total.ts";

/** The metrics of a worker that sees so many instances, `ready` of which take calls, and had so many bad requests. */
async function worker(endpoints: number, ready: number, bad: number) {
  const metrics = createMetrics(() => [{ name: "u", endpoints, ready, healthy: ready, waiting: 2, queued: 1 }]);
  for (let i = 0; i < bad; i++) metrics.clientError("HTTP_MALFORMED");
  metrics.requestStarted();
  return await metrics.families();
}

const value = (text: string, name: string): number | undefined => {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.split(" ")[1]);
};

describe("MetricsTotal", () => {
  it("sums counters and what is in flight; of instances it has the most told and the least ready", async () => {
    const total = new MetricsTotal(() => 2);
    const primary = createMetrics(() => []);
    primary.reloaded(false);
    const parts = [await primary.families(), await worker(3, 3, 5), await worker(2, 1, 2)];
    const { contentType, text } = await total.expose(parts);
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    for (const [name, expected] of [
      ['sluice_http_client_errors_total{code="HTTP_MALFORMED"}', 7],
      ["http_server_active_requests", 2],
      ['sluice_upstream_endpoints{upstream="u"}', 3],
      ['sluice_upstream_ready_endpoints{upstream="u"}', 1],
      ['sluice_upstream_waiting_calls{upstream="u"}', 4],
      ['sluice_config_reloads_total{result="failed"}', 1],
      ["sluice_config_last_reload_successful", 0],
      ["sluice_workers", 2],
      ["sluice_worker_restarts_total", 0],
    ] as const) {
      assert.equal(value(text, name), expected, name);
    }
  });

  it("keeps what workers that are gone had counted, and not what they were in the middle of", async () => {
    const total = new MetricsTotal(() => 1);
    total.workerEnded(await worker(3, 3, 5));
    total.workerEnded(await worker(3, 3, 2));
    total.workerEnded([]);
    const { text } = await total.expose([await worker(1, 1, 1)]);
    assert.equal(value(text, 'sluice_http_client_errors_total{code="HTTP_MALFORMED"}'), 8);
    assert.equal(value(text, "http_server_active_requests"), 1);
    assert.equal(value(text, 'sluice_upstream_endpoints{upstream="u"}'), 1);
    assert.equal(value(text, "sluice_worker_restarts_total"), 3);
  });
});
