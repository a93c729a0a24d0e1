// The part that bin/sluice.js, bin/test.js and bin/run.js share: which Node runs the sources, and how to be a parent
// that is not noticed. Node 20 must be able to parse this file and all it imports.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Older ones do not strip types, and are no longer supported themselves. */
const MIN_MAJOR = 24;
const FOLLOW = new URL("./follow-parent.js", import.meta.url).href;
// SIGUSR1 is Node's own (it starts the inspector).
const PASSED_ON = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]);

/** The folder of package.json, with symbolic links resolved. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Whether this process runs on a Node that can run the sources. */
export const isRightNode = major(process.version) >= MIN_MAJOR;

/**
 * The path of a Node that can run the sources: this one, or that of the `node` dev dependency. Where there is none the
 * process ends with one line that says what to do.
 * @returns {string}
 */
export function findNode() {
  if (isRightNode) return process.execPath;
  const bundled = path.join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
  // After `npm ci --ignore-scripts` the package is there and its binary is not; one for another platform does not run.
  if (existsSync(bundled)) {
    const { stdout } = spawnSync(bundled, ["--version"], { encoding: "utf8" });
    if (major(stdout ?? "") >= MIN_MAJOR) return bundled;
  }
  const isCheckout = existsSync(path.join(root, "package-lock.json"));
  fail(
    `sluice needs Node ${MIN_MAJOR} or newer and this is ${process.version}; ` +
      (isCheckout
        ? `run "npm ci" without --ignore-scripts (it brings a Node of its own), or install Node ${MIN_MAJOR} or newer`
        : `install Node ${MIN_MAJOR} or newer`),
  );
}

/**
 * Runs a Node as if it had been started in place of this process: it has the same standard streams, gets the signals,
 * and its end, by code or by signal, is this process's end. When this process is killed, the child gets SIGTERM. A
 * server takes the signals to end as soon as it runs; where they came before that, it ended as it was told to.
 * @param {string} node
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {boolean} [options.isServer]
 * @param {Readonly<Record<string, string>>} [options.env] added to this process's
 * @param {(code: number) => void} [options.then] what comes in place of this process's end, where no signal came
 */
export function become(node, args, { isServer = false, env = {}, then = process.exit } = {}) {
  const child = spawn(node, ["--import", FOLLOW, ...args], {
    // The channel carries nothing: the child sees it close when this process is gone, kill -9 included.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, ...env, SLUICE_FOLLOW: "1" },
  });
  /** @type {NodeJS.Signals[]} */
  const came = [];
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      came.push(signal);
      child.kill(signal);
    });
  }
  child.on("error", (error) => fail(`cannot run ${node}: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) return came.length === 0 ? then(code ?? 1) : process.exit(code ?? 1);
    if (isServer && (signal === "SIGINT" || signal === "SIGTERM") && came.includes(signal)) process.exit(0);
    // As process 1 of a container this process survives its own signal, so it says by its code what the child died of.
    process.exitCode = 128 + constants.signals[signal];
    for (const passed of PASSED_ON) process.removeAllListeners(passed);
    process.kill(process.pid, signal);
  });
}

/**
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** @param {string} version such as `v26.1.0` */
function major(version) {
  return Number(/^v(\d+)\./.exec(version)?.[1] ?? 0);
}
