import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { parseConfig } from "../../../src/config/load.ts";

const ROOT = path.join(import.meta.dirname, "../../..");
const pages = readdirSync(path.join(ROOT, "docs"))
  .filter((name) => name.endsWith(".md"))
  .map((name) => path.join("docs", name));

describe("the whole configurations in README and docs", () => {
  for (const page of ["README.md", ...pages]) {
    const text = readFileSync(path.join(ROOT, page), "utf8");
    for (const [, yaml = ""] of text.matchAll(/^```yaml\n(.*?)^```/gms)) {
      const [version] = /^version: 1$/m.exec(yaml) ?? [];
      if (version === undefined) continue;
      it(`${page}: ${yaml.match(/^  \w+:/m)?.[0].trim() ?? ""} is loaded`, () => {
        const { config } = parseConfig(yaml, path.join(ROOT, "routes.yaml"), { env: {}, readFile: () => "" });
        assert.ok(config.upstreams.length > 0);
      });
    }
  }
});
