import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { findEtcd, startEtcd } from "../../demo/etcd.ts";
import { EtcdApi } from "../support/etcd.ts";
import { until } from "../support/until.ts";

function setEnv(t: TestContext, changes: Readonly<Record<string, string>>): void {
  const before = { ...process.env };
  Object.assign(process.env, changes);
  t.after(() => {
    for (const name of Object.keys(changes)) delete process.env[name];
    Object.assign(process.env, before);
  });
}

describe("findEtcd()", () => {
  it("takes ETCD_BIN", async (t) => {
    setEnv(t, { ETCD_BIN: process.execPath });
    assert.equal(await findEtcd(), process.execPath);
  });

  it("refuses an ETCD_BIN that cannot be run", async (t) => {
    setEnv(t, { ETCD_BIN: "/nowhere/etcd" });
    await assert.rejects(findEtcd(), { message: "ETCD_BIN is /nowhere/etcd, which is no executable file" });
  });

  it("says in one line how to get etcd where it cannot install it", async (t) => {
    setEnv(t, { ETCD_BIN: "", PATH: "/nowhere" }); // neither etcd nor apt-get
    await assert.rejects(findEtcd(), (error: Error) => {
      assert.match(error.message, /^etcd was not found: set ETCD_BIN .* apt-get install etcd-server/);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  });
});

describe("startEtcd()", () => {
  it("keeps port and data over a kill, and begins anew after a wipe", async (t) => {
    const etcd = await startEtcd();
    t.after(() => etcd.dispose());
    const api = new EtcdApi(etcd);
    const { url } = etcd;
    await api.put("a", "1");
    await etcd.kill();
    assert.equal(etcd.pid, undefined);
    await etcd.start();
    assert.equal(etcd.url, url);
    assert.equal((await api.get("a"))?.value, "1");
    await etcd.stop();
    await etcd.wipe();
    await etcd.start();
    assert.equal(await api.get("a"), undefined);
  });

  it("tells what etcd said where it does not start", async () => {
    await assert.rejects(startEtcd({ flags: ["--no-such-flag"] }), /etcd ended with .*no-such-flag/s);
  });

  const isTied = process.platform === "linux" && existsSync("/usr/bin/setpriv");
  it("ends with the process that started it, even when that is killed", { skip: !isTied }, async () => {
    const script = `
      import { startEtcd } from ${JSON.stringify(fileURLToPath(new URL("../../demo/etcd.ts", import.meta.url)))};
      const { pid } = await startEtcd();
      process.stdout.write(String(pid), () => process.kill(process.pid, "SIGKILL"));
    `;
    const pid = await new Promise<number>((resolve) => {
      execFile(process.execPath, ["--input-type=module", "-e", script], (_, stdout) => resolve(Number(stdout)));
    });
    assert.ok(pid > 0);
    // Not our child any more, so that nothing tells of its end.
    await until(`the end of etcd, pid ${pid}`, () => !existsSync(`/proc/${pid}`), 3000);
  });
});
