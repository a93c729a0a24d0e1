// `npm run check`: all that can be said of the sources without running them. Every check runs, so that one run tells
// everything.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

interface Check {
  readonly name: string;
  /** Arguments for Node. */
  readonly args: readonly string[];
  /** What to do where it fails. */
  readonly remedy: string;
}

const checks: readonly Check[] = [
  { name: "types", args: ["node_modules/typescript/bin/tsc", "-p", "."], remedy: "mend what tsc says" },
  {
    name: "format",
    args: ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."],
    remedy: "npm run format",
  },
  {
    name: "architecture",
    args: ["--test", "--test-reporter=dot", "test/architecture.test.ts"],
    remedy: "mend the import, or change the table in test/architecture.test.ts as a decision",
  },
];

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const pending = [...checks];
await Promise.all(Array.from({ length: Math.min(availableParallelism(), checks.length) }, worker));

async function worker(): Promise<void> {
  for (let check = pending.shift(); check !== undefined; check = pending.shift()) await run(check);
}

async function run({ name, args, remedy }: Check): Promise<void> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (code === 0) {
    console.log(`${name}: ok (${seconds} s)`);
    return;
  }
  process.exitCode = 1;
  console.log(`${stdout}${stderr}${name}: FAILED (${seconds} s): ${remedy}`);
}
