// npm run bench:micro: every micro bench, one after the other, each in a process of its own (a JIT remembers).
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith(".bench.ts"))) {
  console.log(`\n${file}`);
  const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, file)], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
