import type { CallTarget } from "./call/call.ts";
import { RetryBudget } from "./call/retry-budget.ts";
import type { UpstreamConfig } from "./config/config.ts";
import type { LoadOptions } from "./config/load.ts";
import type { Clock } from "./core/clock.ts";
import { errorTable, GatewayError, type ErrorCode } from "./core/errors.ts";
import type { Random } from "./core/random.ts";
import type { LoadedRoutes } from "./load-routes.ts";
import { isShared, resolverKey, Resolvers } from "./resolvers.ts";
import { toSchemaImage } from "./schema/image.ts";
import type { Serving, ServingReadiness } from "./serving.ts";
import { compileSnapshot } from "./snapshot/compile.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { MetricsTotal, type MetricFamily } from "./telemetry/metrics-total.ts";
import { observeUpstream } from "./telemetry/subscribe.ts";
import { createSpawn } from "./workers/cluster.ts";
import { DiscoveryHub } from "./workers/discovery-hub.ts";
import { mergeReadiness } from "./workers/merge-readiness.ts";
import type { Answers, ConfigImage, FromWorker, Question, ToWorker } from "./workers/messages.ts";
import { WorkerSlot, type WorkerExit } from "./workers/worker-slot.ts";

export interface WorkerGroupOptions {
  readonly workers: number;
  readonly workerScript: string;
  readonly load: LoadOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** How long a worker may take to answer, or to swap its snapshot, before it is passed over. */
const ASK_MS = 1000;
const APPLY_MS = 10_000;
/** Beyond the drain limit: a worker that hangs is killed. */
const KILL_MS = 3000;

/** A load that workers were told of. */
interface Load {
  readonly number: number;
  readonly image: ConfigImage;
  /** Slots that have not said what became of it. */
  readonly waiting: Set<WorkerSlot>;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Serves by worker processes, and is their primary: it reads configurations, runs discovery, and keeps a worker in
 * each slot.
 */
export class WorkerGroup implements Serving {
  address = "";
  port = 0;
  private readonly options: WorkerGroupOptions;
  private readonly slots: readonly WorkerSlot[];
  private readonly metrics: Metrics;
  private readonly total: MetricsTotal;
  /** What each worker told last, for when it does not answer or is gone. */
  private readonly lastMetrics = new Map<WorkerSlot, readonly MetricFamily[]>();
  private readonly resolvers: Resolvers;
  private readonly hub: DiscoveryHub;
  private load: Load | null = null;
  private releaseMs = 0;
  /** Workers that ask for any port share one as long as one of them lives; when all were gone it is asked for by name. */
  private portToRegain: number | undefined;
  private isOpen = false;

  constructor(options: WorkerGroupOptions) {
    const { clock, random, log } = options;
    this.options = options;
    this.metrics = createMetrics(() => []);
    this.total = new MetricsTotal(() => this.running().length);
    this.resolvers = new Resolvers({ clock, random, log, metrics: this.metrics });
    const observe = observeUpstream(log, this.metrics);
    this.hub = new DiscoveryHub({
      tell: (message) => this.tell(message),
      onTrouble: (upstream, reason) => observe({ upstream, type: "discovery_trouble", reason }),
      onRecovered: (upstream) => observe({ upstream, type: "discovery_recovered" }),
      after: (ms, fn) => clock.after(ms, fn),
    });
    const spawn = createSpawn(options.workerScript);
    this.slots = Array.from(
      { length: options.workers },
      (_, index) =>
        new WorkerSlot({
          number: index + 1,
          spawn: (listener) => spawn(index + 1, listener),
          clock,
          onHello: (slot) => this.onHello(slot),
          onLoaded: (slot, message, isFirst) => this.onLoaded(slot, message, isFirst),
          onRefused: (slot, message) => this.onRefused(slot, message),
          onRefresh: (key) => this.hub.refresh(key),
          onExit: (slot, exit) => this.onExit(slot, exit),
        }),
    );
  }

  async open(loaded: LoadedRoutes): Promise<void> {
    this.releaseMs = loaded.config.server.timeouts.drainMs;
    const { done } = await this.begin(loaded);
    for (const slot of this.slots) slot.start();
    try {
      await done.promise;
    } catch (error) {
      for (const slot of this.slots) slot.kill();
      await Promise.all(this.slots.map((slot) => slot.close(0, 0)));
      this.hub.close();
      throw error;
    }
    this.isOpen = true;
  }

  async apply(loaded: LoadedRoutes): Promise<void> {
    // What every worker would fail at fails here, before any of them is told.
    compileSnapshot(loaded.resolved, inertTargets(loaded.config.upstreams, this.options.clock));
    const load = await this.begin(loaded);
    this.tell(this.loadMessage(load));
    const stopTimer = this.options.clock.after(APPLY_MS, () => {
      for (const { number, pid } of load.waiting) {
        this.options.log.logger.warn({ worker: number, pid }, "worker is slow to take the configuration");
      }
      load.done.resolve();
    });
    await load.done.promise;
    stopTimer();
  }

  async readiness(): Promise<ServingReadiness> {
    const answers = await this.ask("readiness");
    const { ready, upstreams } = mergeReadiness([...answers.values()]);
    const workers = { wanted: this.slots.length, running: answers.size };
    return { ready: ready && this.isOpen, upstreams, workers };
  }

