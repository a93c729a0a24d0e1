import { existsSync } from "node:fs";
import path from "node:path";
import { setFlagsFromString } from "node:v8";
import { runCheck, runRoutes, type CheckDeps } from "./cli/check.ts";
import { createProgram, runProgram, type DemoFlags, type ServeFlags } from "./cli/program.ts";
import type { RegisterFlags } from "./cli/register.ts";
import type { CommandResult } from "./cli/result.ts";
import { formatRoutes } from "./cli/routes-table.ts";
import { versionText } from "./cli/version.ts";
import { systemClock } from "./core/clock.ts";
import { GatewayError } from "./core/errors.ts";
import { formatProblem, problemsOf } from "./core/problem.ts";
import { systemRandom } from "./core/random.ts";
import { startGateway, type Gateway } from "./gateway.ts";
import { loadRoutes } from "./load-routes.ts";
import { onStop } from "./process/stop-signal.ts";
import { limitYoungGeneration } from "./process/young-generation.ts";
import { createLog, prettyLines, LOG_LEVELS, type Log, type LogLevel } from "./telemetry/log.ts";

// V8 allocates in old space what it has seen survive: after a burst that may be a part of every request. What such a
// part, dead but not yet collected there, points to survives every scavenge: 10 ms each instead of 0.6, at half the
// throughput and 100 MB more, until the code is compiled anew (bench/README.md).
setFlagsFromString("--no-allocation-site-pretenuring");
limitYoungGeneration();

const DEMO = new URL("../demo/demo.ts", import.meta.url);

const checkDeps: CheckDeps = {
  async load(file) {
    const { config, resolved } = await loadRoutes(file, { env: process.env });
    return { rows: resolved.rows, upstreamCount: config.upstreams.length, problems: resolved.problems };
  },
};

async function serve({ config, ...overrides }: ServeFlags): Promise<void> {
  let gateway: Gateway | undefined;
  let isStale = false;
  // Also while it starts: a signal that nobody takes ends the process.
  process.on("SIGHUP", () => {
    isStale = true;
    void gateway?.reload();
  });
  gateway = await start(config, process.env, overrides);
  if (isStale) void gateway.reload();
  await stopped(() => gateway.kill());
  await gateway.close();
}

/** What `serve` starts more processes with. */
async function worker(): Promise<void> {
  const { primaryChannel } = await import("./workers/cluster.ts");
  const { runWorker } = await import("./worker.ts");
  const primary = primaryChannel();
  if (primary === null) throw new Error("workers are started by: sluice serve --workers N");
  // They reach the whole group from a terminal or a process manager; the primary says what is to be done.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const log = await startLog(Number(process.env["SLUICE_WORKER"]));
  await runWorker({ primary, clock: systemClock, random: systemRandom, log });
}

async function start(
  configFile: string,
  env: NodeJS.ProcessEnv,
  overrides: Omit<ServeFlags, "config">,
): Promise<Gateway> {
  return await startGateway({
    configFile,
    load: { env, overrides },
    log: await startLog(),
    clock: systemClock,
    random: systemRandom,
    workerScript: process.argv[1],
  });
}

async function startLog(worker?: number): Promise<Log> {
  const level = logLevel();
  const log = createLog(process.stdout.isTTY ? { level, worker, out: await prettyLines() } : { level, worker });
  // However the process ends by itself, lines that wait are written.
  process.on("exit", () => log.flush());
  return log;
}

async function demo({ etcd, port }: DemoFlags): Promise<void> {
  if (!existsSync(DEMO)) throw new Error("the demo is part of the repository, not of the installed package");
  const { runDemo } = (await import(DEMO.href)) as { runDemo: (options: object) => Promise<void> };
  const stop = new AbortController();
  void stopped().then(() => stop.abort());
  await runDemo({
    etcd,
    port,
    env: process.env,
    signal: stop.signal,
    print: (line: string) => void process.stdout.write(`${line}\n`),
    serve: async (options: { config: string; env: NodeJS.ProcessEnv; port: number }) => {
      // Relative, so that the table shows places as a user in this folder would write them.
      const config = path.relative("", options.config);
      const gateway = await start(config, options.env, { port: options.port, adminPort: 0 });
      return {
        address: gateway.address,
        routesTable: formatRoutes(gateway.routes()),
        close: () => gateway.close(),
      };
    },
  });
}

async function registerService(flags: RegisterFlags): Promise<void> {
  const { runRegister } = await import("./register-command.ts");
  const { observeRegistration } = await import("./telemetry/observe-registration.ts");
  // stdout is the child's.
  const log = createLog({ level: logLevel(), out: process.stderr.isTTY ? await prettyLines(2) : 2 });
  const run = runRegister({
    flags,
    env: process.env,
    clock: systemClock,
    onEvent: observeRegistration(log),
    onFailed: (message) => console.error(message),
  });
  for (const signal of ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const) {
    process.on(signal, () => run.pass(signal));
  }
  onStopSignal(run.stop, run.stop);
  process.exitCode = await run.exitStatus;
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Resolves at the first SIGTERM or Ctrl-C; the next one, a second or more later, ends the process at once. */
function stopped(beforeExit: () => void = () => {}): Promise<void> {
  const exit = (): never => {
    beforeExit();
    process.exit(1);
  };
  return new Promise((resolve) => onStopSignal(() => resolve(), exit));
}

/** Takes SIGTERM and Ctrl-C over from the launcher. */
function onStopSignal(stop: (signal: NodeJS.Signals) => void, again: (signal: NodeJS.Signals) => void): void {
  // The launcher's, which end a process that has nothing to end yet. They go after ours are there: a signal that came
  // while the sources were loaded waits to be told, and without any listener it would be lost.
  const launchers = SIGNALS.map((signal) => [signal, process.listeners(signal)] as const);
  onStop(process, systemClock, stop, again);
  for (const [signal, listeners] of launchers) for (const listener of listeners) process.off(signal, listener);
}

function logLevel(): LogLevel {
  const asked = process.env["SLUICE_LOG_LEVEL"] ?? "info";
  const level = LOG_LEVELS.find((candidate) => candidate === asked);
  if (level === undefined) throw new Error(`SLUICE_LOG_LEVEL is "${asked}"; expected one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

function print({ exitCode, lines }: CommandResult): void {
  for (const line of lines) console.log(line);
  process.exitCode = exitCode;
}

const program = createProgram({
  serve,
  worker,
  demo,
  register: registerService,
  check: async ({ config }) => print(await runCheck(config, checkDeps)),
  routes: async ({ config, json }) => print(await runRoutes(config, checkDeps, { json })),
  version: () => console.log(versionText()),
});

try {
  const refused = await runProgram(program, process.argv.slice(2));
  process.exit(refused ?? process.exitCode);
} catch (error) {
  // What a user can mend is told in plain lines: our own errors, and plain ones, which are thrown on purpose. A stack is
  // for what only we can mend: TypeError and the like.
  for (const problem of problemsOf(error) ?? []) console.error(formatProblem(problem));
  const isMeant = error instanceof GatewayError || (error instanceof Error && error.constructor === Error);
  console.error(isMeant ? error.message : error);
  process.exit(1);
}
