import { spawnSync } from "node:child_process";
import path from "node:path";

/** A gateway to compare with. */
export interface Peer {
  readonly name: string;
  /** Gets what it takes from the language's package registry, once; throws where that cannot be. */
  setUp(): Promise<void>;
  /** The command that serves on `port` and calls `upstream`, `host:port`. */
  command(port: number, upstream: string): readonly string[];
}

/** What set-ups leave, for the next time. */
export const CACHE = path.join(import.meta.dirname, "../../node_modules/.cache/bench");

/** Runs a command to its end; throws with the end of what it said where it fails. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; input?: Uint8Array } = {},
): Buffer {
  const env = { ...process.env, GOBIN: path.join(CACHE, "bin"), GOWORK: "off" };
  const { status, error, stdout, stderr } = spawnSync(command, args, { ...options, env, maxBuffer: 1 << 28 });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr.toString().trim().slice(-500)}`);
}
