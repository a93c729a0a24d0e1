import http from "node:http";

/** One request and what became of it. */
export interface Answer {
  /** 0 where there was no HTTP reply. */
  readonly status: number;
  /** The header `x-instance`; "" without one. */
  readonly instance: string;
  /** The header `retry-after`. */
  readonly retryAfter: string | undefined;
  readonly body: string;
  /** When it began, on `performance.now`'s axis, and how long it took. */
  readonly startMs: number;
  readonly tookMs: number;
}

export interface HttpRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Told of its answer, where it is part of a load. */
  readonly onAnswer?: (answer: Answer) => void;
}

/** An HTTP client that keeps its connections. */
export class HttpClient {
  private readonly origin: string;
  private readonly agent = new http.Agent({ keepAlive: true });

  constructor(origin: string) {
    this.origin = origin;
  }

  /** Never rejects. */
  send({ path, method = "GET", headers = {}, body }: HttpRequest): Promise<Answer> {
    const startMs = performance.now();
    return new Promise((resolve) => {
      const done = (status: number, text: string, replied: http.IncomingHttpHeaders) =>
        resolve({
          status,
          instance: String(replied["x-instance"] ?? ""),
          retryAfter: replied["retry-after"],
          body: text,
          startMs,
          tookMs: performance.now() - startMs,
        });
      const request = http.request(new URL(path, this.origin), { method, headers, agent: this.agent }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () => done(response.statusCode ?? 0, text, response.headers));
        response.on("error", (error) => done(0, String(error), {}));
      });
      request.on("error", (error) => done(0, String(error), {}));
      request.end(body);
    });
  }

  get(path: string): Promise<Answer> {
    return this.send({ path });
  }

  /** How many of so many GETs, one after the other, each instance answered; failures by their status. */
  async shares(path: string, requests: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (let i = 0; i < requests; i++) count(counts, await this.get(path));
    return counts;
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Requests by several workers at once, each of which sends its next when it has the answer to the last. */
export class HttpLoad {
  /** By instance, all that went well. */
  readonly counts: Record<string, number> = {};
  readonly failures: Answer[] = [];
  total = 0;
  slowestMs = 0;
  private running = true;
  private readonly done: Promise<unknown>;
  private waiting: (() => void)[] = [];

  /** `next` makes each request. */
  constructor(client: HttpClient, workers: number, next: () => HttpRequest) {
    const work = async (): Promise<void> => {
      while (this.running) {
        const request = next();
        const answer = await client.send(request);
        request.onAnswer?.(answer);
        this.note(answer);
      }
    };
    this.done = Promise.all(Array.from({ length: workers }, work));
  }

  /** Waits until that many more requests have ended. */
  async more(requests: number): Promise<void> {
    const target = this.total + requests;
    await this.until(() => this.total >= target, `${requests} more requests`);
  }

  /** Waits until `instance` has answered that many more. */
  async answers(instance: string, requests = 1, timeoutMs?: number): Promise<void> {
    const target = (this.counts[instance] ?? 0) + requests;
    await this.until(() => (this.counts[instance] ?? 0) >= target, `${requests} answers of ${instance}`, timeoutMs);
  }

  /** No more requests; resolves when the last has ended. */
  async stop(): Promise<void> {
    this.running = false;
    await this.done;
  }

  /** For messages: who answered, and how the first few failures looked. */
  summary(): string {
    const failures = this.failures.slice(0, 5).map(({ status, tookMs, body }) => `${status} ${tookMs | 0} ms ${body}`);
    return JSON.stringify({ total: this.total, counts: this.counts, failed: this.failures.length, failures });
  }

  private note(answer: Answer): void {
    this.total++;
    this.slowestMs = Math.max(this.slowestMs, answer.tookMs);
    if (answer.status === 200) count(this.counts, answer);
    else this.failures.push(answer);
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private async until(condition: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
    const { promise: timedOut, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`not within ${timeoutMs} ms: ${what}; ${this.summary()}`)),
      timeoutMs,
    );
    try {
      while (!condition()) {
        await Promise.race([new Promise<void>((resolve) => this.waiting.push(resolve)), timedOut]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function count(counts: Record<string, number>, { status, instance }: Answer): void {
  const key = status === 200 ? instance : `failed ${status}`;
  counts[key] = (counts[key] ?? 0) + 1;
}
