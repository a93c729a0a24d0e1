import { promises as dns, type SrvRecord } from "node:dns";
import { isIPv6 } from "node:net";
import { MAX_ENDPOINTS, MAX_WEIGHT } from "../endpoint-list.ts";
import type { DnsTarget } from "../target.ts";

/** What the DNS says of a target now. */
export interface DnsAnswer {
  /** At least one; an address may come twice. */
  readonly endpoints: readonly { readonly address: string; readonly weight: number }[];
  /** How long it holds; Infinity where nobody said. */
  readonly ttlMs: number;
}

/** Asks for one target. Waits by c-ares' own timers: this file alone is outside of Clock. */
export interface DnsLookup {
  /** Rejects with an Error whose message is for the log: no such name, no answer, a refusal. */
  ask(): Promise<DnsAnswer>;
  /** A question under way rejects. */
  close(): void;
}

const TRY_TIMEOUT_MS = 1000;
const TRIES = 2;
/** Targets of SRV records whose addresses are asked for at one time. */
const TARGETS_AT_ONCE = 50;
const MAX_TARGETS = 1000;

export function createDnsLookup(target: DnsTarget): DnsLookup {
  return new Lookup(target);
}

class Lookup implements DnsLookup {
  private readonly target: DnsTarget;
  private readonly resolver = new dns.Resolver({ timeout: TRY_TIMEOUT_MS, tries: TRIES });

  constructor(target: DnsTarget) {
    this.target = target;
    if (target.servers.length > 0) this.resolver.setServers([...target.servers]);
  }

  async ask(): Promise<DnsAnswer> {
    const { name, port } = this.target;
    try {
      if (port === null) return await this.askServices(name);
      const { ips, ttlMs } = await this.askAddresses(name);
      return { endpoints: ips.map((ip) => ({ address: toAddress(ip, port), weight: 1 })), ttlMs };
    } catch (error) {
      throw new Error(`DNS: ${name}: ${reasonOf(error)}`);
    }
  }

  close(): void {
    this.resolver.cancel();
  }

  /** The SRV records of the lowest priority (RFC 2782), a target's weight shared out among its addresses. */
  private async askServices(name: string): Promise<DnsAnswer> {
    const records = await this.resolver.resolveSrv(name);
    const priority = Math.min(...records.map((record) => record.priority));
    // "." says that there is decidedly no such service.
    const chosen = records.filter((record) => record.priority === priority && record.name !== "");
    const heaviest = Math.max(...chosen.map(({ weight }) => weight), 1);
    const scale = Math.min(1, MAX_WEIGHT / heaviest);
    const endpoints: { address: string; weight: number }[] = [];
    let ttlMs = Infinity;
    let failure: unknown = new Error("there is no such service");
    for (let i = 0; i < Math.min(chosen.length, MAX_TARGETS); i += TARGETS_AT_ONCE) {
      const some = chosen.slice(i, i + TARGETS_AT_ONCE);
      const answers = await Promise.allSettled(some.map((record) => this.askAddresses(record.name)));
      for (const [index, answer] of answers.entries()) {
        if (answer.status === "rejected") failure = answer.reason;
        else {
          endpoints.push(...toEndpoints(some[index] as SrvRecord, answer.value.ips, scale)); // answers are in order
          ttlMs = Math.min(ttlMs, answer.value.ttlMs);
        }
      }
    }
    if (endpoints.length === 0) throw failure;
    return { endpoints: endpoints.slice(0, MAX_ENDPOINTS), ttlMs };
  }

  private async askAddresses(name: string): Promise<{ ips: string[]; ttlMs: number }> {
    const [v4, v6] = await Promise.allSettled([
      this.resolver.resolve4(name, { ttl: true }),
      this.resolver.resolve6(name, { ttl: true }),
    ]);
    // One family alone is enough: servers that fail at the other are common.
    const records = [v4, v6].flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (records.length > 0) {
      const ttlMs = Math.min(...records.map(({ ttl }) => ttl)) * 1000;
      return { ips: records.slice(0, MAX_ENDPOINTS).map(({ address }) => address), ttlMs };
    }
    // What c-ares does not know of: /etc/hosts, search domains, localhost.
    if (this.target.servers.length === 0) {
      const found = await dns.lookup(name, { all: true }).catch(() => []);
      if (found.length > 0) return { ips: found.map(({ address }) => address), ttlMs: Infinity };
    }
    throw v4.status === "rejected" ? v4.reason : new Error("it has no address");
  }
}

function toEndpoints({ port, weight }: SrvRecord, ips: readonly string[], scale: number) {
  // Weight 0 is "a very small chance" in RFC 2782; of an Endpoint it would be none.
  const each = (Math.max(weight, 1) * scale) / ips.length;
  return ips.map((ip) => ({ address: toAddress(ip, port), weight: each }));
}

function toAddress(ip: string, port: number): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such name",
  ENODATA: "it has no records of this type",
  ESERVFAIL: "the server failed (SERVFAIL)",
  EREFUSED: "the server refuses to answer",
  ETIMEOUT: "no answer in time",
  ECONNREFUSED: "no DNS server listens there",
};

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ""] ?? code ?? message;
}
