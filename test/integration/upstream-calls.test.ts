import assert from "node:assert/strict";
import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import type { CallEnd } from "../../src/call/call.ts";
import { startCall, type CallOptions } from "../../src/call/chain.ts";
import { systemClock } from "../../src/core/clock.ts";
import { Code } from "../../src/core/code.ts";
import { systemRandom } from "../../src/core/random.ts";
import { grpcJsConnection } from "../../src/upstream/connection/grpc-js.ts";
import type { UpstreamEvent } from "../../src/upstream/event.ts";
import type { Endpoint, ResolverListener } from "../../src/upstream/resolver.ts";
import { createUpstream, type Upstream, type UpstreamOptions } from "../../src/upstream/upstream.ts";
import { Recorder } from "../support/grpc-calls.ts";
import { startGrpcServer, type GrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { startGrpcServerProcess, type GrpcServerProcess } from "../support/grpc-server-process.ts";

interface Lab {
  readonly upstream: Upstream;
  readonly list: (...endpoints: (string | { address: string; connections: number })[]) => void;
  /** Waits for an event of the upstream, past ones not included. */
  readonly next: (matches: (event: UpstreamEvent) => boolean) => Promise<void>;
  /** Waits until that many instances are ready. */
  readonly ready: (count: number) => Promise<void>;
  /** Waits until that many connections are ready. */
  readonly connected: (count: number) => Promise<void>;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function open(options: Partial<UpstreamOptions> = {}): Lab {
  let discovery: ResolverListener | undefined;
  let watchers: ((event: UpstreamEvent) => boolean)[] = [];
  const connections = new Set<string>();
  const upstream = createUpstream({
    name: "lab",
    resolver: { start: (listener) => void (discovery = listener), close() {} },
    connect: grpcJsConnection,
    connectTimeoutMs: 2_000,
    maxMessageBytes: 4 << 20,
    policy: "round_robin",
    queue: 1_000,
    clock: systemClock,
    random: systemRandom,
    onEvent: (event) => {
      if (event.type === "connection_state") {
        const name = `${event.endpoint} ${event.index}`;
        if (event.state === "ready") connections.add(name);
        else connections.delete(name);
      }
      watchers = watchers.filter((watcher) => !watcher(event));
    },
    ...options,
  });
  cleanups.push(() => upstream.destroy());
  const next = (matches: (event: UpstreamEvent) => boolean) =>
    new Promise<void>((resolve) => {
      watchers.push((event) => {
        if (!matches(event)) return false;
        resolve();
        return true;
      });
    });
  return {
    upstream,
    list: (...endpoints) =>
      discovery?.onEndpoints(
        endpoints.map((endpoint): Endpoint => {
          const { address, connections } =
            typeof endpoint === "string" ? { address: endpoint, connections: 1 } : endpoint;
          return { address, connections, weight: 1, zone: "" };
        }),
      ),
    next,
    ready: async (count) => {
      while (upstream.status().ready !== count) await next((event) => event.type === "connection_state");
    },
    connected: async (count) => {
      while (connections.size !== count) await next((event) => event.type === "connection_state");
    },
  };
}

async function instance(name: string, port = 0): Promise<GrpcServer> {
  const server = await startGrpcServer(labMethods(name), { port });
  cleanups.push(() => server.destroy());
  return server;
}

async function process_(name: string, port = 0): Promise<GrpcServerProcess> {
  const server = await startGrpcServerProcess(name, port);
  cleanups.push(() => server.kill("SIGKILL"));
  return server;
}

function call(upstream: Upstream, method: string, message = "", options: Partial<CallOptions> = {}) {
  const recorder = new Recorder();
  const handle = startCall(
    {
      target: upstream,
      clock: systemClock,
      random: systemRandom,
      path: `/test.Lab/${method}`,
      metadata: [],
      message: Buffer.from(message),
      totalTimeoutMs: 5_000,
      waitForReadyMs: 5_000,
      idempotent: true,
      ...options,
    },
    recorder,
  );
  return { recorder, handle };
}

async function ask(upstream: Upstream, options: Partial<CallOptions> = {}): Promise<string> {
  const { recorder } = call(upstream, "Name", "", options);
  const end = await recorder.ended;
  return end.code === Code.Ok ? (recorder.messages[0] ?? "") : `failed: ${end.error?.code ?? end.message}`;
}

async function shares(upstream: Upstream, calls: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < calls; i++) {
    const name = await ask(upstream);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Calls from several workers at once, until stopped; what failed is kept. */
function load(upstream: Upstream, workers: number, options: Partial<CallOptions> = {}) {
  const failures: string[] = [];
  const counts: Record<string, number> = {};
  let running = true;
  let total = 0;
  const work = async () => {
    while (running) {
      const { recorder } = call(upstream, "Sleep", "3", options);
      const end: CallEnd = await recorder.ended;
      total++;
      const name = recorder.messages[0] ?? "none";
      if (end.code !== Code.Ok) failures.push(`${end.code} ${end.error?.code ?? end.message}`);
      else counts[name] = (counts[name] ?? 0) + 1;
    }
  };
  const done = Promise.all(Array.from({ length: workers }, work));
  return {
    counts,
    /** Waits until that many more calls have ended. */
    more: async (calls: number) => {
      const until = total + calls;
      while (total < until) await new Promise((resolve) => setImmediate(resolve));
    },
    stop: async () => {
      running = false;
      await done;
      return { failures, total };
    },
  };
}

describe("an upstream over real sockets", () => {
  it("keeps N connections per address and shares in proportion to N", async () => {
    const [a, b] = [await instance("a"), await instance("b")];
    const sockets = { a: new Set<Socket>(), b: new Set<Socket>() };
    const proxies = [
      await proxy(a.port, (socket) => sockets.a.add(socket)),
      await proxy(b.port, (socket) => sockets.b.add(socket)),
    ];
    const lab = open();
    lab.list({ address: proxies[0] ?? "", connections: 3 }, { address: proxies[1] ?? "", connections: 1 });
    await lab.connected(4);
    assert.deepEqual(await shares(lab.upstream, 100), { a: 75, b: 25 });
    assert.deepEqual([sockets.a.size, sockets.b.size], [3, 1]);
  });

  it("gives exactly equal shares, and all of them to the rest after a removal", async () => {
    const servers = [await instance("a"), await instance("b"), await instance("c")];
    const addresses = servers.map(({ address }) => address);
    const lab = open();
    lab.list(...addresses);
    await lab.ready(3);
    assert.deepEqual(await shares(lab.upstream, 99), { a: 33, b: 33, c: 33 });
    lab.list(...addresses.slice(1));
    assert.deepEqual(await shares(lab.upstream, 50), { b: 25, c: 25 });
  });

  it("lets calls on a removed instance end", async () => {
    const a = await instance("a");
    const lab = open();
    lab.list(a.address);
    await lab.ready(1);
    const { recorder } = call(lab.upstream, "Sleep", "100");
    lab.list();
    assert.equal((await recorder.ended).code, Code.Ok);
    assert.deepEqual(lab.upstream.status(), { endpoints: 0, ready: 0, waiting: 0, discovery: "ok" });
  });

  it("makes calls wait while all instances are down, in order, and answers 503 to those that waited too long", async () => {
    const first = await instance("a");
    const lab = open();
    lab.list(first.address);
    await lab.ready(1);
    first.destroy();
    await lab.ready(0);
    const short = call(lab.upstream, "Name", "", { waitForReadyMs: 30 });
    const shortDeadline = call(lab.upstream, "Name", "", { totalTimeoutMs: 30 });
    for (const { recorder } of [short, shortDeadline]) {
      const { error } = await recorder.ended;
      assert.equal(error?.code, "UPSTREAM_UNAVAILABLE");
      assert.equal(error?.message, "upstream lab has no ready instance");
    }
    const long = [call(lab.upstream, "Echo", "1"), call(lab.upstream, "Echo", "2")];
    await instance("again", first.port);
    for (const { recorder } of long) assert.equal((await recorder.ended).code, Code.Ok);
    assert.equal(await ask(lab.upstream), "again");
  });

  it("ends a call at its deadline and cancels it at the instance", async () => {
    let cancelled: () => void = () => {};
    const seen = new Promise<void>((resolve) => (cancelled = resolve));
    const server = await startGrpcServer({
      "/test.Lab/Hang": { kind: "unary", handle: (hanging) => void hanging.on("cancelled", cancelled) },
    });
    cleanups.push(() => server.destroy());
    const lab = open();
    lab.list(server.address);
    await lab.ready(1);
    const { recorder } = call(lab.upstream, "Hang", "", { totalTimeoutMs: 50 });
    const end = await recorder.ended;
    assert.equal(end.error?.message, "no answer within 50 ms");
    await seen;
  });

  it("goes elsewhere from an instance that answers UNAVAILABLE, and soon passes it over", async () => {
    let asked = 0;
    const bad = await startGrpcServer({
      "/test.Lab/Name": {
        kind: "unary",
        handle: (_, reply) => {
          asked++;
          reply({ code: Code.Unavailable, details: "not now" });
        },
      },
    });
    cleanups.push(() => bad.destroy());
    const good = [await instance("a"), await instance("b")];
    const lab = open();
    lab.list(bad.address, ...good.map(({ address }) => address));
    await lab.ready(3);
    const { a = 0, b = 0, ...rest } = await shares(lab.upstream, 60);
    assert.deepEqual([a + b, rest], [60, {}]);
    assert.ok(asked < 8, `${asked}`);
  });

  it("uses the others while one accepts TCP and stays mute", async () => {
    const mute = net.createServer((socket) => {
      socket.on("error", () => {});
      cleanups.push(() => socket.destroy());
    });
    await once(mute.listen(0, "127.0.0.1"), "listening");
    cleanups.push(() => mute.close());
    const a = await instance("a");
    const lab = open({ connectTimeoutMs: 50 });
    const gaveUp = lab.next((event) => event.type === "connection_state" && event.state === "backoff");
    lab.list(`127.0.0.1:${(mute.address() as AddressInfo).port}`, a.address);
    await lab.ready(1);
    assert.deepEqual(await shares(lab.upstream, 10), { a: 10 });
    await gaveUp;
  });

  it("loses no idempotent call where an instance is killed under load, and uses it again when it is back", async () => {
    const servers = [await process_("a"), await process_("b"), await process_("c")];
    const [victim] = servers;
    assert.ok(victim);
    const lab = open({ policy: "least_request" });
    lab.list(...servers.map(({ address }) => address));
    await lab.ready(3);
    const traffic = load(lab.upstream, 20);
    await traffic.more(200);
    assert.equal(Object.keys(traffic.counts).length, 3);
    const gone = lab.ready(2);
    await victim.kill("SIGKILL");
    await gone;
    await traffic.more(200);
    const back = lab.ready(3);
    const startedAt = performance.now();
    await process_("a2", victim.port);
    const listening = performance.now();
    await back;
    assert.ok(performance.now() - listening < 2_000, `${performance.now() - startedAt}`);
    while ((traffic.counts["a2"] ?? 0) === 0) await traffic.more(20);
    const { failures, total } = await traffic.stop();
    assert.deepEqual(failures, []);
    assert.ok(total > 400);
  });

  it("loses no call at all, idempotent or not, where instances restart gracefully in turn", async () => {
    const servers = [await process_("a"), await process_("b"), await process_("c")];
    const lab = open();
    lab.list(...servers.map(({ address }) => address));
    await lab.ready(3);
    const traffic = load(lab.upstream, 10, { idempotent: false });
    for (const server of servers) {
      await traffic.more(50);
      const gone = lab.ready(2);
      await server.kill("SIGTERM");
      await gone;
      const back = lab.ready(3);
      await process_(`${server.name} again`, server.port);
      await back;
    }
    await traffic.more(100);
    assert.deepEqual((await traffic.stop()).failures, []);
  });

  it("loses no call where servers send GOAWAY all the time", async () => {
    const options = { "grpc.max_connection_age_ms": 100, "grpc.max_connection_age_grace_ms": 1_000 };
    const servers = await Promise.all(["a", "b"].map((name) => startGrpcServer(labMethods(name), { options })));
    for (const server of servers) cleanups.push(() => server.destroy());
    const lab = open();
    lab.list(...servers.map(({ address }) => address));
    await lab.ready(2);
    const traffic = load(lab.upstream, 20, { idempotent: false });
    let lost = 0;
    while (lost < 6) {
      await lab.next((event) => event.type === "connection_state" && event.state === "connecting");
      lost++;
    }
    assert.deepEqual((await traffic.stop()).failures, []);
  });

  it("takes the share from an instance that hangs, and ejects it", async () => {
    const servers = [await process_("a"), await process_("b"), await process_("hangs")];
    const hanging = servers[2];
    assert.ok(hanging);
    const lab = open({ policy: "least_request" });
    lab.list(...servers.map(({ address }) => address));
    await lab.ready(3);
    const traffic = load(lab.upstream, 20, { totalTimeoutMs: 300 });
    await traffic.more(200);
    const ejected = lab.next((event) => event.type === "endpoint_ejected" && event.endpoint === hanging.address);
    await hanging.kill("SIGSTOP");
    await ejected;
    const { failures, total } = await traffic.stop();
    // No more than were sent there until it had as many in flight as the others, all of whom passed their deadline.
    assert.ok(failures.length <= 20, `${failures.length} of ${total}`);
    assert.ok(
      failures.every((text) => text === "4 DEADLINE_EXCEEDED"),
      failures.join(),
    );
    const { a = 0, b = 0 } = await shares(lab.upstream, 50);
    assert.equal(a + b, 50);
  });
});

/** A TCP proxy in front of a port, which shows each connection. */
async function proxy(port: number, onSocket: (socket: Socket) => void): Promise<string> {
  const server = net.createServer((socket) => {
    onSocket(socket);
    const inner = net.connect(port, "127.0.0.1").setNoDelay();
    socket.setNoDelay();
    socket.pipe(inner).pipe(socket);
    for (const end of [socket, inner]) {
      end.on("error", () => {});
      end.on("close", () => {
        socket.destroy();
        inner.destroy();
      });
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  cleanups.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
