import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Histogram, Registry } from "prom-client";
import { codeName } from "../../../src/core/code.ts";
import type { RequestRecord } from "../../../src/exchange/observer.ts";
import { RequestDurations } from "../../../src/telemetry/request-durations.ts";
import { freshSeed, seededRandom } from "../../support/seeded-random.ts";

function request(method: string, template: string, status: number, grpcCode: number, ms: number): RequestRecord {
  return {
    method,
    path: "/",
    template,
    rpc: template === "" ? "" : "shop.v1.Shop/Get",
    upstream: "shop",
    status,
    grpcCode,
    errorCode: "",
    cause: undefined,
    requestId: "",
    clientAddress: "",
    startMs: 1000,
    endMs: 1000 + ms,
    callStartMs: NaN,
    bytesIn: 0,
    bytesOut: 0,
    messagesOut: 0,
  };
}

const LABELS = [
  "http_request_method",
  "http_route",
  "http_response_status_code",
  "rpc_method",
  "rpc_response_status_code",
];
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** prom-client's own. */
function reference(registry: Registry): Histogram {
  return new Histogram({
    name: "http_server_request_duration_seconds",
    help: "Time from the request's headers to the end of its reply.",
    labelNames: LABELS,
    buckets: BUCKETS,
    registers: [registry],
  });
}

describe("RequestDurations", () => {
  it("tells what prom-client's histogram tells, as text and as data", async (t) => {
    const seed = freshSeed();
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const ours = new Registry();
    const durations = new RequestDurations(ours);
    const theirs = new Registry();
    const histogram = reference(theirs);
    for (let i = 0; i < 2000; i++) {
      const ms = pick([...BUCKETS.map((bucket) => bucket * 1000), random() * 20, random() * 20_000]);
      const record = request(
        pick(["GET", "POST", "BREW"]),
        pick(["", "/v1/{name=*}", "/v1/a"]),
        pick([200, 404]),
        pick([0, 5]),
        ms,
      );
      durations.observe(record);
      histogram.observe(
        {
          http_request_method: record.method === "BREW" ? "_OTHER" : record.method,
          http_route: record.template,
          http_response_status_code: record.status,
          rpc_method: record.rpc,
          rpc_response_status_code: codeName(record.grpcCode),
        },
        (record.endMs - record.startMs) / 1000,
      );
    }
    const lines = async (registry: Registry): Promise<string[]> => (await registry.metrics()).trim().split("\n").sort();
    assert.deepEqual(await lines(ours), await lines(theirs));
    const [own] = await ours.getMetricsAsJSON();
    const [other] = await theirs.getMetricsAsJSON();
    assert.deepEqual({ ...own, values: own?.values.length }, { ...other, values: other?.values.length });
  });
});
