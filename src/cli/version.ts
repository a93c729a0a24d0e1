import { readFileSync } from "node:fs";

/** `sluice 0.1.0 (Node v26.10.0)` */
export function versionText(): string {
  // At the same place from src/cli and from dist/cli.
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  return `sluice ${version} (Node ${process.version})`;
}
