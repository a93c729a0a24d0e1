import type { z } from "zod";
import { duration, section } from "../../core/options.ts";
import type { Target } from "../target.ts";
import type { DnsOptions } from "./resolver.ts";

/** `discovery.dns`. */
export const dnsSection = section(
  {
    docs: "How a dns: target is looked up.",
    check({ min_ttl = 0, max_ttl = Infinity }, complain) {
      if (min_ttl > max_ttl) complain(["min_ttl"], "is longer than max_ttl");
    },
  },
  {
    min_ttl: duration({
      docs: "The DNS is asked no more often than so, whatever the TTL of its records, not even where an instance fails.",
      default: "5s",
      min: 100,
    }).optional(),
    max_ttl: duration({
      docs: "It is asked at least so often; also where records carry no TTL, as those of SRV and of /etc/hosts.",
      default: "30s",
      min: 100,
    }).optional(),
  },
);

export const defaultDnsOptions: DnsOptions = { minTtlMs: 5000, maxTtlMs: 30_000 };

interface Level {
  readonly discovery: { readonly dns?: z.output<typeof dnsSection> | undefined } | undefined;
}

/** How a target is looked up in the DNS; null where it is none of the DNS. */
export function toDnsOptions(target: Target, levels: readonly Level[]): DnsOptions | null {
  if (target.kind !== "dns") return null;
  let { minTtlMs, maxTtlMs } = defaultDnsOptions;
  for (const { discovery } of levels) {
    minTtlMs = discovery?.dns?.min_ttl ?? minTtlMs;
    maxTtlMs = discovery?.dns?.max_ttl ?? maxTtlMs;
  }
  // The two may stand at different places.
  return { minTtlMs, maxTtlMs: Math.max(minTtlMs, maxTtlMs) };
}
