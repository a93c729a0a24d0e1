import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { register } from "../../src/discovery/register.ts";
import { EtcdApi, follow, useEtcd } from "../support/etcd.ts";
import { until } from "../support/until.ts";

const BIN = fileURLToPath(new URL("../../bin/sluice.js", import.meta.url));
const CHILD = fileURLToPath(new URL("../support/health-child.ts", import.meta.url));

const running: (() => void)[] = [];

/** `sluice register` with these arguments; its child reads what is said, and its lines can be waited for. */
function run(...args: readonly string[]) {
  const sluice = spawn(process.execPath, [BIN, "register", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  running.push(() => sluice.kill("SIGKILL"));
  const said: string[] = [];
  createInterface({ input: sluice.stdout }).on("line", (line) => {
    said.push(line);
    const pid = /^pid (\d+)$/.exec(line)?.[1];
    if (pid !== undefined) running.push(() => kill(Number(pid)));
  });
  const log = text(sluice.stderr);
  return {
    sluice,
    log,
    ended: once(sluice, "exit").then(([code, signal]: unknown[]) => code ?? signal),
    say: (line: string) => void sluice.stdin.write(`${line}\n`),
    heard: (line: string) => until(`the child says ${line}`, () => said.includes(line)),
    childPid: () => until("the child runs", () => Number(/^pid (\d+)$/m.exec(said.join("\n"))?.[1] ?? 0)),
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended, as it should.
  }
}

async function freeAddress(): Promise<string> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo; // a TCP server that listens
  server.close();
  await once(server, "close");
  return `127.0.0.1:${port}`;
}

const portOf = (address: string): string => address.split(":")[1] ?? "";

describe("sluice register", { timeout: 60_000 }, () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);
  afterEach(() => running.splice(0).forEach((end) => end()));

  /** A child registered as `service`, not listening yet. */
  async function start(service: string, health = "none", ...flags: string[]) {
    const address = await freeAddress();
    const child = ["--", process.execPath, CHILD, portOf(address), health];
    const where = ["--service", service, "--address", address, "--etcd", etcd.url, "--ttl", "1s"];
    const key = `${service}/${address}`;
    const isRegistered = async () => (await api.get(key)) !== undefined;
    return {
      ...run(...where, ...flags, ...child),
      address,
      key,
      registered: () => until(`${key} is there`, isRegistered),
      gone: (timeoutMs?: number) => until(`${key} is gone`, async () => !(await isRegistered()), timeoutMs),
    };
  }

  it("registers once the address takes a connection, and ends the registration before the child hears of it", async () => {
    const shop = await start("shop", "none");
    await shop.childPid();
    // As long as this one takes, the other would have taken.
    const other = register({ endpoints: [etcd.url], service: "other", address: "10.0.0.1:1" });
    await other.ready;
    await other.close();
    assert.equal(await api.get(shop.key), undefined);
    shop.say("listen");
    await shop.registered();
    assert.equal((await api.get(shop.key))?.value, `{"Op":0,"Addr":"${shop.address}","Metadata":null}`);
    shop.sluice.kill("SIGTERM");
    await shop.heard("SIGTERM");
    assert.equal(await api.get(shop.key), undefined);
    assert.equal(await shop.ended, 3);
    assert.match(await shop.log, /"msg":"registered".*\n.*"msg":"deregistered"/);
  });

  it("waits between the two as long as --drain says, and no longer after a second signal", async (t) => {
    const shop = await start("drain", "none", "--drain", "500ms");
    const told = follow(t, etcd, { service: "drain" });
    shop.say("listen");
    await told.untilAddresses(shop.address);
    const stopMs = performance.now();
    shop.sluice.kill("SIGTERM");
    await told.untilAddresses("");
    await shop.heard("SIGTERM");
    assert.ok(performance.now() - stopMs >= 500);

    const slow = await start("slow", "none", "--drain", "1m");
    slow.say("listen");
    await slow.registered();
    slow.sluice.kill("SIGTERM");
    await slow.gone();
    const signals = setInterval(() => slow.sluice.kill("SIGTERM"), 100);
    t.after(() => clearInterval(signals));
    assert.equal(await slow.ended, 3);
  });

  it("hands other signals on, and stays registered", async () => {
    const shop = await start("signals");
    shop.say("listen");
    await shop.registered();
    for (const signal of ["SIGHUP", "SIGUSR2"] as const) {
      shop.sluice.kill(signal);
      await shop.heard(signal);
    }
    assert.notEqual(await api.get(shop.key), undefined);
    shop.say("exit 0");
    assert.equal(await shop.ended, 0);
  });

  for (const [how, expected] of [
    ["exit 7", 7],
    ["SIGKILL", 128 + 9],
  ] as const) {
    it(`takes the key away when the child ends by ${how}, and ends with ${expected}`, async () => {
      const shop = await start("dies");
      shop.say("listen");
      await shop.registered();
      if (how === "SIGKILL") process.kill(await shop.childPid(), how);
      else shop.say(how);
      assert.equal(await shop.ended, expected);
      assert.equal(await api.get(shop.key), undefined);
    });
  }

  it("says in one line what cannot be run", async () => {
    for (const [command, status, line] of [
      ["/nowhere/shop", 127, "cannot run /nowhere/shop: there is no such program\n"],
      ["/etc/passwd", 126, "cannot run /etc/passwd: it is not executable\n"],
    ] as const) {
      const failed = run("--service", "shop", "--port", "1", "--etcd", etcd.url, "--", command);
      assert.deepEqual([await failed.ended, await failed.log], [status, line]);
    }
  });

  it("leaves no key beyond its lease when it is killed", async () => {
    const shop = await start("killed");
    shop.say("listen");
    await shop.registered();
    shop.sluice.kill("SIGKILL");
    await shop.gone(5000);
  });

  it("is registered again where etcd came back without its data", async () => {
    const shop = await start("wiped");
    shop.say("listen");
    await shop.registered();
    await etcd.kill();
    await etcd.wipe();
    await etcd.start();
    await shop.registered();
  });

  for (const health of ["watch", "check"]) {
    it(`is registered while grpc.health.v1 says SERVING, by ${health}`, async () => {
      const shop = await start(health, health, "--health", "grpc");
      shop.say("status 2");
      shop.say("listen");
      await shop.heard("listen");
      for (let round = 0; round < 2; round++) {
        assert.equal(await api.get(shop.key), undefined);
        shop.say("status 1");
        await shop.registered();
        shop.say("status 2");
        await shop.gone();
      }
      shop.sluice.kill("SIGTERM");
      assert.equal(await shop.ended, 3);
      assert.match(await shop.log, /"reason":"NOT_SERVING","msg":"not serving"/);
    });
  }

  it("is registered where the server has no grpc.health.v1, and not while it hangs", async () => {
    const shop = await start("hangs", "none", "--health", "grpc");
    shop.say("listen");
    await shop.registered();
    const pid = await shop.childPid();
    process.kill(pid, "SIGSTOP");
    await shop.gone();
    process.kill(pid, "SIGCONT");
    await shop.registered();
  });

  it("registers several names at several addresses, and runs nothing", async () => {
    const addresses = ["10.0.0.5:50051", "10.0.0.5:50052"] as const;
    const listener = createServer();
    await once(listener.listen(0, "127.0.0.1"), "listening");
    running.push(() => listener.close());
    const probed = `127.0.0.1:${(listener.address() as AddressInfo).port}`; // a TCP server that listens
    const flags = ["--service", "a", "--service", "b", "--health", "tcp", "--health-address", probed];
    const alone = run(...flags, ...addresses.flatMap((address) => ["--address", address]), "--etcd", etcd.url);
    const keys = addresses.flatMap((address) => [`a/${address}`, `b/${address}`]);
    for (const key of keys) await until(key, () => api.get(key));
    listener.close();
    for (const key of keys) await until(`${key} is gone`, async () => (await api.get(key)) === undefined);
    alone.sluice.kill("SIGTERM");
    assert.equal(await alone.ended, 0);
  });

  it("takes the password of a user from the environment or a file, and hands it to nobody", async (t) => {
    await api.enableAuth({ user: "gateway", password: "its secret", prefix: "auth/" });
    t.after(() => api.disableAuth("gateway"));
    const folder = await mkdtemp(path.join(tmpdir(), "sluice-register-"));
    t.after(() => rm(folder, { recursive: true }));
    const file = path.join(folder, "password");
    await writeFile(file, "root\n");
    const [one, two] = ["auth-env", "auth-file"].map((service) => [
      ...["--service", service, "--address", "10.0.0.1:1", "--health-address", new URL(etcd.url).host],
      ...["--etcd", etcd.url, "--etcd-user", "root"],
    ]);
    assert.ok(one && two);
    process.env["SLUICE_ETCD_PASSWORD"] = "root";
    t.after(() => delete process.env["SLUICE_ETCD_PASSWORD"]);
    const fromEnv = run(...one, "--", "sh", "-c", 'echo "password $SLUICE_ETCD_PASSWORD."; read line');
    delete process.env["SLUICE_ETCD_PASSWORD"];
    await fromEnv.heard("password .");
    await until("by the environment", () => api.get("auth-env/10.0.0.1:1"));
    const fromFile = run(...two, "--etcd-password-file", file);
    await until("by a file", () => api.get("auth-file/10.0.0.1:1"));
    fromFile.sluice.kill("SIGTERM");
    assert.equal(await fromFile.ended, 0);
    const without = run(...two);
    const lacking =
      "--etcd-user is root and there is no password; expected SLUICE_ETCD_PASSWORD or --etcd-password-file";
    assert.deepEqual([await without.ended, await without.log], [1, `${lacking}\n`]);
    fromEnv.say("end");
    assert.equal(await fromEnv.ended, 0);
  });

  it("ends well while etcd is away, and not before it is told to", async () => {
    const alone = run("--service", "a", "--address", await freeAddress(), "--etcd", "127.0.0.1:1");
    let log = "";
    alone.sluice.stderr.on("data", (chunk) => (log += chunk));
    await until("it misses etcd", () => /trouble with etcd.*ECONNREFUSED|ECONNREFUSED.*trouble with etcd/.test(log));
    alone.sluice.kill("SIGTERM");
    assert.equal(await alone.ended, 0);
  });
});
