import type { Metric, MetricObjectWithValues, MetricValueWithName, Registry } from "prom-client";
import { codeName } from "../core/code.ts";
import type { RequestRecord } from "../exchange/observer.ts";

const NAME = "http_server_request_duration_seconds";
const HELP = "Time from the request's headers to the end of its reply.";

// OpenTelemetry's advice for http.server.request.duration, in seconds.
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

const KNOWN_METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]);

/**
 * A histogram of how long requests take. prom-client's own makes a text of five labels for each request to find the
 * counts that it adds to, 3 % of a small request; these are found by what the request holds anyway.
 */
export class RequestDurations {
  /** By template: the few kinds of request that a route sees. */
  private readonly kinds = new Map<string, Kind[]>();

  constructor(registry: Registry) {
    const metric = { name: NAME, get: () => Promise.resolve(this.read()), reset: () => this.kinds.clear() };
    // A registry calls no more than these of a metric, and its types know prom-client's own classes alone.
    registry.registerMetric(metric as unknown as Metric);
  }

  observe(record: RequestRecord): void {
    this.kindOf(record).observe((record.endMs - record.startMs) / 1000);
  }

  private kindOf(record: RequestRecord): Kind {
    const method = KNOWN_METHODS.has(record.method) ? record.method : "_OTHER";
    let kinds = this.kinds.get(record.template);
    if (kinds === undefined) this.kinds.set(record.template, (kinds = []));
    for (const kind of kinds) if (kind.matches(record, method)) return kind;
    const kind = new Kind(record, method);
    kinds.push(kind);
    return kind;
  }

  private read(): MetricObjectWithValues<MetricValueWithName<string>> {
    const values = [...this.kinds.values()].flat().flatMap((kind) => kind.values());
    // The types name enum members where prom-client itself compares text.
    return { name: NAME, help: HELP, type: "histogram", aggregator: "sum", values } as unknown as ReturnType<
      RequestDurations["read"]
    >;
  }
}

class Kind {
  private readonly method: string;
  private readonly template: string;
  private readonly rpc: string;
  private readonly status: number;
  private readonly grpcCode: number;
  /** Of each bucket by itself; the last is for what is longer than all. */
  private readonly counts = new Float64Array(BUCKETS.length + 1);
  private sum = 0;

  constructor({ template, rpc, status, grpcCode }: RequestRecord, method: string) {
    this.method = method;
    this.template = template;
    this.rpc = rpc;
    this.status = status;
    this.grpcCode = grpcCode;
  }

  matches({ rpc, status, grpcCode }: RequestRecord, method: string): boolean {
    return this.status === status && this.grpcCode === grpcCode && this.method === method && this.rpc === rpc;
  }

  observe(seconds: number): void {
    let i = 0;
    while (i < BUCKETS.length && seconds > (BUCKETS[i] as number)) i++; // i is below the length
    (this.counts[i] as number)++; // one more than there are buckets
    this.sum += seconds;
  }

  values(): MetricValueWithName<string>[] {
    const labels = {
      http_request_method: this.method,
      http_route: this.template,
      http_response_status_code: this.status,
      rpc_method: this.rpc,
      rpc_response_status_code: codeName(this.grpcCode),
    };
    let count = 0;
    const buckets = Array.from(this.counts, (own, i) => {
      count += own;
      return { metricName: `${NAME}_bucket`, labels: { le: BUCKETS[i] ?? "+Inf", ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${NAME}_sum`, labels, value: this.sum },
      { metricName: `${NAME}_count`, labels, value: count },
    ];
  }
}
