import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptEnd, AttemptListener, CallHandle } from "../../../src/call/call.ts";
import { RetryBudget } from "../../../src/call/retry-budget.ts";
import { Code } from "../../../src/core/code.ts";
import { GatewayError } from "../../../src/core/errors.ts";
import type { Connection, ConnectionEvents, ConnectionState } from "../../../src/upstream/connection/connection.ts";
import type { UpstreamEvent } from "../../../src/upstream/event.ts";
import type { Endpoint, ResolverListener } from "../../../src/upstream/resolver.ts";
import { createUpstream, type Upstream, type UpstreamOptions } from "../../../src/upstream/upstream.ts";
import { HandClock } from "../../support/hand-clock.ts";
import { freshSeed, seededRandom } from "../../support/seeded-random.ts";
import { defaultHealth, wholeFleet } from "../../support/default-health.ts";
import { Recorder } from "../../support/grpc-calls.ts";

const handle: CallHandle = {
  send: () => true,
  halfClose() {},
  pause() {},
  resume() {},
  cancel() {},
};

class FakeConnection implements Connection {
  readonly address: string;
  state: ConnectionState = "idle";
  hasRoom = true;
  destroyed = false;
  connects = 0;
  readonly running: AttemptListener[] = [];
  private readonly events: ConnectionEvents;

  constructor(address: string, events: ConnectionEvents) {
    this.address = address;
    this.events = events;
  }

  connect(): void {
    this.connects++;
    if (this.state === "idle" || this.state === "backoff") this.become("connecting");
  }
  become(state: ConnectionState): void {
    this.state = state;
    this.events.onState(state);
  }
  suspect(isSuspect: boolean): void {
    this.events.onSuspect(isSuspect);
    if (isSuspect) for (const listener of this.running) listener.onStalled?.();
  }
  start(_: unknown, listener: AttemptListener): CallHandle {
    assert.equal(this.state, "ready", "an attempt on a connection that is not ready");
    this.running.push(listener);
    return handle;
  }
  end(outcome: AttemptEnd["outcome"], code: Code): void {
    this.running.shift()?.onEnd({ code, message: "", trailers: [], error: null, outcome });
  }
  close(): void {
    if (this.state !== "closed") this.become("closed");
  }
  destroy(): void {
    this.close();
    this.destroyed = true;
  }
}

function endpoint(address: string, connections = 1, weight = 1): Endpoint {
  return { address, connections, weight, zone: "" };
}

function make(options: Partial<UpstreamOptions> = {}) {
  const clock = new HandClock();
  const connections: FakeConnection[] = [];
  const events: UpstreamEvent[] = [];
  let discovery: ResolverListener | undefined;
  const resolver = {
    closed: 0,
    start: (listener: ResolverListener) => void (discovery = listener),
    close: () => void resolver.closed++,
  };
  const upstream = createUpstream({
    name: "u",
    resolver,
    connect: (address, { upstream: name }, on) => {
      assert.equal(name, "u");
      const connection = new FakeConnection(address, on);
      connections.push(connection);
      return connection;
    },
    budget: new RetryBudget({ percent: 20, minPerSecond: 10 }, clock),
    connectTimeoutMs: 1_000,
    maxMessageBytes: 1_000,
    maxConnectionsPerEndpoint: 2,
    loadBalancing: { policy: "round_robin" },
    queue: 2,
    removalGuardMs: 0,
    fleet: wholeFleet,
    health: defaultHealth,
    clock,
    random: seededRandom(1),
    onEvent: (event) => events.push(event),
    ...options,
  });
  assert.ok(discovery, "the resolver was not started");
  const to = (address: string) => connections.filter((connection) => connection.address === address);
  const start = (tried: string[] = []) => {
    const pick = upstream.pick(tried);
    assert.ok(pick);
    const recorder = new Recorder<AttemptEnd>();
    const call = pick.start({ path: "/s/M", metadata: [], message: null, deadlineMs: Infinity }, recorder);
    return { endpoint: pick.endpoint, recorder, call };
  };
  return { upstream, clock, connections, events, resolver, discovery, to, start };
}

