import type { z } from "zod";
import { host, port } from "../core/options.ts";
import type { Problem } from "../core/problem.ts";
import { workersOption, zoneOption, type ServerOptions, type Workers } from "../edge/options.ts";
import type { Env } from "./expand.ts";

/** What the command line may say in place of the file's `server`. */
export interface ServerOverrides {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly adminHost?: string | undefined;
  readonly adminPort?: number | undefined;
  readonly workers?: Workers | undefined;
  readonly zone?: string | undefined;
}

/** The environment variable behind each. */
export const overrideVariables = {
  host: "SLUICE_HOST",
  port: "SLUICE_PORT",
  adminHost: "SLUICE_ADMIN_HOST",
  adminPort: "SLUICE_ADMIN_PORT",
  workers: "SLUICE_WORKERS",
  zone: "SLUICE_ZONE",
} as const satisfies Record<keyof ServerOverrides, string>;

const anyHost = host({ docs: "" });
const anyPort = port({ docs: "" });
const anyWorkers = workersOption({ docs: "" });
const anyZone = zoneOption({ docs: "" });

/** Command line over environment, as a function over the file's options. An empty variable counts as unset. */
export function applyOverrides(
  env: Env,
  commandLine: ServerOverrides,
): { overrides: (server: ServerOptions) => ServerOptions; problems: Problem[] } {
  const problems: Problem[] = [];
  function read<K extends keyof ServerOverrides, T>(key: K, schema: z.ZodType<T>): T | undefined {
    const variable = overrideVariables[key];
    const fromEnv = env[variable] === "" ? undefined : env[variable];
    const [value, source] = commandLine[key] === undefined ? [fromEnv, variable] : [commandLine[key], flagOf(key)];
    if (value === undefined) return undefined;
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const message = `${result.error.issues[0]?.message}, not ${JSON.stringify(value)}`;
    problems.push({ file: source, line: 0, column: 0, message, severity: "error" });
    return undefined;
  }
  const found = {
    host: read("host", anyHost),
    port: read("port", anyPort),
    adminHost: read("adminHost", anyHost),
    adminPort: read("adminPort", anyPort),
    workers: read("workers", anyWorkers),
    zone: read("zone", anyZone),
  };
  return {
    overrides: (server) => ({
      ...server,
      host: found.host ?? server.host,
      port: found.port ?? server.port,
      workers: found.workers ?? server.workers,
      zone: found.zone ?? server.zone,
      admin: { host: found.adminHost ?? server.admin.host, port: found.adminPort ?? server.admin.port },
    }),
    problems,
  };
}

function flagOf(key: keyof ServerOverrides): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
