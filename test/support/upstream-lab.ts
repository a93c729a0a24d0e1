import type { CallEnd } from "../../src/call/call.ts";
import type { CallOptions } from "../../src/call/call-options.ts";
import { startCall } from "../../src/call/chain.ts";
import { defaultCallPolicy } from "../../src/call/options.ts";
import { RetryBudget } from "../../src/call/retry-budget.ts";
import { systemClock } from "../../src/core/clock.ts";
import { Code } from "../../src/core/code.ts";
import { systemRandom } from "../../src/core/random.ts";
import type { ConnectionFactory } from "../../src/upstream/connection/connection.ts";
import type { UpstreamEvent } from "../../src/upstream/event.ts";
import type { Endpoint, ResolverListener } from "../../src/upstream/resolver.ts";
import { createUpstream, type Upstream, type UpstreamOptions } from "../../src/upstream/upstream.ts";
import { defer } from "./defer.ts";
import { defaultHealth, wholeFleet } from "./default-health.ts";
import { Recorder } from "./grpc-calls.ts";
import { startGrpcServer, type GrpcServer } from "./grpc-server.ts";
import { labMethods } from "./grpc-server-lab.ts";
import { startGrpcServerProcess, type GrpcServerProcess } from "./grpc-server-process.ts";
import { until } from "./until.ts";

/** An upstream whose list the test tells. */
export interface Lab {
  readonly upstream: Upstream;
  readonly list: (...endpoints: (string | { address: string; connections: number })[]) => void;
  /** Waits for an event of the upstream, past ones not included. */
  readonly next: (matches: (event: UpstreamEvent) => boolean) => Promise<void>;
  /** Waits until that many instances are ready. */
  readonly ready: (count: number) => Promise<void>;
  /** Waits until that many connections are ready. */
  readonly connected: (count: number) => Promise<void>;
}

export function openUpstream(connect: ConnectionFactory, options: Partial<UpstreamOptions> = {}): Lab {
  let discovery: ResolverListener | undefined;
  let watchers: ((event: UpstreamEvent) => boolean)[] = [];
  const connections = new Set<string>();
  const upstream = createUpstream({
    name: "lab",
    resolver: { start: (listener) => void (discovery = listener), close() {} },
    connect,
    budget: new RetryBudget(defaultCallPolicy.retry.budget, systemClock),
    connectTimeoutMs: 2_000,
    maxMessageBytes: 4 << 20,
    loadBalancing: { policy: "round_robin" },
    queue: 1_000,
    removalGuardMs: 0,
    health: defaultHealth,
    fleet: wholeFleet,
    maxConnectionsPerEndpoint: 4,
    clock: systemClock,
    random: systemRandom,
    ...options,
    onEvent: (event) => {
      options.onEvent?.(event);
      if (event.type === "connection_state") {
        const name = `${event.endpoint} ${event.index}`;
        if (event.state === "ready") connections.add(name);
        else connections.delete(name);
      }
      watchers = watchers.filter((watcher) => !watcher(event));
    },
  });
  defer(() => upstream.destroy());
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
      while (upstream.status().ready !== count) await next(() => true);
    },
    connected: async (count) => {
      while (connections.size !== count) await next((event) => event.type === "connection_state");
    },
  };
}

/** An instance in this process. */
export async function startInstance(name: string, port = 0): Promise<GrpcServer> {
  const server = await startGrpcServer(labMethods(name), { port });
  defer(() => server.destroy());
  return server;
}

/** An instance in a process of its own. */
export async function startProcess(name: string, port = 0): Promise<GrpcServerProcess> {
  const server = await startGrpcServerProcess(name, port);
  defer(() => server.kill("SIGKILL"));
  return server;
}

/** Keeps all of a reply until its end, as the owner of a unary call does. */
class UnaryRecorder extends Recorder {
  onRestart(): void {
    this.headers = null;
    this.messages.length = 0;
    this.bytes = 0;
  }
}

/** Starts a call of `/test.Lab/…`, idempotent and with limits of 5 s unless told otherwise. */
export function call(upstream: Upstream, method: string, message = "", options: Partial<CallOptions> = {}) {
  const recorder = new UnaryRecorder();
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

/** The name of the instance that answers, or how it failed. */
export async function ask(upstream: Upstream, options: Partial<CallOptions> = {}): Promise<string> {
  const { recorder } = call(upstream, "Name", "", options);
  const end = await recorder.ended;
  return end.code === Code.Ok ? (recorder.messages[0] ?? "") : `failed: ${end.error?.code ?? end.message}`;
}

/** How many of so many calls, one after the other, each instance answered. */
export async function shares(upstream: Upstream, calls: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < calls; i++) {
    const name = await ask(upstream);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Calls from several workers at once, until stopped; what failed is kept. */
export function load(upstream: Upstream, workers: number, options: Partial<CallOptions> = {}) {
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
      const target = total + calls;
      await until(`${calls} more calls`, () => total >= target);
    },
    stop: async () => {
      running = false;
      await done;
      return { failures, total };
    },
  };
}