const endpointsOf = (connections: readonly FakeConnection[]) =>
  connections.map(({ address, state }) => `${address} ${state}`);

describe("createUpstream()", () => {
  it("connects at once to what discovery tells, and gives what is ready", () => {
    const { upstream, discovery, connections, events } = make();
    assert.deepEqual(upstream.status(), {
      endpoints: 0,
      ready: 0,
      healthy: 0,
      waiting: 0,
      queued: 0,
      discovery: "waiting",
    });
    discovery.onEndpoints([endpoint("a:1", 2), endpoint("b:1")]);
    assert.deepEqual(endpointsOf(connections), ["a:1 connecting", "a:1 connecting", "b:1 connecting"]);
    assert.equal(upstream.pick([]), null);
    connections[1]?.become("ready");
    assert.equal(upstream.pick([])?.endpoint, "a:1");
    assert.deepEqual(upstream.status(), { endpoints: 2, ready: 1, healthy: 1, waiting: 0, queued: 0, discovery: "ok" });
    assert.deepEqual(
      events.map((event) => event.type),
      [
        "endpoint_added",
        "connection_state",
        "connection_state",
        "endpoint_added",
        "connection_state",
        "list_updated",
        "connection_state",
      ],
    );
  });

  it("touches only what a new list changes", () => {
    const { upstream, discovery, connections, to } = make();
    discovery.onEndpoints([endpoint("a:1", 2), endpoint("b:1")]);
    for (const connection of connections) connection.become("ready");
    discovery.onEndpoints([endpoint("c:1"), endpoint("a:1", 3)]);
    assert.deepEqual(endpointsOf(to("a:1")), ["a:1 ready", "a:1 ready", "a:1 connecting"]);
    assert.deepEqual(endpointsOf(to("b:1")), ["b:1 closed"]);
    assert.deepEqual(endpointsOf(to("c:1")), ["c:1 connecting"]);
    discovery.onEndpoints([endpoint("a:1", 1)]);
    assert.deepEqual(endpointsOf(to("a:1")), ["a:1 ready", "a:1 closed", "a:1 closed"]);
    assert.equal(connections.length, 5);
    assert.deepEqual(upstream.status(), { endpoints: 1, ready: 1, healthy: 1, waiting: 0, queued: 0, discovery: "ok" });
  });

  it("tries a broken connection at once where discovery names its address again", () => {
    const { discovery, to } = make();
    discovery.onEndpoints([endpoint("a:1")]);
    to("a:1")[0]?.become("backoff");
    discovery.onEndpoints([endpoint("a:1")]);
    assert.deepEqual(endpointsOf(to("a:1")), ["a:1 connecting"]);
  });

  it("says how discovery does and keeps its last list", () => {
    const { upstream, discovery, to } = make();
    discovery.onEndpoints([endpoint("a:1")]);
    to("a:1")[0]?.become("ready");
    discovery.onTrouble("etcd does not answer");
    assert.deepEqual(upstream.status(), {
      endpoints: 1,
      ready: 1,
      healthy: 1,
      waiting: 0,
      queued: 0,
      discovery: "etcd does not answer",
    });
    discovery.onRecovered();
    assert.equal(upstream.status().discovery, "ok");
  });

  it("lets calls wait in order up to its queue, and hurries broken connections on their account", () => {
    const { upstream, discovery, to, clock } = make();
    discovery.onEndpoints([endpoint("a:1")]);
    const [connection] = to("a:1");
    connection?.become("backoff");
    const woken: string[] = [];
    upstream.wait(() => woken.push("first"));
    assert.equal(connection?.state, "connecting");
    connection?.become("backoff");
    const takeBack = upstream.wait(() => woken.push("second"));
    assert.equal(connection?.state, "backoff", "not with every call");
    assert.throws(
      () => upstream.wait(() => {}),
      (error) => error instanceof GatewayError && error.code === "UPSTREAM_QUEUE_FULL" && error.retryAfterSeconds === 1,
    );
    takeBack();
    clock.advance(300);
    upstream.wait(() => woken.push("third"));
    assert.equal(upstream.status().waiting, 2);
    assert.equal(connection?.state, "connecting");
    connection?.become("ready");
    assert.deepEqual(woken, ["first", "third"]);
    assert.equal(upstream.status().waiting, 0);
  });

  it("ejects an instance that stays connected and answers UNAVAILABLE, up to half of them", () => {
    const { upstream, discovery, connections, events, clock, start } = make();
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1"), endpoint("c:1")]);
    for (const connection of connections) connection.become("ready");
    const failing = new Set(["a:1", "b:1"]);
    const run = (times: number) => {
      const shares: Record<string, number> = {};
      for (let i = 0; i < times; i++) {
        const { endpoint: address } = start();
        shares[address] = (shares[address] ?? 0) + 1;
        const connection = connections.find((one) => one.address === address);
        connection?.end("answered", failing.has(address) ? Code.Unavailable : Code.NotFound);
      }
      return shares;
    };
    run(9);
    const ejected = events.filter((event) => event.type === "endpoint_ejected");
    assert.equal(ejected.length, 1, "a second one would be more than half of three");
    const shares = run(20);
    assert.equal(Object.keys(shares).length, 2);
    failing.clear();
    clock.advance(1_000);
    assert.deepEqual(events.at(-1), { upstream: "u", type: "endpoint_readmitted", endpoint: "a:1" });
    const { "a:1": a = 0 } = run(30);
    assert.ok(a === 10 || a === 11, `${a}`); // it begins in the middle of a round
    assert.equal(upstream.status().ready, 3);
  });

  it("ejects an instance that lets calls run into their limits, but not for limits that are very short", () => {
    const { discovery, connections, events, clock, start } = make({ loadBalancing: { policy: "least_request" } });
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    connections[0]?.become("ready");
    connections[1]?.become("ready");
    const timeOut = (ms: number) => {
      const calls = Array.from({ length: 3 }, () => start(["b:1"]));
      clock.advance(ms);
      for (const { call } of calls) call.cancel("timeout");
    };
    const ejected = () => events.filter((event) => event.type === "endpoint_ejected").length;
    timeOut(99);
    assert.equal(ejected(), 0);
    timeOut(100);
    assert.equal(ejected(), 1);
  });

  it("gives one that is back one call at a time, until that shows a sign of life", () => {
    const { discovery, connections, clock, start } = make();
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    for (const connection of connections) connection.become("ready");
    const [a, b] = connections;
    assert.ok(a && b);
    const toB = (calls: number) => {
      const before = b.running.length;
      const started = Array.from({ length: calls }, () => start());
      return { calls: b.running.length - before, last: started.findLast((one) => one.endpoint === "b:1") };
    };
    for (const { call } of Array.from({ length: 3 }, () => start(["a:1"]))) {
      clock.advance(100);
      call.cancel("timeout");
    }
    assert.equal(toB(10).calls, 0);
    clock.advance(1_000);
    const trial = toB(10);
    assert.equal(trial.calls, 1);
    trial.last?.call.cancel();
    b.running.length = 0;
    assert.equal(toB(10).calls, 1, "one that was given up by its client shows nothing");
    b.running[0]?.onHeaders([]);
    assert.equal(toB(10).calls, 1, "headers are a sign of life, but not yet an answer");
    b.end("answered", Code.Ok);
    assert.equal(toB(10).calls, 5);
  });

  it("neither ejects for what a broken connection took with it nor for what its owners cancelled", () => {
    const { discovery, connections, events, start } = make();
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    for (const connection of connections) connection.become("ready");
    for (let i = 0; i < 20; i++) start();
    const [a, b] = connections;
    a?.become("backoff");
    while (a !== undefined && a.running.length > 0) a.end("unknown", Code.Unavailable);
    for (let i = 0; i < 10; i++) start().call.cancel();
    while (b !== undefined && b.running.length > 0) b.end("answered", Code.Ok);
    assert.ok(!events.some((event) => event.type === "endpoint_ejected"));
  });

  it("takes out at once an endpoint of weight 0", () => {
    const { upstream, discovery, to } = make({ removalGuardMs: 1_000, health: defaultHealth });
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    for (const address of ["a:1", "b:1"]) to(address)[0]?.become("ready");
    discovery.onEndpoints([endpoint("a:1", 1, 0), endpoint("b:1", 1, 0)]);
    assert.deepEqual(endpointsOf([...to("a:1"), ...to("b:1")]), ["a:1 closed", "b:1 closed"]);
    assert.equal(upstream.status().endpoints, 0);
  });

  describe("with a removal guard", () => {
    function makeReady(...addresses: string[]) {
      const lab = make({ removalGuardMs: 60_000, health: defaultHealth });
      lab.discovery.onEndpoints(addresses.map((address) => endpoint(address)));
      for (const connection of lab.connections) connection.become("ready");
      return lab;
    }
    const four = ["a:1", "b:1", "c:1", "d:1"];
    const open = (connections: readonly FakeConnection[]) =>
      connections.filter(({ state }) => state !== "closed").map(({ address }) => address);

    it("keeps what an empty list misses, and touches no connection when all are told again", () => {
      const { discovery, connections, events, clock, upstream } = makeReady(...four);
      discovery.onEndpoints([]);
      assert.deepEqual(events.slice(-2), [
        { upstream: "u", type: "list_updated", endpoints: 4, added: 0, removed: 0 },
        { upstream: "u", type: "removal_held", endpoints: 4 },
      ]);
      clock.advance(59_999);
      for (let count = 1; count <= 4; count++) {
        discovery.onEndpoints(four.slice(0, count).map((address) => endpoint(address)));
        assert.deepEqual(endpointsOf(connections), ["a:1 ready", "b:1 ready", "c:1 ready", "d:1 ready"]);
      }
      clock.advance(60_000);
      assert.equal(upstream.status().ready, 4);
      assert.equal(clock.pending, 1, "but that of outlier detection");
    });

    it("lets go what no list has told for as long as it may be kept", () => {
      const { discovery, connections, events, clock } = makeReady(...four);
      discovery.onEndpoints([endpoint("a:1")]);
      clock.advance(30_000);
      discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
      clock.advance(29_999);
      assert.deepEqual(open(connections), four);
      clock.advance(1);
      assert.deepEqual(open(connections), ["a:1", "b:1"]);
      assert.deepEqual(events.at(-1), { upstream: "u", type: "list_updated", endpoints: 2, added: 0, removed: 2 });
    });

    it("lets go what fails to connect again, and waits for what only lost its connection", () => {
      const { discovery, connections, to } = makeReady(...four);
      to("d:1")[0]?.become("backoff");
      discovery.onEndpoints([]);
      assert.deepEqual(open(connections), ["a:1", "b:1", "c:1"]);
      to("a:1")[0]?.become("connecting");
      to("b:1")[0]?.become("connecting");
      assert.deepEqual(open(connections), ["a:1", "b:1", "c:1"]);
      to("a:1")[0]?.become("ready");
      to("b:1")[0]?.become("backoff");
      assert.deepEqual(open(connections), ["a:1", "c:1"]);
    });

    it("lets go what is missing once others are in its place", () => {
      const { discovery, connections } = makeReady("a:1", "b:1");
      discovery.onEndpoints([]);
      discovery.onEndpoints([endpoint("c:1")]);
      assert.deepEqual(open(connections), ["a:1", "b:1", "c:1"]);
      discovery.onEndpoints([endpoint("c:1"), endpoint("e:1")]);
      assert.deepEqual(open(connections), ["c:1", "e:1"]);
    });

    it("believes that one of two leaves, that fewer than half leave, and that others take over", () => {
      for (const [before, after] of [
        [["a:1", "b:1"], ["a:1"]],
        [
          ["a:1", "b:1", "c:1"],
          ["a:1", "b:1"],
        ],
        [four, ["e:1", "f:1", "g:1"]],
      ] as const) {
        const { discovery, connections, clock } = makeReady(...before);
        discovery.onEndpoints(after.map((address) => endpoint(address)));
        assert.deepEqual(open(connections), [...after]);
        assert.equal(clock.pending, 1, "but that of outlier detection");
      }
    });

    it("leaves no timer behind", () => {
      const { discovery, upstream, clock } = makeReady(...four);
      discovery.onEndpoints([]);
      upstream.close();
      assert.equal(clock.pending, 0);
    });

    it("can be turned off while it runs, for the next list", () => {
      const { discovery, upstream, connections } = makeReady(...four);
      upstream.update({ loadBalancing: { policy: "round_robin" }, queue: 2, removalGuardMs: 0, health: defaultHealth });
      discovery.onEndpoints([]);
      assert.deepEqual(open(connections), []);
    });
  });

  it("ends with close(): no picks, waiting calls are told, connections close, destroy() cuts those with calls", () => {
    const { upstream, discovery, connections, resolver, start } = make();
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    connections[0]?.become("ready");
    const { recorder } = start();
    let woken = 0;
    upstream.wait(() => woken++);
    upstream.close();
    upstream.close();
    assert.deepEqual([resolver.closed, woken], [1, 1]);
    assert.deepEqual(endpointsOf(connections), ["a:1 closed", "b:1 closed"]);
    assert.equal(upstream.pick([]), null);
    assert.throws(() => upstream.wait(() => {}), { code: "UPSTREAM_UNAVAILABLE" });
    discovery.onEndpoints([endpoint("c:1")]);
    assert.equal(connections.length, 2);
    upstream.destroy();
    assert.deepEqual(
      connections.map((connection) => connection.destroyed),
      [true, false],
    );
    connections[0]?.end("unknown", Code.Unavailable);
    assert.equal(recorder.end?.code, Code.Unavailable);
  });

  it("changes policy and queue without touching a connection", () => {
    const { upstream, discovery, connections } = make();
    discovery.onEndpoints([endpoint("a:1")]);
    upstream.update({ loadBalancing: { policy: "least_request" }, queue: 0, removalGuardMs: 0, health: defaultHealth });
    assert.throws(() => upstream.wait(() => {}), { code: "UPSTREAM_QUEUE_FULL" });
    connections[0]?.become("ready");
    assert.equal(upstream.pick([])?.endpoint, "a:1");
    assert.equal(connections.length, 1);
  });

  for (const policy of ["round_robin", "weighted_round_robin", "least_request"] as const) {
    it(`holds its invariants through thousands of random steps, ${policy}`, (context) => {
      const seed = freshSeed();
      context.diagnostic(`seed ${seed}`);
      const random = seededRandom(seed);
      const { upstream, clock, connections, events, discovery, start } = make({
        loadBalancing: { policy },
        random: seededRandom(seed + 1),
        queue: 5,
      });
      const pickOf = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)];
      const listed = new Map<string, number>();
      let waits: { woken: boolean; takeBack: () => void }[] = [];
      let started = 0;
      let ended = 0;
      const steps: Record<string, () => void> = {
        list() {
          listed.clear();
          for (let i = 0; i < 6; i++) if (random() < 0.5) listed.set(`h${i}:1`, 1 + Math.floor(random() * 3));
          discovery.onEndpoints(
            [...listed].map(([address, count]) => endpoint(address, count, 1 + Math.floor(random() * 3))),
          );
        },
        connection() {
          const connection = pickOf(connections.filter(({ state }) => state !== "closed"));
          if (connection === undefined) return;
          if (connection.state === "connecting") connection.become(random() < 0.7 ? "ready" : "backoff");
          else if (connection.state === "backoff") connection.become("connecting");
          else if (connection.state === "ready" && random() < 0.3) connection.become("backoff");
        },
        call() {
          const tried = [...listed.keys()].filter(() => random() < 0.3);
          const pick = upstream.pick(tried);
          const ready = connections.filter(({ state }) => state === "ready");
          assert.equal(pick === null, ready.length === 0, "a pick exactly where something is ready");
          if (pick === null) return;
          assert.ok(
            ready.some(({ address }) => address === pick.endpoint),
            "picked what is not ready",
          );
          const untried = ready.filter(({ address }) => !tried.includes(address));
          assert.ok(untried.length === 0 || !tried.includes(pick.endpoint), "tried again while another was left");
          const { recorder, call } = start(tried);
          started++;
          void recorder.ended.then(() => ended++);
          if (random() < 0.2) call.cancel();
        },
        end() {
          const connection = pickOf(connections.filter(({ running }) => running.length > 0));
          const outcome = pickOf(["answered", "answered", "not_processed", "unknown"] as const) ?? "answered";
          const fails = connection?.address === "h0:1" || random() < 0.1;
          connection?.end(outcome, fails ? Code.Unavailable : Code.Ok);
        },
        wait() {
          if (upstream.pick([]) !== null) return;
          const waiter = { woken: false, takeBack: () => {} };
          try {
            waiter.takeBack = upstream.wait(() => {
              assert.ok(!waiter.woken, "woken twice");
              waiter.woken = true;
              assert.notEqual(upstream.pick([]), null, "woken with nothing ready");
            });
            waits.push(waiter);
          } catch (error) {
            assert.equal((error as GatewayError).code, "UPSTREAM_QUEUE_FULL");
            assert.equal(upstream.status().waiting, 5);
          }
        },
        takeBack() {
          const waiter = pickOf(waits);
          waiter?.takeBack();
          waits = waits.filter((one) => one !== waiter);
        },
        time() {
          clock.advance(random() * 500);
        },
      };
      for (let step = 0; step < 5_000; step++) {
        const others = ["connection", "call", "call", "end", "end", "wait", "takeBack", "time"];
        const name = step % 100 === 0 ? "list" : pickOf(others);
        steps[name ?? ""]?.();
        waits = waits.filter((waiter) => !waiter.woken);
        const open = connections.filter(({ state }) => state !== "closed");
        const perAddress = new Map<string, number>();
        for (const { address } of open) perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
        assert.deepEqual(
          perAddress,
          new Map([...listed].sort().filter(() => true)).size === 0 ? new Map() : perAddress,
        );
        assert.equal(
          open.length,
          [...listed.values()].reduce((sum, count) => sum + count, 0),
          "connections of the list, no more",
        );
        const readyAddresses = new Set(open.filter(({ state }) => state === "ready").map(({ address }) => address));
        const status = upstream.status();
        assert.equal(status.endpoints, listed.size);
        assert.equal(status.ready, readyAddresses.size);
        assert.equal(status.waiting, waits.length);
      }
      assert.ok(started > 500, `only ${started} calls`);
      assert.ok(
        events.some(({ type }) => type === "endpoint_ejected"),
        "nothing was ejected",
      );
      for (const waiter of waits) waiter.takeBack();
      upstream.destroy();
      for (const connection of connections) {
        assert.equal(connection.state, "closed");
        while (connection.running.length > 0) connection.end("unknown", Code.Unavailable);
      }
      assert.equal(clock.pending, 0, "timers left");
      assert.ok(ended <= started);
    });
  }
});

