/** A real etcd for the demo and the tests: found or installed, then run with data and ports of its own. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { access, constants, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

export interface EtcdOptions {
  /** Path of the binary; by default what `findEtcd` finds. */
  readonly binary?: string;
  /** Further flags, such as `--max-request-bytes=4096`. */
  readonly flags?: readonly string[] | ((url: string) => readonly string[]);
}

/** One etcd process and its data. After `stop` or `kill`, `start` runs it again on the same port and data. */
export interface Etcd {
  /** For clients, such as `http://127.0.0.1:23790`. */
  readonly url: string;
  readonly pid: number | undefined;
  /** Runs it and waits until it serves. */
  start(): Promise<void>;
  /** SIGTERM; waits for its end. */
  stop(): Promise<void>;
  /** SIGKILL; waits for its end. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers, until `resume`. */
  pause(): void;
  resume(): void;
  /** Deletes all data of a stopped etcd; the next `start` begins at revision 1. */
  wipe(): Promise<void>;
  /** Kills it and deletes its data. */
  dispose(): Promise<void>;
}

const HOW_TO_GET =
  "etcd was not found: set ETCD_BIN to its path, or put etcd 3.4 or later into PATH " +
  "(Debian and Ubuntu: apt-get install etcd-server; macOS: brew install etcd)";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const LOG_TAIL = 2000;

/**
 * Path of an etcd binary: ETCD_BIN, else from PATH, else installed as Debian's `etcd-server`, where this process is
 * root and there is apt. Rejects with one line that says how to get etcd. May run in several processes at once.
 */
export async function findEtcd(): Promise<string> {
  const named = process.env["ETCD_BIN"];
  if (named !== undefined && named !== "") {
    if (await isExecutable(named)) return named;
    throw new Error(`ETCD_BIN is ${named}, which is no executable file`);
  }
  const found = await searchPath("etcd");
  if (found !== undefined) return found;
  const mayInstall = process.getuid?.() === 0 && (await searchPath("apt-get")) !== undefined;
  if (!mayInstall) throw new Error(HOW_TO_GET);
  await install();
  const installed = await searchPath("etcd");
  if (installed === undefined) throw new Error(HOW_TO_GET);
  return installed;
}

/** Starts an etcd that nobody else uses: own data folder, free port, quiet. It never outlives this process. */
export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  const binary = options.binary ?? (await findEtcd());
  const folder = await mkdtemp(join(tmpdir(), "sluice-etcd-"));
  try {
    // Another process may take the port between our look and etcd's start; then a second port does.
    for (let attempt = 1; ; attempt++) {
      const etcd = new EtcdProcess(binary, folder, await freePort(), options.flags ?? []);
      try {
        await etcd.start();
        return etcd;
      } catch (error) {
        if (attempt === 3 || !String(error).includes("address already in use")) throw error;
      }
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * A port nobody listens on, below the range from which Linux takes the ports of outgoing connections (32768 up). In
 * that range a client that dials while etcd is down can be given etcd's port as its own, connect to itself, and keep
 * etcd from ever coming back.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

class EtcdProcess implements Etcd {
  readonly url: string;
  readonly #binary: string;
  readonly #folder: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  readonly #killAtExit = (): void => void this.#child?.kill("SIGKILL");

  constructor(binary: string, folder: string, port: number, flags: NonNullable<EtcdOptions["flags"]>) {
    this.url = `http://127.0.0.1:${port}`;
    this.#binary = binary;
    this.#folder = folder;
    this.#flags = typeof flags === "function" ? flags(this.url) : flags;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error("etcd runs already");
    const command = tiedToThisProcess([this.#binary, ...this.#arguments()]);
    const child = spawn(command[0] ?? "", command.slice(1), {
      stdio: ["ignore", "pipe", "pipe"],
      // Ctrl-C reaches a whole process group; in one of its own, etcd stays for those who still have to deregister.
      detached: true,
    });
    this.#child = child;
    process.on("exit", this.#killAtExit);
    let tail = "";
    const keepTail = (chunk: Buffer): void => void (tail = (tail + chunk.toString()).slice(-LOG_TAIL));
    child.stdout?.on("data", keepTail);
    child.stderr?.on("data", keepTail);
    // "close" comes after the last of the log, "exit" may come before it.
    const ended = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => reject(new Error(`etcd ended with ${code ?? signal}: ${tail.trim()}`)));
    });
    ended.catch(() => {}); // an end after the start is no failure of the start
    const giveUp = new AbortController();
    try {
      await Promise.race([ended, this.#served(giveUp.signal)]);
    } catch (error) {
      giveUp.abort();
      await this.kill();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#end("SIGTERM");
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async wipe(): Promise<void> {
    if (this.#child !== undefined) throw new Error("etcd still runs");
    await rm(join(this.#folder, "data"), { recursive: true, force: true });
  }

  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #arguments(): string[] {
    return [
      "--name=sluice",
      `--data-dir=${join(this.#folder, "data")}`,
      `--listen-client-urls=${this.url}`,
      `--advertise-client-urls=${this.url}`,
      // A single member: nobody dials its peer port, so any will do.
      "--listen-peer-urls=http://127.0.0.1:0",
      "--initial-advertise-peer-urls=http://127.0.0.1:2380",
      "--initial-cluster=sluice=http://127.0.0.1:2380",
      // Half of the defaults: half the wait for a leader after a restart, and leases of 1 s are granted.
      "--heartbeat-interval=50",
      "--election-timeout=500",
      "--logger=zap",
      "--log-level=error",
      ...this.#flags,
    ];
  }

  async #served(giveUp: AbortSignal): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline && !giveUp.aborted) {
      // A refused connection means "not yet"; the end of the process is seen apart from this.
      const response = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
      if (response?.ok && ((await response.json()) as { health?: string }).health === "true") return;
      await delay(20);
    }
    throw new Error(`etcd did not serve within ${START_TIMEOUT_MS} ms`);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    process.off("exit", this.#killAtExit);
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGCONT"); // a stopped process does not see SIGTERM
    child.kill(signal);
    await exited;
  }
}

/** On Linux the kernel kills the child with us, even after `kill -9`; elsewhere only our orderly exit does. */
function tiedToThisProcess(command: readonly string[]): readonly string[] {
  const setpriv = "/usr/bin/setpriv";
  return process.platform === "linux" && existsSync(setpriv) ? [setpriv, "--pdeathsig=KILL", ...command] : command;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function searchPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder !== "" && (await isExecutable(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

// Debian starts what it installs; policy-rc.d with exit 101 is its documented way to say no (invoke-rc.d(8)). Where
// there is one already, as in containers, it is left as it is.
const INSTALL_SCRIPT = `
set -e
command -v etcd >/dev/null && exit 0
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get update -q
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 etcd-server
`;

async function install(): Promise<void> {
  process.stderr.write("etcd is missing; installing Debian's etcd-server with apt-get\n");
  try {
    // The lock goes with the process that holds it; whoever waited for it finds etcd there and is done.
    await promisify(execFile)("flock", ["--timeout=300", "/run/sluice-etcd.lock", "sh", "-c", INSTALL_SCRIPT], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (error) {
    const lines = String((error as { stderr?: unknown }).stderr ?? error).trim();
    throw new Error(`etcd-server could not be installed (${lines.split("\n").at(-1)}). ${HOW_TO_GET}`, {
      cause: error,
    });
  }
}
