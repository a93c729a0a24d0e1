import type { Config } from "./config/config.ts";
import { parseConfig } from "./config/load.ts";
import type { Clock } from "./core/clock.ts";
import { GatewayError } from "./core/errors.ts";
import type { Random } from "./core/random.ts";
import { createStaticResolver } from "./discovery/static.ts";
import type { LoadedRoutes } from "./load-routes.ts";
import { LocalServing } from "./local-serving.ts";
import { resolverKey, type ResolverSource } from "./resolvers.ts";
import { fromSchemaImage } from "./schema/image.ts";
import { resolveRoutes } from "./snapshot/resolve.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { observeUpstream } from "./telemetry/subscribe.ts";
import type { PrimaryChannel } from "./workers/cluster.ts";
import { DiscoveryFeed } from "./workers/discovery-feed.ts";
import type { Answers, ConfigImage, Question, ToWorker } from "./workers/messages.ts";

export interface WorkerOptions {
  readonly primary: PrimaryChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Serves what the primary says; resolves when it has drained, because it was told to or because the primary is gone. */
export function runWorker(options: WorkerOptions): Promise<void> {
  const worker = new Worker(options);
  options.primary.onMessage((message) => worker.take(message));
  options.primary.onGone(() => worker.drain());
  options.primary.send({ type: "hello" });
  return worker.drained;
}

class Worker {
  readonly drained: Promise<void>;
  private readonly primary: PrimaryChannel;
  private readonly log: Log;
  private readonly serving: LocalServing;
  private readonly feed: DiscoveryFeed;
  private isOpen = false;
  /** As of the configuration, for when there is nobody to say another. */
  private drainMs = 0;
  private isDraining = false;
  private readonly done = Promise.withResolvers<void>();
  /** Loads, one after the other. */
  private work: Promise<void> = Promise.resolve();

  constructor({ primary, clock, random, log }: WorkerOptions) {
    this.primary = primary;
    this.log = log;
    this.drained = this.done.promise;
    this.feed = new DiscoveryFeed((key) => primary.send({ type: "refresh", key }));
    this.serving = new LocalServing({
      clock,
      random,
      log,
      metrics: createMetrics,
      resolvers: () => fedResolvers(this.feed),
      observe(metrics) {
        const observe = observeUpstream(log, metrics);
        return (event) => {
          // The primary has told it, once for all workers.
          if (event.type === "discovery_trouble" || event.type === "discovery_recovered") return;
          observe(event);
        };
      },
    });
  }

  take(message: ToWorker): void {
    switch (message.type) {
      case "load":
        this.work = this.work.then(() => this.load(message));
        return;
      case "ask":
        return void this.answer(message.id, message.question);
      case "drain":
        return this.drain(message.limitMs);
      default:
        return this.feed.take(message);
    }
  }

  drain(limitMs?: number): void {
    if (this.isDraining) return;
    this.isDraining = true;
    this.work = this.work.then(async () => {
      await this.serving.drain(limitMs ?? this.drainMs);
      this.done.resolve();
    });
  }

  private async load({ load, image, port }: ToWorker & { type: "load" }): Promise<void> {
    try {
      const loaded = await readImage(image, port);
      if (this.isOpen) await this.serving.apply(loaded);
      else await this.serving.open(loaded);
      this.isOpen = true;
      this.drainMs = loaded.config.server.timeouts.drainMs;
      this.primary.send({ type: "loaded", load, address: this.serving.address, port: this.serving.port });
    } catch (error) {
      const code = error instanceof GatewayError ? error.code : "";
      this.log.logger.debug({ err: error }, "load failed");
      this.primary.send({ type: "refused", load, code, reason: (error as Error).message });
    }
  }

  private async answer(id: number, question: Question): Promise<void> {
    const answer: Answers[Question] =
      question === "metrics" ? await this.serving.metrics.families() : await this.serving.readiness();
    this.primary.send({ type: "answer", id, answer });
  }
}

/** The configuration that the primary has checked, by the same way and of the same texts. */
async function readImage(
  { file, text, files, load, schemas, workers }: ConfigImage,
  port?: number,
): Promise<LoadedRoutes> {
  const { config } = parseConfig(text, file, {
    ...load,
    ...(port === undefined ? {} : { overrides: { ...load.overrides, port } }),
    readFile(name) {
      const content = files.get(name);
      if (content === undefined) throw new Error(`${name} was not read`);
      return content;
    },
  });
  const shared = { ...config, upstreams: config.upstreams.map((upstream) => divide(upstream, workers)) };
  const resolved = await resolveRoutes(shared, ({ name }) => {
    const image = schemas.get(name);
    if (image === undefined) throw new Error(`no schema of upstream "${name}"`);
    return fromSchemaImage(image);
  });
  return { config: shared, resolved, source: { text, files } };
}

/** A worker's part of the limits that hold for all together. */
function divide(upstream: Config["upstreams"][number], workers: number): Config["upstreams"][number] {
  const { waitForReady, retry } = upstream.policy;
  const queue = Math.ceil(waitForReady.queue / workers);
  const budget = { ...retry.budget, minPerSecond: retry.budget.minPerSecond / workers };
  return {
    ...upstream,
    policy: { ...upstream.policy, waitForReady: { ...waitForReady, queue }, retry: { ...retry, budget } },
  };
}

function fedResolvers(feed: DiscoveryFeed): ResolverSource {
  return {
    prepare: () => Promise.resolve(),
    close: () => Promise.resolve(),
    create: (config) =>
      config.target.kind === "pass" ? createStaticResolver(config.target) : feed.resolver(resolverKey(config)),
  };
}
