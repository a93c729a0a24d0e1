import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { parseConfig } from "../../../src/config/load.ts";
import { problemsOf } from "../../../src/core/problem.ts";
import type { LoadBalancing } from "../../../src/upstream/balancer/options.ts";

function read(value: string): LoadBalancing | undefined {
  const text = `version: 1
upstreams:
  u: { target: "pass:///h:1", schema: { descriptor_set: d }, load_balancing: ${value} }
`;
  return parseConfig(text, path.join("dir", "routes.yaml"), { env: { SIZE: "251" }, readFile: () => "" }).config
    .upstreams[0]?.loadBalancing;
}

function refusals(value: string): string[] {
  try {
    read(value);
  } catch (error) {
    return (problemsOf(error) ?? []).map(({ message }) => message.replace("upstreams.u.load_balancing", "lb"));
  }
  return [];
}

describe("load_balancing:", () => {
  const hash = { hashOn: { kind: "header", name: "x-user" }, boundedLoad: null };
  for (const [written, expected] of [
    ["", { policy: "least_request", slowStart: null }],
    ["{}", { policy: "least_request", slowStart: null }],
    ["round_robin", { policy: "round_robin", slowStart: null }],
    ["{ policy: weighted_round_robin }", { policy: "weighted_round_robin", slowStart: null }],
    ["p2c_ewma", { policy: "p2c_ewma", decayMs: 10_000, slowStart: null }],
    [
      "{ policy: p2c_ewma, decay: 2s, slow_start: { window: 30s } }",
      { policy: "p2c_ewma", decayMs: 2_000, slowStart: { windowMs: 30_000, aggression: 1, minRatio: 0.1 } },
    ],
    [
      '{ slow_start: { window: 1m, aggression: 1.5, min_ratio: "0.05" } }',
      { policy: "least_request", slowStart: { windowMs: 60_000, aggression: 1.5, minRatio: 0.05 } },
    ],
    ["random", { policy: "random" }],
    ["pick_first", { policy: "pick_first" }],
    ["{ policy: ring_hash, hash_on: { header: X-User } }", { policy: "ring_hash", ...hash, pointsPerEndpoint: 160 }],
    [
      "{ policy: ring_hash, hash_on: client_ip, points: 40, bounded_load: 1.25 }",
      { policy: "ring_hash", hashOn: { kind: "client_ip" }, boundedLoad: 1.25, pointsPerEndpoint: 40 },
    ],
    [
      '{ policy: maglev, hash_on: { field: user.id }, table_size: "$' + '{SIZE}" }',
      { policy: "maglev", hashOn: { kind: "field", path: "user.id" }, boundedLoad: null, tableSize: 251 },
    ],
    ["{ module: ./p.js }", { policy: "module", path: path.resolve("dir", "p.js"), hashOn: null }],
    [
      "{ module: /p.js, hash_on: client_ip }",
      { policy: "module", path: path.resolve("/p.js"), hashOn: { kind: "client_ip" } },
    ],
  ] as const) {
    it(`reads ${written === "" ? "nothing" : written}`, () => assert.deepEqual(read(written), expected));
  }

  const names =
    "least_request or p2c_ewma or round_robin or weighted_round_robin or random or pick_first or ring_hash or maglev";
  const decimals = "expected a number from";
  const hashOn = "expected {header: NAME}, {field: PATH} or client_ip";
  for (const [written, ...expected] of [
    ["round_robbin", `lb: expected ${names}, not "round_robbin"; did you mean "round_robin"?`],
    [
      "{ policy: maglov, hash_on: x }",
      `lb.policy: expected ${names}, not "maglov"; did you mean "maglev"?`,
      `lb.hash_on: ${hashOn}, not "x"`,
    ],
    ["ring_hash", "lb: ring_hash needs hash_on: {header: NAME}, {field: PATH} or client_ip"],
    ["{ policy: maglev, hash_on: ip }", `lb.hash_on: ${hashOn}, not "ip"`],
    ["{ policy: maglev, hash_on: { header: a b } }", `lb.hash_on: ${hashOn}, not a map`],
    ["{ policy: maglev, hash_on: { header: a, field: b } }", `lb.hash_on: ${hashOn}, not a map`],
    [
      "{ policy: maglev, hash_on: client_ip, table_size: 65536 }",
      "lb.table_size: 65536 is no prime; expected one, such as 65537",
    ],
    ["{ policy: maglev, hash_on: client_ip, points: 5 }", "lb.points: belongs to ring_hash; the policy is maglev"],
    [
      "{ hash_on: client_ip, decay: 5s }",
      "lb.hash_on: belongs to ring_hash, maglev, module; the policy is least_request",
      "lb.decay: belongs to p2c_ewma; the policy is least_request",
    ],
    ["{ policy: random, module: ./p.js }", "lb.policy: a module is a policy of one's own; leave out one of the two"],
    ["{ policy: ring_hash, hash_on: client_ip, bounded_load: 1 }", `lb.bounded_load: ${decimals} 1.01 to 100, not 1`],
    ["{ slow_start: {} }", 'lb.slow_start: missing key "window": expected a duration such as 250ms, 5s or 1m30s'],
    [
      "{ slow_start: { window: 30 } }",
      "lb.slow_start.window: expected a duration such as 250ms, 5s or 1m30s, not 30; write the unit: 30s or 30ms",
    ],
    ["{ slow_start: { window: 30s, min_ratio: 2 } }", `lb.slow_start.min_ratio: ${decimals} 0.001 to 1, not 2`],
    ["{ polcy: random }", 'lb: unknown key "polcy"; did you mean "policy"?'],
  ] as const) {
    it(`refuses ${written}`, () => assert.deepEqual(refusals(written), expected));
  }
});