describe("an upstream with a connection that gives no sign of life", () => {
  const ready = (...addresses: string[]) => {
    const lab = make();
    lab.discovery.onEndpoints(addresses.map((address) => endpoint(address)));
    for (const connection of lab.connections) connection.become("ready");
    const [first, second] = lab.connections;
    assert.ok(first && second);
    return { ...lab, first, second };
  };
  const picks = (upstream: Upstream, count: number) =>
    Array.from({ length: count }, () => upstream.pick([])?.endpoint).join(" ");

  it("passes it over while there is another, and uses it again with the first sign of life", () => {
    const { upstream, events, first, second } = ready("a:1", "b:1");
    first.suspect(true);
    assert.equal(picks(upstream, 4), "b:1 b:1 b:1 b:1");
    second.suspect(true);
    assert.match(picks(upstream, 4), /a:1 b:1/);
    second.suspect(false);
    assert.equal(picks(upstream, 2), "b:1 b:1");
    first.suspect(false);
    assert.match(picks(upstream, 4), /a:1/);
    assert.deepEqual(
      events.filter(({ type }) => type === "connection_suspect").map((event) => ({ ...event, upstream: "" }))[0],
      { upstream: "", type: "connection_suspect", endpoint: "a:1", index: 0, isSuspect: true },
    );
  });

  it("forgets it with the connection", () => {
    const { upstream, first } = ready("a:1", "b:1");
    first.suspect(true);
    first.become("connecting");
    first.become("ready");
    assert.match(picks(upstream, 4), /a:1/);
  });

  it("tells its attempts without a reply while another is in good health, and not where there is none", () => {
    const { start, first, second } = ready("a:1", "b:1");
    const [one, two] = [start(), start()];
    assert.deepEqual([one.endpoint, two.endpoint], ["a:1", "b:1"]);
    const replied = start(["b:1"]);
    first.running[1]?.onHeaders([]);
    first.suspect(true);
    second.suspect(true);
    assert.deepEqual([one.recorder.stalls, replied.recorder.stalls, two.recorder.stalls], [1, 0, 0]);
  });
});

