import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics, type Aggregator } from "prom-client";
import type { RequestRecord } from "../exchange/observer.ts";
import type { MetricFamily } from "./metrics-total.ts";
import { RequestDurations } from "./request-durations.ts";

/** What an upstream looks like now; read at each scrape. */
export interface UpstreamGauges {
  readonly name: string;
  readonly endpoints: number;
  readonly ready: number;
  readonly healthy: number;
  readonly waiting: number;
  readonly queued: number;
}

/** Every metric of the gateway, by name; the only place that knows prom-client. Names follow OpenTelemetry. */
export interface Metrics {
  requestStarted(): void;
  requestEnded(record: RequestRecord): void;
  /** A client sent what is no HTTP request; `code` is that of the error table. */
  clientError(code: string): void;
  /** Something worth counting happened to an upstream or its discovery, such as `ejected` or `bad_value`. */
  upstreamEvent(upstream: string, event: string): void;
  /** A call has waited for a stream of its instance. */
  callQueued(upstream: string, waitMs: number): void;
  reloaded(ok: boolean): void;
  /** The exposition format of Prometheus. */
  expose(): Promise<{ contentType: string; text: string }>;
  /** The same as plain data, for `MetricsTotal`. */
  families(): Promise<readonly MetricFamily[]>;
}

export function createMetrics(upstreams: () => readonly UpstreamGauges[]): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const active = new Gauge({
    name: "http_server_active_requests",
    help: "Requests being served.",
    registers: [registry],
  });
  const durations = new RequestDurations(registry);
  const clientErrors = new Counter({
    name: "sluice_http_client_errors_total",
    help: "Connections closed because what came was no HTTP request.",
    labelNames: ["code"],
    registers: [registry],
  });
  const events = new Counter({
    name: "sluice_upstream_events_total",
    help: "What happened to upstreams and their discovery.",
    labelNames: ["upstream", "event"],
    registers: [registry],
  });
  const queueDuration = new Histogram({
    name: "sluice_upstream_queue_duration_seconds",
    help: "How long calls waited for a stream, of those that did (MAX_CONCURRENT_STREAMS).",
    labelNames: ["upstream"],
    buckets: [0.001, 0.01, 0.1, 1, 10],
    registers: [registry],
  });
  const reloads = new Counter({
    name: "sluice_config_reloads_total",
    help: "Reloads of the configuration.",
    labelNames: ["result"],
    registers: [registry],
  });
  const lastReloadOk = new Gauge({
    name: "sluice_config_last_reload_successful",
    help: "1 where the last load or reload of the configuration succeeded.",
    // Only the primary reloads.
    aggregator: "min",
    registers: [registry],
  });
  lastReloadOk.set(1);
  const gauge = (
    name: string,
    help: string,
    ofWorkers: Aggregator,
    value: (upstream: UpstreamGauges) => number,
  ): void => upstreamGauge(registry, { name, help, ofWorkers, upstreams, value });
  gauge("endpoints", "Instances that discovery tells.", "max", (upstream) => upstream.endpoints);
  gauge("ready_endpoints", "Instances that take calls now.", "min", (upstream) => upstream.ready);
  gauge("healthy_endpoints", "Those in good health.", "min", (upstream) => upstream.healthy);
  gauge(
    "queued_calls",
    "Calls that wait for a stream, each of their instance's being taken.",
    "sum",
    (upstream) => upstream.queued,
  );
  gauge("waiting_calls", "Calls that wait for a ready instance.", "sum", (upstream) => upstream.waiting);

  return {
    requestStarted: () => active.inc(),
    requestEnded(record) {
      active.dec();
      durations.observe(record);
    },
    clientError: (code) => clientErrors.inc({ code }),
    callQueued: (upstream, waitMs) => queueDuration.observe({ upstream }, waitMs / 1000),
    upstreamEvent: (upstream, event) => events.inc({ upstream, event }),
    reloaded(ok) {
      reloads.inc({ result: ok ? "ok" : "failed" });
      lastReloadOk.set(ok ? 1 : 0);
    },
    families: () => registry.getMetricsAsJSON(),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

interface UpstreamGaugeOptions {
  readonly name: string;
  readonly help: string;
  /** What becomes of the numbers of several workers: each keeps connections of its own. */
  readonly ofWorkers: Aggregator;
  readonly upstreams: () => readonly UpstreamGauges[];
  readonly value: (upstream: UpstreamGauges) => number;
}

function upstreamGauge(registry: Registry, options: UpstreamGaugeOptions): void {
  const { name, help, ofWorkers, upstreams, value } = options;
  new Gauge({
    name: `sluice_upstream_${name}`,
    help,
    labelNames: ["upstream"],
    aggregator: ofWorkers,
    registers: [registry],
    collect() {
      this.reset();
      for (const upstream of upstreams()) this.set({ upstream: upstream.name }, value(upstream));
    },
  });
}
