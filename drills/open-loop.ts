import type { Answer, HttpClient, HttpRequest } from "../test/support/http-load.ts";

/** What became of one request of a load. */
export interface Sample {
  readonly isMutation: boolean;
  /** 0 where there was no HTTP reply. */
  readonly status: number;
  readonly instance: string;
  /** When it was to be sent, on `performance.now`'s axis. */
  readonly dueMs: number;
  /** From then to the answer: what the request waited for its turn counts, too. */
  readonly tookMs: number;
  readonly body: string;
}

export interface OpenLoop {
  readonly samples: readonly Sample[];
  /** Resolves when `condition` holds of some sample to come; rejects after `timeoutMs`. */
  sees(what: string, condition: (sample: Sample) => boolean, timeoutMs?: number): Promise<Sample>;
  /** Sends no more; resolves when all answers are there. */
  stop(): Promise<void>;
}

export interface OpenLoopOptions {
  readonly client: HttpClient;
  readonly perSecond: number;
  /** The n-th request. */
  request(n: number): HttpRequest;
}

/**
 * Sends requests at a fixed rate, whatever becomes of those before: as clients do, who know nothing of each other. A load
 * that waits for answers would send least when the gateway is at its worst, and not see it.
 */
export function startOpenLoop({ client, perSecond, request }: OpenLoopOptions): OpenLoop {
  const samples: Sample[] = [];
  const pending = new Set<Promise<void>>();
  const waiting = new Set<(sample: Sample) => void>();
  const startMs = performance.now();
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;

  function turn(): void {
    const due = ((performance.now() - startMs) * perSecond) / 1000;
    for (; sent < due; sent++) send(startMs + (sent * 1000) / perSecond, request(sent));
    timer = setTimeout(turn, 1);
  }

  function send(dueMs: number, one: HttpRequest): void {
    const done = client.send(one).then(({ status, instance, body }: Answer) => {
      const tookMs = performance.now() - dueMs;
      const isMutation = one.method !== undefined && one.method !== "GET";
      const sample = { isMutation, status, instance, dueMs, tookMs, body };
      samples.push(sample);
      pending.delete(done);
      for (const tell of waiting) tell(sample);
    });
    pending.add(done);
  }

  turn();
  return {
    samples,
    sees(what, condition, timeoutMs = 10_000) {
      return new Promise((resolve, reject) => {
        const end = (): void => {
          waiting.delete(look);
          clearTimeout(timeout);
        };
        const look = (sample: Sample): void => {
          if (!condition(sample)) return;
          end();
          resolve(sample);
        };
        const timeout = setTimeout(() => {
          end();
          reject(new Error(`not within ${timeoutMs} ms: ${what}`));
        }, timeoutMs);
        waiting.add(look);
      });
    },
    async stop() {
      clearTimeout(timer);
      await Promise.all(pending);
    },
  };
}
