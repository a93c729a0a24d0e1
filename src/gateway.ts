import { availableParallelism } from "node:os";
import { startAdmin, type Admin, type Readiness } from "./admin/server.ts";
import type { RouteRow } from "./cli/routes-table.ts";
import type { Config } from "./config/config.ts";
import type { LoadOptions } from "./config/load.ts";
import type { Clock } from "./core/clock.ts";
import { formatProblem, problemsOf, type Problem } from "./core/problem.ts";
import type { Random } from "./core/random.ts";
import { reloadedServer } from "./edge/options.ts";
import { loadRoutes, type LoadedRoutes } from "./load-routes.ts";
import { LocalServing } from "./local-serving.ts";
import { Resolvers } from "./resolvers.ts";
import type { Serving } from "./serving.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { observeUpstream } from "./telemetry/subscribe.ts";

export interface GatewayOptions {
  /** Path of routes.yaml. */
  readonly configFile: string;
  readonly load: LoadOptions;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  /** The script that worker processes run, with the argument `worker`; without one there are none. */
  readonly workerScript?: string | undefined;
}

export interface Gateway {
  /** `http://127.0.0.1:8080` */
  readonly address: string;
  readonly port: number;
  readonly adminAddress: string;
  readonly adminPort: number;
  /** The routes now in force. */
  routes(): readonly RouteRow[];
  /**
   * Reads the configuration anew and swaps the snapshot; no request is lost. False where the new one has errors: they
   * are logged and the old one stays. What `server:` says applies at the next start, but for renewed certificates.
   */
  reload(): Promise<boolean>;
  /** Not ready, no new connections, requests in flight finish within the drain limit, then everything is closed. */
  close(): Promise<void>;
  /** Ends worker processes at once, for a process that is about to end itself. */
  kill(): void;
}

/**
 * Starts a gateway: configuration, upstreams, admin port, client port. Throws CONFIG_INVALID with all problems, or
 * ADDRESS_IN_USE; upstreams and etcd that are missing stop nothing.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const loaded = await loadRoutes(options.configFile, options.load);
  const gateway = new RunningGateway(options, loaded, await createServing(options, loaded.config));
  await gateway.open();
  return gateway;
}

async function createServing(options: GatewayOptions, { server }: Config): Promise<Serving> {
  const { clock, random, log } = options;
  const workers = server.workers === "auto" ? availableParallelism() : server.workers;
  if (workers === 1) {
    return new LocalServing({
      clock,
      random,
      log,
      metrics: createMetrics,
      resolvers: (metrics) => new Resolvers({ clock, random, log, metrics }),
      observe: (metrics) => observeUpstream(log, metrics),
    });
  }
  const { workerScript, load } = options;
  if (workerScript === undefined) throw new Error(`${workers} workers are asked for where none can be started`);
  // What worker processes take is not paid for where there are none.
  const { WorkerGroup } = await import("./worker-group.ts");
  return new WorkerGroup({ clock, random, log, load, workers, workerScript });
}

class RunningGateway implements Gateway {
  private readonly options: GatewayOptions;
  private readonly log: Log;
  private readonly serving: Serving;
  /** In force; its `config.server` is that of the start, but for renewed certificates. */
  private loaded: LoadedRoutes;
  private admin: Admin | null = null;
  private draining = false;
  private closing: Promise<void> | null = null;
  private reloading: Promise<boolean> = Promise.resolve(true);

  constructor(options: GatewayOptions, loaded: LoadedRoutes, serving: Serving) {
    this.options = options;
    this.log = options.log;
    this.serving = serving;
    this.loaded = loaded;
    this.logWarnings(loaded.resolved.problems);
  }

  get address(): string {
    return this.serving.address;
  }
  get port(): number {
    return this.serving.port;
  }
  get adminAddress(): string {
    return this.openedAdmin().address;
  }
  get adminPort(): number {
    return this.openedAdmin().port;
  }

  async open(): Promise<void> {
    this.admin = await startAdmin(this.server.admin, {
      readiness: () => this.readiness(),
      metrics: () => this.serving.exposeMetrics(),
    });
    try {
      await this.serving.open(this.loaded);
    } catch (error) {
      await this.admin.close();
      throw error;
    }
    this.log.logger.info(
      { address: this.address, admin: this.adminAddress, routes: this.routes().length },
      "listening",
    );
  }

  routes(): readonly RouteRow[] {
    return this.loaded.resolved.rows;
  }

  reload(): Promise<boolean> {
    // One after another: the last signal's file is the one in force at the end.
    this.reloading = this.reloading.then(() => this.reloadNow());
    return this.reloading;
  }

  private async reloadNow(): Promise<boolean> {
    try {
      const { config, ...rest } = await loadRoutes(this.options.configFile, this.options.load);
      if (this.draining) return false;
      this.logWarnings(rest.resolved.problems);
      const server = reloadedServer(this.server, config.server);
      if (JSON.stringify(config.server) !== JSON.stringify(server)) {
        this.log.logger.warn({ key: "server" }, "changed settings apply at the next start");
      }
      const loaded: LoadedRoutes = { ...rest, config: { ...config, server } };
      await this.serving.apply(loaded);
      this.loaded = loaded;
      this.serving.reloaded(true);
      this.log.logger.info({ routes: this.routes().length }, "configuration reloaded");
      return true;
    } catch (error) {
      this.serving.reloaded(false);
      for (const problem of problemsOf(error) ?? [])
        this.log.logger.error({ problem: formatProblem(problem) }, "problem in configuration");
      this.log.logger.error(
        { reason: (error as Error).message },
        "configuration not reloaded; the old one stays in force",
      );
      return false;
    }
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  kill(): void {
    this.serving.kill();
  }

  private async closeNow(): Promise<void> {
    const { drainMs } = this.server.timeouts;
    this.draining = true;
    this.log.logger.info({ limit_ms: drainMs }, "draining");
    await this.serving.drain(drainMs);
    await this.admin?.close();
    this.log.logger.info({}, "stopped");
    this.log.flush();
  }

  private async readiness(): Promise<Readiness> {
    const { ready, ...rest } = await this.serving.readiness();
    return { ready: ready && !this.draining, draining: this.draining, ...rest };
  }

  private get server(): Config["server"] {
    return this.loaded.config.server;
  }

  private logWarnings(problems: readonly Problem[]): void {
    for (const problem of problems)
      this.log.logger.warn({ problem: formatProblem(problem) }, "problem in configuration");
  }

  private openedAdmin(): Admin {
    if (this.admin === null) throw new Error("the gateway is not open");
    return this.admin;
  }
}