describe("an upstream of a large fleet", () => {
  const fleet = (count: number) => Array.from({ length: count }, (_, index) => endpoint(`i${index}:1`));

  it("connects to a subset only, and doubts a list by what it tells, not by what is used of it", () => {
    const { upstream, discovery, connections, clock } = make({
      fleet: { ...wholeFleet, subsetSize: 10 },
      removalGuardMs: 60_000,
    });
    discovery.onEndpoints(fleet(100));
    assert.equal(connections.length, 10);
    discovery.onEndpoints(fleet(51));
    assert.equal(upstream.status().endpoints, 10, "49 of 100 gone: believed");
    for (const connection of connections) if (connection.state === "connecting") connection.become("ready");
    discovery.onEndpoints(fleet(3));
    assert.ok(upstream.status().endpoints >= 10, "48 of 51: doubted");
    clock.advance(60_000);
    assert.equal(upstream.status().endpoints, 3);
    upstream.destroy();
  });

  it("uses no more than it may, and says so once", () => {
    const { upstream, discovery, events } = make({ fleet: { ...wholeFleet, maxEndpoints: 5 } });
    for (const count of [5, 8, 9, 5, 6]) {
      discovery.onEndpoints(fleet(count));
      assert.equal(upstream.status().endpoints, 5);
    }
    assert.deepEqual(
      events.flatMap((event) => (event.type === "endpoints_limited" ? [[event.listed, event.used]] : [])),
      [
        [8, 5],
        [6, 5],
      ],
    );
  });

  it("takes a thousand instances and their changes in a few milliseconds, and touches no connection for them", () => {
    const { discovery, connections } = make({ fleet: { ...wholeFleet, subsetSize: 1_000 }, onEvent() {} });
    discovery.onEndpoints(fleet(1_000));
    for (const connection of connections) connection.become("ready");
    const times = Array.from({ length: 20 }, (_, round) => {
      const startMs = performance.now();
      discovery.onEndpoints(fleet(1_000 + round));
      return performance.now() - startMs;
    });
    assert.ok(connections.filter(({ state }) => state === "closed").length <= 20);
    const median = times.sort((a, b) => a - b)[10] ?? Infinity;
    assert.ok(median < 10, `${median} ms`);
  });
});

