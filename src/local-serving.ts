import type { Config } from "./config/config.ts";
import type { Clock } from "./core/clock.ts";
import type { Random } from "./core/random.ts";
import { startEdge, type Edge } from "./edge/server.ts";
import { compileClientAddresses } from "./exchange/client-address.ts";
import type { ExchangeContext } from "./exchange/exchange.ts";
import { handle, handleUpgrade } from "./exchange/handle.ts";
import { UnroutedExchange } from "./exchange/unrouted.ts";
import { snapshotOf, type Route, type Snapshot } from "./exchange/route.ts";
import type { LoadedRoutes } from "./load-routes.ts";
import type { ResolverSource } from "./resolvers.ts";
import { buildRouteTable } from "./routing/table.ts";
import type { Serving, ServingReadiness } from "./serving.ts";
import { compileSnapshot } from "./snapshot/compile.ts";
import { writeAccessLine } from "./telemetry/access-log.ts";
import type { Log } from "./telemetry/log.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { statusForm } from "./transcode/error-form.ts";
import type { UpstreamEvent } from "./upstream/event.ts";
import { UpstreamPool } from "./upstream-pool.ts";

export interface LocalServingOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Made of the function that tells how the upstreams are. */
  readonly metrics: (upstreams: UpstreamPool["gauges"]) => Metrics;
  readonly resolvers: (metrics: Metrics) => ResolverSource;
  readonly observe: (metrics: Metrics) => (event: UpstreamEvent) => void;
}

/** Serves in this process. */
export class LocalServing implements Serving {
  readonly metrics: Metrics;
  private readonly options: LocalServingOptions;
  private readonly pool: UpstreamPool;
  /** Empty until `open`, which makes the first before it opens the port. */
  private snapshot: Snapshot = snapshotOf(buildRouteTable<Route>([]).table, statusForm);
  private edge: Edge | null = null;
  private releaseMs = 0;

  constructor(options: LocalServingOptions) {
    const { clock, random } = options;
    this.options = options;
    this.metrics = options.metrics(() => this.pool.gauges());
    this.pool = new UpstreamPool({
      clock,
      random,
      resolvers: options.resolvers(this.metrics),
      onEvent: options.observe(this.metrics),
    });
  }

  get address(): string {
    return this.opened().address;
  }
  get port(): number {
    return this.opened().port;
  }

  async open({ config, resolved }: LoadedRoutes): Promise<void> {
    const { server, upstreams } = config;
    this.releaseMs = server.timeouts.drainMs;
    this.pool.zone = server.zone;
    await this.pool.prepare(upstreams);
    this.snapshot = compileSnapshot(resolved, this.pool.take(upstreams));
    try {
      this.edge = await this.openEdge(server);
    } catch (error) {
      this.pool.destroy();
      throw error;
    }
  }

  async apply({ config, resolved }: LoadedRoutes): Promise<void> {
    await this.pool.prepare(config.upstreams);
    // Compiled before the pool lets go of anything: a failure here leaves the old snapshot whole.
    this.snapshot = compileSnapshot(resolved, this.pool.take(config.upstreams));
    this.pool.release(this.releaseMs);
    this.edge?.renew(config.server.tls);
  }

  async readiness(): Promise<ServingReadiness> {
    // Without a snapshot there is no upstream that could be missing.
    return this.edge === null ? { ready: false, upstreams: [] } : this.pool.readiness();
  }

  reloaded(ok: boolean): void {
    this.metrics.reloaded(ok);
  }

  exposeMetrics(): Promise<{ contentType: string; text: string }> {
    return this.metrics.expose();
  }

  async drain(limitMs: number): Promise<void> {
    await this.edge?.drain(limitMs);
    await this.pool.close();
  }

  kill(): void {}

  private openEdge(server: Config["server"]): Promise<Edge> {
    const { clock, random, log } = this.options;
    const { metrics } = this;
    const context: ExchangeContext = {
      clock,
      random,
      addresses: compileClientAddresses(server.trustedProxies),
      errorForm: () => this.snapshot.errorForm,
      observer: {
        requestStarted: () => metrics.requestStarted(),
        requestEnded(record) {
          metrics.requestEnded(record);
          writeAccessLine(log, record);
        },
      },
    };
    return startEdge(server, clock, {
      errorForm: context.errorForm,
      onRequest: (http) => handle(context, this.snapshot, http),
      onUpgrade: (http) => handleUpgrade(context, this.snapshot, http),
      onRefused: (http, error) => new UnroutedExchange(context, http, null).fail(error),
      onClientError({ code, message }, client) {
        metrics.clientError(code);
        log.logger.info({ code, reason: message, client }, "request refused");
      },
    });
  }

  private opened(): Edge {
    if (this.edge === null) throw new Error("the gateway is not open");
    return this.edge;
  }
}
