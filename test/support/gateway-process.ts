import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Readiness, UpstreamReadiness } from "../../src/admin/server.ts";
import { overTransport } from "./transport.ts";
import { until } from "./until.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const STOP_MS = 10_000;

/** A gateway as a user runs it, seen from outside: `node bin/sluice.js serve`. */
export interface GatewayProcess {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** The same of the admin port. */
  readonly admin: string;
  /** Its routes.yaml, to be rewritten before SIGHUP. */
  readonly config: string;
  readonly pid: number;
  /** What it logged, access lines aside. */
  readonly log: readonly string[];
  /** The access lines, parsed. */
  readonly requests: readonly Record<string, unknown>[];
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<unknown>;
  /** What /readyz says of the only upstream. */
  upstream(): Promise<UpstreamReadiness>;
  /** Waits until as many instances of the only upstream take calls. */
  ready(instances: number, timeoutMs?: number): Promise<void>;
  /** How often something happened to upstreams, such as `list_updated`: `sluice_upstream_events_total` of /metrics. */
  count(event: string): Promise<number>;
  /** A gauge of the only upstream, such as `sluice_upstream_waiting_calls`. */
  gauge(name: string): Promise<number>;
  /** SIGTERM; resolves with its exit code, or the signal that ended it. */
  stop(): Promise<unknown>;
}

/**
 * Starts a gateway on free ports from the text of a routes.yaml; `$REPO` in it is this repository. `more`: flags. It logs
 * all there is, which costs it more than its work where thousands of instances come at once.
 */
export async function startGatewayProcess(
  yaml: string,
  more: readonly string[] = [],
  logLevel: "debug" | "info" = "debug",
): Promise<GatewayProcess> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-gateway-"));
  const config = path.join(folder, "routes.yaml");
  await writeFile(config, overTransport(yaml.replaceAll("$REPO", ROOT)));
  const args = ["bin/sluice.js", "serve", "--config", config, "--port", "0", "--admin-port", "0", ...more];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SLUICE_LOG_LEVEL: logLevel },
  });
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.on("exit", killAtExit);
  const exited = once(child, "exit").then(([code, signal]: unknown[]) => code ?? signal);
  void exited.then(() => process.off("exit", killAtExit));

  const log: string[] = [];
  const requests: Record<string, unknown>[] = [];
  const listening = new Promise<{ address: string; admin: string }>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.includes('"msg":"request"')) return void requests.push(JSON.parse(line) as Record<string, unknown>);
      log.push(line);
      if (line.includes('"msg":"listening"')) resolve(JSON.parse(line) as { address: string; admin: string });
    });
  });
  const failed = exited.then((how) => Promise.reject(new Error(`the gateway ended with ${how}:\n${log.join("\n")}`)));
  const { address, admin } = await Promise.race([listening, failed]);
  failed.catch(() => {}); // from here on its end is the test's business

  const upstream = async (): Promise<UpstreamReadiness> => {
    const readiness = (await (await fetch(`${admin}/readyz`)).json()) as Readiness;
    const [only] = readiness.upstreams;
    if (only === undefined) throw new Error("the gateway has no upstream");
    return only;
  };
  const metric = async (start: string): Promise<number> => {
    const lines = (await (await fetch(`${admin}/metrics`)).text()).split("\n");
    return Number(
      lines
        .find((line) => line.startsWith(start))
        ?.split(" ")
        .at(-1) ?? 0,
    );
  };
  return {
    url: address,
    admin,
    config,
    pid: child.pid ?? 0,
    log,
    requests,
    exited,
    upstream,
    ready: async (instances, timeoutMs) => {
      const isReady = async () => (await upstream()).readyEndpoints === instances;
      await until(`${instances} instances ready`, isReady, timeoutMs);
    },
    count: (event) => metric(`sluice_upstream_events_total{upstream="bookshop",event="${event}"}`),
    gauge: (name) => metric(`${name}{`),
    async stop() {
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      child.kill("SIGTERM");
      const how = await exited;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true });
      return how;
    },
  };
}
