import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { startInstance } from "../../demo/instances.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const DOCS = readFileSync(path.join(ROOT, "docs/streams.md"), "utf8");

describe("docs/streams.md", () => {
  it("has examples that do what they say", async (t) => {
    const instance = startInstance({ name: "docs" });
    t.after(() => instance.stop());
    await instance.ready();
    const yaml = readFileSync(path.join(ROOT, "routes.yaml"), "utf8")
      .replace(
        "${BOOKSHOP_TARGET:-pass:///127.0.0.1:50051,127.0.0.1:50052,127.0.0.1:50053}",
        `pass:///${instance.address}`,
      )
      .replace("include: [protos]", 'include: ["$REPO/protos"]');
    const gateway = await startGatewayProcess(yaml);
    t.after(() => gateway.stop());
    const outputs: string[] = [];
    for (const [, commands = ""] of DOCS.matchAll(/^```sh\n(.*?)^```/gms)) {
      const script = commands.replaceAll("127.0.0.1:8080", new URL(gateway.url).host);
      const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env["PATH"]}` };
      outputs.push((await promisify(execFile)("sh", ["-ec", script], { env })).stdout);
    }
    const [http = "", watch = "", order = "", haggle = ""] = outputs;
    assert.match(
      http,
      /^\{"result":\{.*\}\n\{"result":\{.*\}\ndata: \{.*\}\n\ndata: \{.*\}\n\n\{"name":"orders\/\d+",.*"copies":2/s,
    );
    assert.match(watch, /^\{"kind":"PRESENT".*\n\{"kind":"PRESENT".*\n1000 \n$/);
    assert.match(order, /^\{"name":"orders\/\d+",.*"copies":2.*\}\n1000\n$/);
    assert.match(haggle, /^\{"book":"[^"]*","price":\{[^}]*\}\}\n\{.*"accepted":true\}\n1000\n$/);
  });
});