describe("an upstream that prefers its zone", () => {
  const zoned = (address: string, zone: string): Endpoint => ({ ...endpoint(address), zone });
  const picks = (upstream: Upstream) => new Set(Array.from({ length: 20 }, () => upstream.pick([])?.endpoint));

  it("stays there while enough are in good health, and follows an instance that moves", () => {
    const { upstream, discovery, to } = make({
      fleet: { ...wholeFleet, zone: "z", zonePreference: { spillBelow: 70, minEndpoints: 1 } },
    });
    discovery.onEndpoints([zoned("a:1", "z"), zoned("b:1", "z"), zoned("c:1", "y"), zoned("d:1", "")]);
    for (const address of ["a:1", "b:1", "c:1", "d:1"]) to(address)[0]?.become("ready");
    assert.deepEqual(picks(upstream), new Set(["a:1", "b:1"]));
    to("a:1")[0]?.become("backoff");
    assert.deepEqual([...picks(upstream)].sort(), ["b:1", "c:1", "d:1"], "half of the zone is not enough");
    to("b:1")[0]?.become("backoff");
    assert.deepEqual(picks(upstream), new Set(["c:1", "d:1"]));
    discovery.onEndpoints([zoned("a:1", "z"), zoned("b:1", "y"), zoned("c:1", "z"), zoned("d:1", "")]);
    to("a:1")[0]?.become("ready");
    to("b:1")[0]?.become("ready");
    assert.deepEqual(picks(upstream), new Set(["a:1", "c:1"]));
  });
});

