import { startAdmin, type Admin, type Readiness } from "./admin/server.ts";
import type { RouteRow } from "./cli/routes-table.ts";
import type { Config } from "./config/config.ts";
import { loadConfig, type LoadOptions } from "./config/load.ts";
import type { Clock } from "./core/clock.ts";
import { formatProblem, problemsError, problemsOf, type Problem } from "./core/problem.ts";
import type { Random } from "./core/random.ts";
import { startEdge, type Edge } from "./edge/server.ts";
import { compileClientAddresses } from "./exchange/client-address.ts";
import { UnroutedExchange, type ExchangeContext } from "./exchange/exchange.ts";
import { handle } from "./exchange/handle.ts";
import type { Route, Snapshot } from "./exchange/route.ts";
import { buildRouteTable } from "./routing/table.ts";
import { compileSnapshot, resolveRoutes, type ResolvedRoutes } from "./snapshot.ts";
import { writeAccessLine } from "./telemetry/access-log.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { UpstreamPool } from "./upstream-pool.ts";

export interface GatewayOptions {
  /** Path of routes.yaml. */
  readonly configFile: string;
  readonly load: LoadOptions;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Gateway {
  /** `http://127.0.0.1:8080` */
  readonly address: string;
  readonly port: number;
  readonly adminAddress: string;
  readonly adminPort: number;
  /** The routes now in force. */
  routes(): readonly RouteRow[];
  readiness(): Readiness;
  /**
   * Reads the configuration anew and swaps the snapshot; no request is lost. False where the new one has errors: they
   * are logged and the old one stays. What `server:` says applies at the next start.
   */
  reload(): Promise<boolean>;
  /** Not ready, no new connections, requests in flight finish within the drain limit, then everything is closed. */
  close(): Promise<void>;
}

/** A configuration and what it means; all errors of both come as one. */
export async function loadRoutes(
  file: string,
  options: LoadOptions,
): Promise<{ config: Config; resolved: ResolvedRoutes }> {
  const { config, warnings } = await loadConfig(file, options);
  const resolved = await resolveRoutes(config);
  const problems = [...warnings, ...resolved.problems];
  if (problems.some((problem) => problem.severity === "error")) throw problemsError(config.file, problems);
  return { config, resolved: { ...resolved, problems } };
}

/**
 * Starts a gateway: configuration, upstreams, admin port, client port. Throws CONFIG_INVALID with all problems, or
 * ADDRESS_IN_USE; upstreams and etcd that are missing stop nothing.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, resolved } = await loadRoutes(options.configFile, options.load);
  const gateway = new RunningGateway(options, config, resolved);
  await gateway.open();
  return gateway;
}

class RunningGateway implements Gateway {
  private readonly options: GatewayOptions;
  private readonly log: Log;
  private readonly metrics: Metrics;
  private readonly pool: UpstreamPool;
  private config: Config;
  private resolved: ResolvedRoutes;
  /** Empty until `open`, which makes the first before it opens a port. */
  private snapshot: Snapshot = { table: buildRouteTable<Route>([]).table };
  private edge: Edge | null = null;
  private admin: Admin | null = null;
  private draining = false;
  private closing: Promise<void> | null = null;
  private reloading: Promise<boolean> = Promise.resolve(true);

  constructor(options: GatewayOptions, config: Config, resolved: ResolvedRoutes) {
    this.options = options;
    this.log = options.log;
    this.metrics = createMetrics(() => this.pool.gauges());
    this.pool = new UpstreamPool({
      clock: options.clock,
      random: options.random,
      log: options.log,
      metrics: this.metrics,
    });
    this.config = config;
    this.resolved = resolved;
    this.logWarnings(resolved.problems);
  }

  get address(): string {
    return this.opened(this.edge).address;
  }
  get port(): number {
    return this.opened(this.edge).port;
  }
  get adminAddress(): string {
    return this.opened(this.admin).address;
  }
  get adminPort(): number {
    return this.opened(this.admin).port;
  }

  async open(): Promise<void> {
    const { server, upstreams } = this.config;
    await this.pool.prepare(upstreams);
    this.snapshot = compileSnapshot(this.resolved, this.pool.take(upstreams));
    try {
      this.admin = await startAdmin(server.admin, {
        readiness: () => this.readiness(),
        metrics: () => this.metrics.expose(),
      });
      const context: ExchangeContext = {
        clock: this.options.clock,
        random: this.options.random,
        addresses: compileClientAddresses(server.trustedProxies),
        observer: {
          requestStarted: () => this.metrics.requestStarted(),
          requestEnded: (record) => {
            this.metrics.requestEnded(record);
            writeAccessLine(this.log, record);
          },
        },
      };
      this.edge = await startEdge(server, this.options.clock, {
        onRequest: (http) => handle(context, this.snapshot, http),
        onRefused: (http, error) => new UnroutedExchange(context, http, null).fail(error),
        onClientError: ({ code, message }, client) => {
          this.metrics.clientError(code);
          this.log.logger.info({ code, reason: message, client }, "request refused");
        },
      });
    } catch (error) {
      await this.admin?.close();
      this.pool.destroy();
      throw error;
    }
    this.log.logger.info(
      { address: this.address, admin: this.adminAddress, routes: this.resolved.rows.length },
      "listening",
    );
  }

  routes(): readonly RouteRow[] {
    return this.resolved.rows;
  }

  readiness(): Readiness {
    const { ready, upstreams } = this.pool.readiness();
    return { ready: ready && !this.draining, draining: this.draining, upstreams };
  }

  reload(): Promise<boolean> {
    // One after another: the last signal's file is the one in force at the end.
    this.reloading = this.reloading.then(() => this.reloadNow());
    return this.reloading;
  }

  private async reloadNow(): Promise<boolean> {
    try {
      const { config, resolved } = await loadRoutes(this.options.configFile, this.options.load);
      if (this.draining) return false;
      this.logWarnings(resolved.problems);
      if (JSON.stringify(config.server) !== JSON.stringify(this.config.server)) {
        this.log.logger.warn({ key: "server" }, "changed settings apply at the next start");
      }
      await this.pool.prepare(config.upstreams);
      // Compiled before the pool lets go of anything: a failure here leaves the old snapshot whole.
      this.snapshot = compileSnapshot(resolved, this.pool.take(config.upstreams));
      this.pool.release(this.config.server.timeouts.drainMs);
      this.config = { ...config, server: this.config.server };
      this.resolved = resolved;
      this.metrics.reloaded(true);
      this.log.logger.info({ routes: resolved.rows.length }, "configuration reloaded");
      return true;
    } catch (error) {
      this.metrics.reloaded(false);
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

  private async closeNow(): Promise<void> {
    this.draining = true;
    this.log.logger.info({ limit_ms: this.config.server.timeouts.drainMs }, "draining");
    await this.edge?.drain(this.config.server.timeouts.drainMs);
    this.pool.destroy();
    await this.admin?.close();
    this.log.logger.info({}, "stopped");
    this.log.flush();
  }

  private logWarnings(problems: readonly Problem[]): void {
    for (const problem of problems)
      this.log.logger.warn({ problem: formatProblem(problem) }, "problem in configuration");
  }

  private opened<T>(part: T | null): T {
    if (part === null) throw new Error("the gateway is not open");
    return part;
  }
}
