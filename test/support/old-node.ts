import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** The command of an old Node: a real one where PATH has it, else ours in disguise. */
export function findOldNode(): readonly string[] {
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    const node = path.join(folder, "node");
    if (!existsSync(node)) continue;
    const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout;
    if (/^v(?:18|20|22)\./.test(version)) return [node];
  }
  const disguise = `Object.defineProperty(process, "version", { value: "v20.0.0" })`;
  return [process.execPath, "--import", `data:text/javascript,${encodeURIComponent(disguise)}`];
}