describe("an upstream whose instances take a limited number of calls at once", () => {
  it("goes to another instance, opens connections up to the limit, then waits, and gives them back after a minute", () => {
    const { upstream, discovery, to, start, clock, events } = make();
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    const [a, b] = [to("a:1")[0], to("b:1")[0]];
    assert.ok(a && b);
    a.become("ready");
    b.become("ready");
    a.hasRoom = false;
    assert.deepEqual([start().endpoint, start().endpoint], ["b:1", "b:1"]);
    assert.equal(to("a:1").length, 2, "one more connection, while it is used up");
    b.hasRoom = false;
    const waiting = start();
    assert.deepEqual([upstream.status().queued, a.running.length, b.running.length], [1, 0, 2]);
    start();
    assert.deepEqual([to("a:1").length, to("b:1").length], [2, 2]);
    clock.advance(50);
    for (const connection of [...to("a:1"), ...to("b:1")])
      if (connection.state === "connecting") connection.become("ready");
    assert.equal(upstream.status().queued, 0);
    assert.ok(events.some((event) => event.type === "call_queued" && event.waitMs === 50));
    waiting.call.cancel();
    const [, more] = to("a:1");
    assert.ok(more);
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    assert.equal(more.state, "ready", "a list does not take it away");
    while (more.running.length > 0) more.end("answered", Code.Ok);
    clock.advance(59_000);
    assert.equal(more.state, "ready");
    clock.advance(10_000);
    assert.equal(more.state, "closed");
    assert.equal(a.state, "ready");
  });

  it("has no larger share for more connections, and no health for them", () => {
    const { upstream, discovery, to } = make({ loadBalancing: { policy: "round_robin" } });
    discovery.onEndpoints([endpoint("a:1"), endpoint("b:1")]);
    for (const address of ["a:1", "b:1"]) to(address)[0]?.become("ready");
    const [a] = to("a:1");
    assert.ok(a);
    a.hasRoom = false;
    upstream.pick([]);
    upstream.pick([]);
    a.hasRoom = true;
    to("a:1")[1]?.become("ready");
    const picks = Array.from({ length: 20 }, () => upstream.pick([])?.endpoint);
    assert.equal(picks.filter((picked) => picked === "a:1").length, 10);
  });

  it("sends what waits elsewhere where the instance goes", () => {
    const { discovery, to, start } = make();
    discovery.onEndpoints([endpoint("a:1")]);
    const [a] = to("a:1");
    assert.ok(a);
    a.become("ready");
    a.hasRoom = false;
    const { recorder } = start();
    a.become("backoff");
    assert.equal(recorder.end?.outcome, "not_processed");
  });
});
