import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { Clock } from "../../core/clock.ts";
import { thrownText } from "../../core/thrown.ts";
import type { Endpoint, Resolver, ResolverListener } from "../../upstream/resolver.ts";
import { isSameList, readEndpoints } from "../endpoint-list.ts";
import type { DiscoveryEvent } from "../events.ts";
import type { ModuleTarget } from "../target.ts";
import type { FromThread, ThreadData, ToThread } from "./thread.ts";

export interface ModuleResolverOptions {
  readonly target: ModuleTarget;
  /** Name of the upstream, for the module. */
  readonly upstream: string;
  readonly clock: Clock;
  readonly onEvent?: (event: DiscoveryEvent) => void;
}

// Compiled, it ends in .js as this file does.
const THREAD = new URL(`./thread${path.extname(import.meta.url)}`, import.meta.url);
const MEMORY_MB = 256;
/** How long a module may take to close. */
const CLOSE_MS = 1000;
const FIRST_RESTART_MS = 1000;
const MAX_RESTART_MS = 60_000;
/** Who lives so long has not failed of how it starts. */
const SOUND_MS = 10_000;
const MAX_REASON_LENGTH = 500;

/**
 * Endpoints that a user's module tells (docs/extending.md). It runs in a thread of its own: an error in it, whenever it
 * comes, is one line in the log, and the thread is started again; the last list stays in force.
 */
export function createModuleResolver(options: ModuleResolverOptions): Resolver {
  return new ModuleResolver(options);
}

class ModuleResolver implements Resolver {
  private readonly options: ModuleResolverOptions;
  private listener: ResolverListener | null = null;
  private worker: Worker | null = null;
  private told: readonly Endpoint[] | null = null;
  private isTroubled = false;
  /** The trouble is that the thread ended: a list from the next one is the end of it. */
  private hasFailed = false;
  private startedMs = 0;
  private restartMs = FIRST_RESTART_MS;
  private cancelRestart: () => void = () => {};

  constructor(options: ModuleResolverOptions) {
    this.options = options;
  }

  start(listener: ResolverListener): void {
    this.listener = listener;
    this.run();
  }

  refresh(): void {
    this.send("refresh");
  }

  close(): void {
    this.listener = null;
    this.cancelRestart();
    const { worker } = this;
    if (worker === null) return;
    this.send("close");
    this.options.clock.after(CLOSE_MS, () => void worker.terminate());
  }

  private run(): void {
    const { target, upstream, clock } = this.options;
    this.startedMs = clock.now();
    // By its content: a module that changed is another one.
    const url = `${pathToFileURL(target.file).href}?${target.hash}`;
    const data: ThreadData = { url, upstream, options: target.options };
    const worker = new Worker(THREAD, {
      workerData: data,
      name: `discovery of ${upstream}`,
      // Lines of the log are on stdout.
      stdout: true,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    });
    this.worker = worker;
    worker.unref();
    worker.stdout.pipe(process.stderr, { end: false });
    worker.on("message", (message: FromThread) => {
      if (message.type === "closed") void worker.terminate();
      else this.take(message);
    });
    worker.on("error", (error: unknown) => this.onEnd(worker, reasonOf(error, target.file)));
    worker.on("exit", () => this.onEnd(worker, "its thread ended"));
  }

  private send(message: ToThread): void {
    this.worker?.postMessage(message);
  }

  private take(message: FromThread): void {
    if (this.listener === null) return;
    switch (message.type) {
      case "endpoints":
        return this.tell(message.endpoints);
      case "trouble":
        return this.trouble(thrownText(message.reason));
      case "recovered":
        return this.recovered();
      case "closed":
        return;
      default:
        message satisfies never;
    }
  }

  private tell(list: unknown): void {
    const { target, onEvent } = this.options;
    const source = target.file;
    const { endpoints, refused } = readEndpoints(list, 1);
    for (const reason of refused) onEvent?.({ type: "bad_value", source, key: "", reason });
    if (!Array.isArray(list)) return;
    if (this.hasFailed) this.recovered();
    if (this.told !== null && isSameList(this.told, endpoints)) return;
    this.told = endpoints;
    onEvent?.({ type: "endpoints", source, count: endpoints.length });
    this.listener?.onEndpoints(endpoints);
  }

  private onEnd(worker: Worker, reason: string): void {
    // "exit" follows "error".
    if (this.worker !== worker) return;
    this.worker = null;
    if (this.listener === null) return;
    const { clock } = this.options;
    if (clock.now() - this.startedMs >= SOUND_MS) this.restartMs = FIRST_RESTART_MS;
    this.cancelRestart = clock.after(this.restartMs, () => this.run());
    this.restartMs = Math.min(this.restartMs * 2, MAX_RESTART_MS);
    this.trouble(`module ${this.options.target.file}: ${reason}`);
    this.hasFailed = true;
  }

  private trouble(reason: string): void {
    if (this.isTroubled) return;
    this.isTroubled = true;
    const short = reason.slice(0, MAX_REASON_LENGTH);
    this.options.onEvent?.({ type: "trouble", source: this.options.target.file, reason: short });
    this.listener?.onTrouble(short);
  }

  private recovered(): void {
    this.hasFailed = false;
    if (!this.isTroubled) return;
    this.isTroubled = false;
    this.options.onEvent?.({ type: "recovered", source: this.options.target.file });
    this.listener?.onRecovered();
  }
}

/** What a module threw, and where in it. */
function reasonOf(error: unknown, file: string): string {
  if (!(error instanceof Error)) return thrownText(error);
  const [, line] = /^[^\s:)]*:(\d+)/.exec(error.stack?.split(path.basename(file))[1] ?? "") ?? [];
  return `${error.name}: ${error.message}${line === undefined ? "" : ` (line ${line})`}`;
}
