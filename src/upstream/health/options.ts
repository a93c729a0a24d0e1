import { duration, filled, integer, section, text } from "../../core/options.ts";

/** When an instance is taken out for what it answers; names and defaults as in gRFC A50 where it has them. */
export interface OutlierOptions {
  /** Failures in a row; 0: they do not count. */
  readonly consecutiveFailures: number;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** Of the ready instances, that may be out at a time. */
  readonly maxEjectionPercent: number;
  readonly successRate: {
    /** In thousandths; 0: no such judgement. */
    readonly stdevFactor: number;
    readonly minimumHosts: number;
    readonly requestVolume: number;
  };
  readonly failurePercentage: {
    /** 100: no such judgement. */
    readonly threshold: number;
    readonly minimumHosts: number;
    readonly requestVolume: number;
  };
}

/** The instances' own word on their health, by grpc.health.v1. */
export interface HealthCheckOptions {
  /** Whose health is asked for; "" for the server's as a whole. */
  readonly service: string;
}

export interface HealthOptions {
  readonly outlier: OutlierOptions;
  /** Null: nobody is asked. */
  readonly check: HealthCheckOptions | null;
  /** With fewer of the listed instances in good health, in percent, all that are connected are used; 0: never. */
  readonly panicThreshold: number;
}

const minimumHosts = filled(
  integer({ docs: "Instances with enough attempts, below which nobody is judged.", default: 5, min: 1, max: 100_000 }),
);
const volume = (count: number) =>
  filled(integer({ docs: "Attempts within the interval.", default: count, min: 1, max: 1_000_000_000 }));

/** Keys of an upstream that say which of its instances are in good health. */
export const healthShape = {
  outlier_detection: section(
    {
      docs:
        "Takes an instance out for a while that fails, or fails more than the others (gRFC A50). A failure is no " +
        "answer in time, a broken reply, or UNAVAILABLE; success_rate and failure_percentage count UNKNOWN, INTERNAL " +
        "and DATA_LOSS as well. What a client cancels never counts.",
      check({ base_ejection_time: base, max_ejection_time: max }, complain) {
        if (base !== undefined && max !== undefined && max < base) {
          complain(["max_ejection_time"], "is shorter than base_ejection_time");
        }
      },
    },
    {
      consecutive_failures: filled(
        integer({ docs: "Failures in a row; 0 for never.", default: 3, min: 0, max: 1_000_000 }),
      ),
      interval: filled(
        duration({ docs: "How long attempts are counted before they are judged.", default: "10s", min: 100 }),
      ),
      base_ejection_time: filled(
        duration({ docs: "How long an instance is out for the first time; it doubles with each.", default: "1s" }),
      ),
      max_ejection_time: filled(duration({ docs: "How long it is out at most.", default: "30s" })),
      max_ejection_percent: filled(
        integer({
          docs: "Of the ready instances, that may be out at a time; 0 takes out none.",
          default: 50,
          min: 0,
          max: 100,
        }),
      ),
      success_rate: section(
        { docs: "Takes out those whose share of good answers lies far below the mean of all." },
        {
          stdev_factor: filled(
            integer({
              docs: "How far: thousandths of a standard deviation; 0 for never.",
              default: 1900,
              min: 0,
              max: 1_000_000,
            }),
          ),
          minimum_hosts: minimumHosts,
          request_volume: volume(100),
        },
      ).prefault({}),
      failure_percentage: section(
        { docs: "Takes out those with more failures than that." },
        {
          threshold: filled(
            integer({ docs: "Percent of its attempts; 100 for never.", default: 85, min: 0, max: 100 }),
          ),
          minimum_hosts: minimumHosts,
          request_volume: volume(50),
        },
      ).prefault({}),
    },
  ).prefault({}),
  health_check: section(
    {
      docs:
        "Asks each instance for its health (grpc.health.v1 Watch, one stream an instance, on its own connection): one " +
        "that says it does not serve is passed over. One that does not know the service Health counts as serving.",
    },
    {
      service: text({
        docs: "Whose health; the server's as a whole without it.",
        what: "the name of a service",
        pattern: "[^\\s]*",
      }).optional(),
    },
  ).optional(),
  panic_threshold: filled(
    integer({
      docs:
        "With fewer of the listed instances in good health, in percent, those that are ejected or say they do not serve " +
        "are used too: a few cannot carry the load of all. 0 for never.",
      default: 50,
      min: 0,
      max: 100,
    }),
  ),
};

interface Parsed {
  readonly outlier_detection: {
    readonly consecutive_failures: number;
    readonly interval: number;
    readonly base_ejection_time: number;
    readonly max_ejection_time: number;
    readonly max_ejection_percent: number;
    readonly success_rate: { stdev_factor: number; minimum_hosts: number; request_volume: number };
    readonly failure_percentage: { threshold: number; minimum_hosts: number; request_volume: number };
  };
  readonly health_check?: { readonly service?: string | undefined } | undefined;
  readonly panic_threshold: number;
}

export function toHealthOptions({
  outlier_detection: outlier,
  health_check: check,
  panic_threshold,
}: Parsed): HealthOptions {
  const { success_rate: rate, failure_percentage: percentage } = outlier;
  return {
    outlier: {
      consecutiveFailures: outlier.consecutive_failures,
      intervalMs: outlier.interval,
      baseEjectionMs: outlier.base_ejection_time,
      maxEjectionMs: outlier.max_ejection_time,
      maxEjectionPercent: outlier.max_ejection_percent,
      successRate: {
        stdevFactor: rate.stdev_factor,
        minimumHosts: rate.minimum_hosts,
        requestVolume: rate.request_volume,
      },
      failurePercentage: {
        threshold: percentage.threshold,
        minimumHosts: percentage.minimum_hosts,
        requestVolume: percentage.request_volume,
      },
    },
    check: check === undefined ? null : { service: check.service ?? "" },
    panicThreshold: panic_threshold,
  };
}
