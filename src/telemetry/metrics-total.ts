import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Registry,
  type MetricObjectWithValues,
  type MetricValue,
} from "prom-client";

/** One metric with its values, as plain data. */
export type MetricFamily = MetricObjectWithValues<MetricValue<string>>;

// What only grows; of a process that is gone it stays, or a scrape would see the sum shrink and take that for a restart.
const LASTING: readonly unknown[] = ["counter", "histogram"];

/** The metrics of a primary and its workers as one: sums, unless a metric says otherwise. */
export class MetricsTotal {
  private readonly own = new Registry();
  private readonly restarts = new Counter({
    name: "sluice_worker_restarts_total",
    help: "Worker processes that ended and were replaced.",
    registers: [this.own],
  });
  /** Sums of the processes that are gone. */
  private gone: Promise<readonly MetricFamily[]> = Promise.resolve([]);

  /** `running` is read at each scrape. */
  constructor(running: () => number) {
    new Gauge({
      name: "sluice_workers",
      help: "Worker processes that serve requests.",
      registers: [this.own],
      collect() {
        this.set(running());
      },
    });
  }

  /** A worker is gone; `last` is what it told last. */
  workerEnded(last: readonly MetricFamily[]): void {
    this.restarts.inc();
    const lasting = last.filter(({ type }) => LASTING.includes(type));
    this.gone = this.gone.then((gone) => AggregatorRegistry.aggregate([[...gone], lasting]).getMetricsAsJSON());
  }

  /** The exposition format of Prometheus. */
  async expose(parts: readonly (readonly MetricFamily[])[]): Promise<{ contentType: string; text: string }> {
    const own = await this.own.getMetricsAsJSON();
    const total = AggregatorRegistry.aggregate([...parts, await this.gone, own].map((part) => [...part]));
    return { contentType: total.contentType, text: await total.metrics() };
  }
}
