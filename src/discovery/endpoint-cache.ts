import { constants } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../core/clock.ts";
import type { Endpoint, Resolver } from "../upstream/resolver.ts";
import { isSameList, readEndpoints } from "./endpoint-list.ts";

/** What a cache tells to the log; `reason` is for people. */
export type EndpointCacheEvent =
  /** No list has come yet: the one of an earlier run is in force, told by discovery at `toldAt` (ISO 8601). */
  | { readonly type: "used"; readonly upstream: string; readonly endpoints: number; readonly toldAt: string }
  /** The file is there, but not to be read; it will be written anew. */
  | { readonly type: "unreadable"; readonly file: string; readonly reason: string }
  /** Once until it is written again. */
  | { readonly type: "unwritten"; readonly file: string; readonly reason: string };

export interface EndpointCacheOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly onEvent: (event: EndpointCacheEvent) => void;
}

/** Whose list it is. */
export interface CachedSource {
  readonly upstream: string;
  /** What is looked up, and where: a list of another source is none of this one. No secret. */
  readonly source: string;
  /** Connections per endpoint; null: as they were told. */
  readonly connections: number | null;
}

interface Entry {
  readonly source: string;
  readonly toldAt: string;
  readonly endpoints: readonly Endpoint[];
}

const VERSION = 1;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** Changes are written together, at most so often. */
const WRITE_DELAY_MS = 1000;
/** How long a list may be in coming before that of the file is used; where discovery fails, it is used at once. */
const PATIENCE_MS = 1000;

/**
 * The last list of each upstream in a file, so that a gateway that starts while discovery fails knows where instances
 * were. A file that cannot be read, or written, stops nothing.
 */
export class EndpointCache {
  private readonly options: EndpointCacheOptions;
  private entries: Map<string, Entry>;
  private cancelWrite: (() => void) | null = null;
  private writing: Promise<void> = Promise.resolve();
  private isTroubled = false;

  private constructor(options: EndpointCacheOptions, entries: Map<string, Entry>) {
    this.options = options;
    this.entries = entries;
  }

  /** Reads the file, where there is one. */
  static async open(options: EndpointCacheOptions): Promise<EndpointCache> {
    const { file, onEvent } = options;
    try {
      return new EndpointCache(options, readEntries(await readBounded(file)));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") onEvent({ type: "unreadable", file, reason: message });
      return new EndpointCache(options, new Map());
    }
  }

  /** Forgets all upstreams but these. */
  retain(upstreams: ReadonlySet<string>): void {
    this.entries = new Map([...this.entries].filter(([upstream]) => upstreams.has(upstream)));
  }

  /** The same resolver, that tells the list of the file where it has none itself. */
  wrap(key: CachedSource, inner: Resolver): Resolver {
    let stored = this.find(key);
    let cancelPatience = (): void => {};
    const stop = (): void => {
      cancelPatience();
      stored = undefined;
    };
    return {
      start: (listener) => {
        const useStored = (): void => {
          if (stored === undefined) return;
          const { endpoints, toldAt } = stored;
          stop();
          this.options.onEvent({ type: "used", upstream: key.upstream, endpoints: endpoints.length, toldAt });
          listener.onEndpoints(endpoints);
        };
        cancelPatience = this.options.clock.after(PATIENCE_MS, useStored);
        inner.start({
          onEndpoints: (endpoints) => {
            stop();
            this.put(key, endpoints);
            listener.onEndpoints(endpoints);
          },
          onTrouble: (reason) => {
            useStored();
            listener.onTrouble(reason);
          },
          onRecovered: () => listener.onRecovered(),
        });
      },
      refresh: () => inner.refresh?.(),
      close: () => {
        stop();
        inner.close();
      },
    };
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    if (this.cancelWrite !== null) this.write();
    await this.writing;
  }

  private find({ upstream, source, connections }: CachedSource): Entry | undefined {
    const entry = this.entries.get(upstream);
    if (entry === undefined || entry.source !== source) return undefined;
    if (connections === null) return entry;
    return { ...entry, endpoints: entry.endpoints.map((endpoint) => ({ ...endpoint, connections })) };
  }

  private put({ upstream, source }: CachedSource, endpoints: readonly Endpoint[]): void {
    // An empty list is nothing to start with.
    if (endpoints.length === 0) return;
    const known = this.entries.get(upstream);
    if (known?.source === source && isSameList(known.endpoints, endpoints)) return;
    this.entries.set(upstream, { source, toldAt: new Date().toISOString(), endpoints });
    this.cancelWrite ??= this.options.clock.after(WRITE_DELAY_MS, () => this.write());
  }

  private write(): void {
    this.cancelWrite?.();
    this.cancelWrite = null;
    const text = JSON.stringify({ version: VERSION, upstreams: Object.fromEntries(this.entries) });
    this.writing = this.writing.then(() => this.writeText(text));
  }

  private async writeText(text: string): Promise<void> {
    const { file, onEvent } = this.options;
    try {
      await replaceFile(file, text);
      this.isTroubled = false;
    } catch (error) {
      if (!this.isTroubled) onEvent({ type: "unwritten", file, reason: (error as Error).message });
      this.isTroubled = true;
    }
  }
}

/** The file holds the old text or the new one, whole, whatever happens on the way; nobody else may read it. */
async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  // The rename itself lasts once the folder is written.
  const folder = await open(path.dirname(file), constants.O_RDONLY);
  await folder.sync().finally(() => folder.close());
}

async function readBounded(file: string): Promise<string> {
  const found = await stat(file);
  // A pipe would keep the gateway from starting.
  if (!found.isFile()) throw new Error("it is no file");
  if (found.size > MAX_FILE_BYTES) throw new Error(`it has ${found.size} bytes; expected at most ${MAX_FILE_BYTES}`);
  const handle = await open(file);
  return handle.readFile("utf8").finally(() => handle.close());
}

/** Throws an Error that says what is wrong; what is read is as hostile as anything from outside. */
function readEntries(text: string): Map<string, Entry> {
  const content: unknown = JSON.parse(text);
  if (!isMap(content)) throw new Error("it is no JSON object");
  const { version, upstreams } = content;
  if (version !== VERSION) throw new Error(`its version is ${JSON.stringify(version)}; expected ${VERSION}`);
  if (!isMap(upstreams)) throw new Error("it has no upstreams");
  const entries = new Map<string, Entry>();
  for (const [upstream, value] of Object.entries(upstreams)) {
    const { source, toldAt, endpoints } = isMap(value) ? value : {};
    const read = readEndpoints(endpoints, 1);
    if (typeof source !== "string" || typeof toldAt !== "string" || read.refused.length > 0) {
      throw new Error(`${JSON.stringify(upstream)}: ${read.refused[0] ?? "source or toldAt is missing"}`);
    }
    entries.set(upstream, { source, toldAt: toldAt.slice(0, 30), endpoints: read.endpoints });
  }
  return entries;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