  reloaded(ok: boolean): void {
    this.metrics.reloaded(ok);
  }

  async exposeMetrics(): Promise<{ contentType: string; text: string }> {
    for (const [slot, families] of await this.ask("metrics")) this.lastMetrics.set(slot, families);
    return this.total.expose([await this.metrics.families(), ...this.lastMetrics.values()]);
  }

  async drain(limitMs: number): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.close(limitMs, limitMs + KILL_MS)));
    this.hub.close();
    await this.resolvers.close();
  }

  kill(): void {
    for (const slot of this.slots) slot.kill();
  }

  /** Makes a configuration the one that workers get, and discovery that of its upstreams. */
  private async begin({ config, resolved, source }: LoadedRoutes): Promise<Load> {
    const { load, workers } = this.options;
    await this.resolvers.prepare(config.upstreams);
    const shared = config.upstreams.filter(isShared);
    const sources = shared.map((upstream) => ({
      key: resolverKey(upstream),
      name: upstream.name,
      create: () => this.resolvers.create(upstream),
    }));
    this.hub.take(sources, this.releaseMs);
    const schemas = new Map([...resolved.schemas].map(([name, schema]) => [name, toSchemaImage(schema)]));
    const image: ConfigImage = { file: config.file, ...source, load: plain(load), schemas, workers };
    this.load = {
      number: (this.load?.number ?? 0) + 1,
      image,
      // A slot without a process gets it when it has one.
      waiting: new Set(this.slots.filter(({ pid }) => !this.isOpen || pid > 0)),
      done: Promise.withResolvers(),
    };
    if (this.load.waiting.size === 0) this.load.done.resolve();
    return this.load;
  }

  private loadMessage({ number, image }: Load): ToWorker {
    return { type: "load", load: number, image, port: this.portToRegain };
  }

  private tell(message: ToWorker): void {
    for (const slot of this.slots) slot.send(message);
  }

  private onHello(slot: WorkerSlot): void {
    if (this.load === null) return;
    for (const message of this.hub.known()) slot.send(message);
    slot.send(this.loadMessage(this.load));
  }

  private onLoaded(slot: WorkerSlot, message: FromWorker & { type: "loaded" }, isFirst: boolean): void {
    const { load, address, port } = message;
    this.address = address;
    this.port = port;
    if (isFirst) this.options.log.logger.info({ worker: slot.number, pid: slot.pid }, "worker started");
    this.settle(slot, load, null);
  }

  private onRefused(slot: WorkerSlot, { load, code, reason }: FromWorker & { type: "refused" }): void {
    const { log } = this.options;
    const failure = code in errorTable ? new GatewayError(code as ErrorCode, reason) : new Error(reason);
    // Before the first is through, nothing serves: the start fails.
    if (this.isOpen) log.logger.error({ worker: slot.number, pid: slot.pid, reason }, "worker cannot load");
    this.settle(slot, load, failure);
    if (this.isOpen) slot.replace(this.releaseMs);
  }

  private onExit(slot: WorkerSlot, { pid, how, nextMs }: WorkerExit): void {
    const last = this.lastMetrics.get(slot) ?? [];
    this.lastMetrics.delete(slot);
    if (this.load !== null) this.settle(slot, this.load.number, new Error(`worker ${slot.number} ended with ${how}`));
    if (nextMs === null || !this.isOpen) return;
    if (this.running().length === 0) this.portToRegain = this.port;
    this.total.workerEnded(last);
    const facts = { worker: slot.number, pid, ended_with: how, next_in_ms: nextMs };
    this.options.log.logger.warn(facts, "worker lost, another takes its place");
  }

  /** A slot is through with a load, well or not. */
  private settle(slot: WorkerSlot, number: number, failure: Error | null): void {
    const { load } = this;
    if (load?.number !== number || !load.waiting.delete(slot)) return;
    // A worker that fails later is replaced; the configuration is in force with all others.
    if (failure !== null && !this.isOpen) return load.done.reject(failure);
    if (load.waiting.size === 0) load.done.resolve();
  }

  private running(): WorkerSlot[] {
    return this.slots.filter(({ loaded }) => loaded > 0);
  }

  /** Those that answer in time. */
  private async ask<Q extends Question>(question: Q): Promise<Map<WorkerSlot, Answers[Q]>> {
    const answers = await Promise.all(
      this.slots.map(async (slot) => [slot, await slot.ask(question, ASK_MS)] as const),
    );
    return new Map(answers.flatMap(([slot, answer]) => (answer === null ? [] : [[slot, answer] as const])));
  }
}

/** Structured clone refuses the environment of the process itself. */
function plain({ env, ...rest }: LoadOptions): LoadOptions {
  return { ...rest, env: { ...env } };
}

/** To compile a snapshot that serves nobody. */
function inertTargets(upstreams: readonly UpstreamConfig[], clock: Clock): ReadonlyMap<string, CallTarget> {
  const budget = new RetryBudget({ percent: 0, minPerSecond: 0 }, clock);
  const wait = (): never => {
    throw new Error("this snapshot serves nobody");
  };
  return new Map(upstreams.map(({ name }) => [name, { name, pick: () => null, wait, budget, onCallEvent: wait }]));
}
