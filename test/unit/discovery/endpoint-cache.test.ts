import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { EndpointCache, type EndpointCacheEvent } from "../../../src/discovery/endpoint-cache.ts";
import type { Endpoint, ResolverListener } from "../../../src/upstream/resolver.ts";
import { Told } from "../../support/etcd.ts";
import { HandClock } from "../../support/hand-clock.ts";

const list = (...addresses: string[]): Endpoint[] =>
  addresses.map((address) => ({ address, connections: 1, weight: 2, zone: "z" }));

async function fileOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-cache-"));
  t.after(() => rm(folder, { recursive: true }));
  return path.join(folder, "endpoints.json");
}

async function open(file: string) {
  const clock = new HandClock();
  const events: EndpointCacheEvent[] = [];
  const cache = await EndpointCache.open({ file, clock, onEvent: (event) => events.push(event) });
  /** A resolver that the test plays. */
  const follow = (upstream: string, source = "s", connections: number | null = 1) => {
    const told = new Told();
    let inner: ResolverListener | undefined;
    const start = (listener: ResolverListener): void => void (inner = listener);
    const resolver = cache.wrap({ upstream, source, connections }, { start, close() {} });
    resolver.start(told);
    return { told, resolver, inner: inner ?? assert.fail("not started") };
  };
  return { cache, clock, events, follow };
}

/** A file that an earlier run has written. */
async function written(file: string): Promise<void> {
  const { cache, follow } = await open(file);
  follow("a").inner.onEndpoints(list("10.0.0.1:1", "10.0.0.2:1"));
  await cache.close();
}

describe("EndpointCache", () => {
  it("tells the list of an earlier run where discovery fails, until there is a live one", async (t) => {
    const file = await fileOf(t);
    await written(file);
    const { follow, events } = await open(file);
    const { told, inner } = follow("a", "s", 3);
    assert.deepEqual(told.lists, []);
    inner.onTrouble("etcd is away");
    assert.deepEqual(told.lists, [list("10.0.0.1:1", "10.0.0.2:1").map((one) => ({ ...one, connections: 3 }))]);
    assert.deepEqual(told.troubles, ["etcd is away"]);
    assert.deepEqual(
      events.map(
        (event) => event.type === "used" && [event.upstream, event.endpoints, !Number.isNaN(Date.parse(event.toldAt))],
      ),
      [["a", 2, true]],
    );
    inner.onEndpoints(list("10.0.0.9:1"));
    inner.onTrouble("etcd is away again");
    assert.equal(told.addresses, "10.0.0.9:1");
  });

  it("tells it, too, where discovery says nothing at all; never where it is of something else", async (t) => {
    const file = await fileOf(t);
    await written(file);
    const { follow, clock } = await open(file);
    const [slow, quick, closed, other, unknown] = [
      follow("a"),
      follow("a"),
      follow("a"),
      follow("a", "else"),
      follow("b"),
    ];
    quick.inner.onEndpoints([]);
    closed.resolver.close();
    clock.advance(1000);
    assert.deepEqual(
      [slow, quick, closed, other, unknown].map(({ told }) => told.addresses),
      ["10.0.0.1:1,10.0.0.2:1", "", undefined, undefined, undefined],
    );
  });

  it("writes changes together, whole, for nobody else to read, and never an empty list", async (t) => {
    const file = await fileOf(t);
    await written(file);
    await chmod(file, 0o644);
    const { cache, follow, clock } = await open(file);
    const [a, b] = [follow("a"), follow("b")];
    const before = await readFile(file, "utf8");
    for (let i = 1; i < 100; i++) b.inner.onEndpoints(list(`10.0.0.${i}:1`));
    a.inner.onEndpoints([]);
    assert.equal(clock.pending, 1);
    assert.equal(await readFile(file, "utf8"), before);
    clock.advance(1000);
    await cache.close();
    const { version, upstreams } = JSON.parse(await readFile(file, "utf8"));
    assert.equal(version, 1);
    assert.deepEqual(
      Object.entries<{ endpoints: Endpoint[] }>(upstreams).map(([name, { endpoints }]) => [name, endpoints.length]),
      [
        ["a", 2],
        ["b", 1],
      ],
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(path.dirname(file)), ["endpoints.json"]);
  });

  it("forgets upstreams that are no more", async (t) => {
    const file = await fileOf(t);
    await written(file);
    const { cache, follow } = await open(file);
    cache.retain(new Set(["b"]));
    follow("b").inner.onEndpoints(list("10.0.0.3:1"));
    await cache.close();
    assert.deepEqual(Object.keys(JSON.parse(await readFile(file, "utf8")).upstreams), ["b"]);
  });

  for (const [what, text, reason] of [
    ["no JSON", "{", /JSON/],
    ["a list", "[]", /no JSON object/],
    ["a later version", '{"version":2,"upstreams":{}}', /its version is 2; expected 1/],
    ["no upstreams", '{"version":1}', /it has no upstreams/],
    [
      "a bad address",
      '{"version":1,"upstreams":{"a":{"source":"s","toldAt":"","endpoints":["x"]}}}',
      /"a": "x" is no address/,
    ],
    ["no source", '{"version":1,"upstreams":{"a":{"endpoints":["x:1"]}}}', /"a": source or toldAt is missing/],
    [
      "nothing that it knows",
      '{"version":1,"upstreams":{"__proto__":7}}',
      /"__proto__": the list of endpoints is no array/,
    ],
  ] as const) {
    it(`ignores a file with ${what}, says so once, and writes it anew`, async (t) => {
      const file = await fileOf(t);
      await writeFile(file, text);
      const { cache, events, follow } = await open(file);
      assert.equal(events.length, 1);
      assert.match(events[0]?.type === "unreadable" ? events[0].reason : "", reason);
      const { inner, told } = follow("a");
      inner.onTrouble("away");
      assert.deepEqual(told.lists, []);
      inner.onEndpoints(list("10.0.0.1:1"));
      await cache.close();
      assert.equal(JSON.parse(await readFile(file, "utf8")).version, 1);
    });
  }

  it("goes on where the file cannot be read or written, and says so once", async (t) => {
    const file = await fileOf(t);
    await mkdir(file);
    const { cache, clock, events, follow } = await open(file);
    const { inner } = follow("a");
    for (const n of [1, 2]) {
      inner.onEndpoints(list(`10.0.0.${n}:1`));
      clock.advance(1000);
      await cache.close();
    }
    assert.deepEqual(
      events.map(({ type }) => type),
      ["unreadable", "unwritten"],
    );
  });
});
