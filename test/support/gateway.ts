import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import { systemRandom } from "../../src/core/random.ts";
import { startGateway, type Gateway } from "../../src/gateway.ts";
import { createLog, type LogLevel } from "../../src/telemetry/log.ts";
import { overTransport } from "./transport.ts";

export interface TestGateway extends Gateway {
  /** Where its routes.yaml lies. */
  readonly configFile: string;
  /** Puts another text in its place, in one step, so that no reload reads half of a file. */
  rewrite(yaml: string): Promise<void>;
  /** Every line logged so far, parsed. */
  readonly lines: Record<string, unknown>[];
}

/**
 * Starts a gateway in this process on free ports from the text of a routes.yaml; relative paths in it start at the
 * repository. Its upstreams are reached over the connection of this run (transport.ts). Closed at the test's end.
 */
export async function startTestGateway(
  t: TestContext,
  yaml: string,
  { env = {}, level = "info" }: { env?: Record<string, string>; level?: LogLevel } = {},
): Promise<TestGateway> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "sluice-test-"));
  const configFile = path.join(folder, "routes.yaml");
  const rewrite = async (text: string): Promise<void> => {
    await writeFile(`${configFile}.new`, overTransport(text.replaceAll("$REPO", process.cwd())));
    await rename(`${configFile}.new`, configFile);
  };
  await rewrite(yaml);
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level,
    out: {
      write(text) {
        for (const line of text.trimEnd().split("\n")) lines.push(JSON.parse(line) as Record<string, unknown>);
      },
    },
  });
  const gateway = await startGateway({
    configFile,
    load: { env, overrides: { port: 0, adminPort: 0 } },
    log,
    clock: systemClock,
    random: systemRandom,
  });
  t.after(async () => {
    await gateway.close();
    await rm(folder, { recursive: true });
  });
  const logged = {
    get(): Record<string, unknown>[] {
      log.flush();
      return lines;
    },
  };
  return Object.defineProperty(Object.assign(gateway, { configFile, rewrite, lines }), "lines", logged);
}
