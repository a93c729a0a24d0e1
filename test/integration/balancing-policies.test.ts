import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { problemsOf } from "../../src/core/problem.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { HttpClient } from "../support/http-load.ts";
import { startInstanceProcess, type InstanceProcess } from "../support/instance-process.ts";
import { until } from "../support/until.ts";

const documented = readFileSync(new URL("../../docs/extending.md", import.meta.url), "utf8");
const example = /^```js\n(\/\/ least-latency[^]*?)^```/m.exec(documented)?.[1] ?? "";
const NAMES = ["one", "two", "three"] as const;

let instances: readonly InstanceProcess[] = [];
let folder = "";

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "sluice-policies-"));
  instances = await Promise.all(NAMES.map((name) => startInstanceProcess(name)));
});
after(async () => {
  await rm(folder, { recursive: true });
  for (const instance of instances) await instance.signal("SIGKILL");
});

function routes(loadBalancing: string, weights: readonly number[] = [1, 1, 1]): string {
  const endpoints = instances.map(({ address }, i) => `{ address: "${address}", weight: ${weights[i] ?? 1} }`);
  return `
version: 1
server: { trusted_proxies: [loopback], timeouts: { drain: 1s } }
upstreams:
  bookshop:
    endpoints: [${endpoints.join(", ")}]
    schema: { proto: { files: [bookshop/v1/bookshop.proto], include: [$REPO/protos] } }
    load_balancing: ${loadBalancing}
routes:
  - rpc: bookshop.v1.Bookshop/GetBook
    get: /v1/{name=shelves/*/books/*}
`;
}

async function start(t: TestContext, loadBalancing: string, weights?: readonly number[]) {
  const gateway = await startTestGateway(t, routes(loadBalancing, weights));
  const client = new HttpClient(gateway.address);
  t.after(() => client.close());
  const ready = (weights ?? [1, 1, 1]).filter((weight) => weight > 0).length;
  await until("all are ready", async () => {
    const text = await (await fetch(`${gateway.adminAddress}/readyz`)).text();
    return text.includes(`"ready_endpoints":${ready}`) || text.includes(`"readyEndpoints":${ready}`);
  });
  const ask = async (headers: Record<string, string> = {}, book = "dune") => {
    const { status, instance } = await client.send({ path: `/v1/shelves/fiction/books/${book}`, headers });
    assert.ok(status === 200 || status === 404, `${status}`);
    return instance;
  };
  return { gateway, client, ask };
}

const BOOK = "/v1/shelves/fiction/books/dune";
const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);

async function ownersOf<K>(keys: readonly K[], ask: (key: K) => Promise<string>): Promise<string[]> {
  const owners: string[] = [];
  for (const key of keys) owners.push(await ask(key));
  return owners;
}

function failures(gateway: TestGateway): string[] {
  return gateway.lines.filter(({ msg }) => String(msg).includes("module failed")).map(({ reason }) => String(reason));
}

describe("the gateway balances by a policy that hashes", { timeout: 60_000 }, () => {
  const kinds: readonly [string, string, (user: string) => [headers: Record<string, string>, book?: string]][] = [
    ["ring_hash", "{ header: X-User }", (user) => [{ "x-user": user }]],
    ["maglev", "{ field: name }", (user) => [{}, user]],
    ["maglev", "client_ip", (user) => [{ "x-forwarded-for": `192.0.2.${user.slice(5)}` }]],
  ];
  for (const [policy, hashOn, requestOf] of kinds) {
    it(`sends the same ${hashOn} to the same instance, by ${policy}`, async (t) => {
      const { ask } = await start(t, `{ policy: ${policy}, hash_on: ${hashOn} }`);
      const byUser = (user: string) => ask(...requestOf(user));
      const owners = await ownersOf(users, byUser);
      assert.deepEqual(new Set(owners), new Set(NAMES));
      assert.deepEqual(await ownersOf(users, byUser), owners);
      // Another gateway agrees.
      const other = await start(t, `{ policy: ${policy}, hash_on: ${hashOn} }`);
      assert.deepEqual(await ownersOf(users, (user) => other.ask(...requestOf(user))), owners);
    });
  }

  it("moves the keys of an instance that goes, and no others; what has no key goes anywhere", async (t) => {
    const { ask } = await start(t, "{ policy: ring_hash, hash_on: { header: x-user } }");
    const byUser = (user: string) => ask({ "x-user": user });
    const owners = await ownersOf(users, byUser);
    const before = await start(t, "{ policy: ring_hash, hash_on: { header: x-user } }", [1, 1, 0]);
    const without = await ownersOf(users, (user) => before.ask({ "x-user": user }));
    for (const [i, owner] of owners.entries()) {
      if (owner === "three") assert.notEqual(without[i], "three");
      else assert.equal(without[i], owner);
    }
    assert.equal(new Set(await ownersOf(users, () => ask())).size, 3);
  });

  it("refuses a field that no request has", async (t) => {
    await assert.rejects(startTestGateway(t, routes("{ policy: maglev, hash_on: { field: nmae } }")), (error) => {
      assert.match(problemsOf(error)?.[0]?.message ?? "", /hash_on\.field: no request of a route has "nmae": .*name/);
      return error instanceof GatewayError;
    });
  });
});

describe("the gateway balances by weight", { timeout: 60_000 }, () => {
  it("exactly by weighted_round_robin, about so by least_request, and not at all to weight 0", async (t) => {
    const exact = await start(t, "weighted_round_robin", [5, 2, 1]);
    await exact.client.shares(BOOK, 8);
    const shares = await exact.client.shares(BOOK, 80);
    for (const [i, share] of [50, 20, 10].entries()) assert.ok(Math.abs((shares[NAMES[i] ?? ""] ?? 0) - share) <= 1);
    const drawn = await start(t, "least_request", [3, 1, 0]);
    const { one = 0, two = 0, three = 0 } = await drawn.client.shares(BOOK, 400);
    assert.equal(three, 0);
    assert.ok(one > 255 && one < 345 && one + two === 400, `${one} of 400 went to the one with 3 of 4`);
  });

  it("to one instance alone by pick_first", async (t) => {
    const { client } = await start(t, "pick_first");
    assert.deepEqual(await client.shares(BOOK, 20), { one: 20 });
  });
});

describe("the gateway balances by a module", { timeout: 60_000 }, () => {
  const write = async (name: string, text: string): Promise<string> => {
    const file = path.join(folder, name);
    await writeFile(file, text);
    return `{ module: ${file} }`;
  };

  it("runs the example of docs/extending.md", async (t) => {
    const { gateway, client } = await start(t, await write("least-latency.mjs", example));
    const shares = await client.shares(BOOK, 60);
    assert.equal(
      Object.values(shares).reduce((sum, share) => sum + share, 0),
      60,
    );
    assert.deepEqual(
      Object.keys(shares).filter((name) => !NAMES.some((one) => one === name)),
      [],
    );
    assert.deepEqual(failures(gateway), []);
  });

  it("hands over the hash key, and the end of each attempt", async (t) => {
    const loadBalancing = await write(
      "first.mjs",
      `const seen = [];
       export default (endpoints) => ({
         pick: (tried, key) => endpoints.toSorted((a, b) => (a.address < b.address ? -1 : 1))[key % endpoints.length],
         done(endpoint, latencyMs, code) {
           if (!(latencyMs > 0) || ![0, 5].includes(code)) throw new Error(\`\${latencyMs} \${code}\`);
         },
       });`,
    );
    const { gateway, ask } = await start(t, loadBalancing.replace(" }", ", hash_on: { header: x-user } }"));
    const byUser = (user: string) => ask({ "x-user": user });
    const owners = await ownersOf(users, byUser);
    assert.equal(new Set(owners).size, 3);
    assert.deepEqual(await ownersOf(users, byUser), owners);
    assert.deepEqual(failures(gateway), []);
  });

  for (const [what, text, reason] of [
    ["throws", `export default () => ({ pick() { throw new Error("oops"); } })`, /^Error: oops$/],
    ["gives no picker", "export default () => undefined", /TypeError/],
    ["gives what is no endpoint", `export default () => ({ pick: () => "one" })`, /none of the ready endpoints/],
    [
      "throws what is no text",
      "export default () => ({ pick() { throw { toString: 1, valueOf: 1 }; } })",
      /^an object$/,
    ],
    ["gives a promise", `export default () => ({ async pick() { throw new Error("later"); } })`, /none of the ready/],
    ["fails after the end", `export default (all) => ({ pick: () => all[0], async done() { throw 7; } })`, /^7$/],
    ["throws at the end", "export default (all) => ({ pick: () => all[0], done() { throw null; } })", /^null$/],
  ] as const) {
    it(`goes on where the module ${what}, and says so once`, async (t) => {
      const { gateway, client } = await start(t, await write(`${what.replaceAll(" ", "-")}.mjs`, text));
      const shares = await client.shares(BOOK, 30);
      assert.ok(!("" in shares), JSON.stringify(shares));
      const told = failures(gateway);
      assert.equal(told.length, 1);
      assert.match(told[0] ?? "", reason);
    });
  }

  it("takes a module that has changed with a reload", async (t) => {
    const file = path.join(folder, "pick.mjs");
    const always = (index: number) =>
      writeFile(
        file,
        `export default (all) => ({ pick: () => all.toSorted((a, b) => (a.address < b.address ? -1 : 1))[${index}] })`,
      );
    await always(0);
    const { gateway, client } = await start(t, `{ module: ${file} }`);
    const [first] = Object.keys(await client.shares(BOOK, 5));
    await always(1);
    assert.ok(await gateway.reload());
    const [second, ...more] = Object.keys(await client.shares(BOOK, 5));
    assert.deepEqual(more, []);
    assert.notEqual(second, first);
  });

  for (const [what, text, reason] of [
    ["is missing", null, /module ".*" cannot be imported: no such file/],
    ["cannot be read", "export default (", /module ".*" cannot be imported: .+/],
    ["exports no function", "export const pick = 1", /exports undefined as its default; expected a function/],
  ] as const) {
    it(`does not start where the module ${what}`, async (t) => {
      const file = path.join(folder, `${what.replaceAll(" ", "-")}.mjs`);
      if (text !== null) await writeFile(file, text);
      await assert.rejects(startTestGateway(t, routes(`{ module: ${file} }`)), (error) => {
        const [problem, ...more] = problemsOf(error) ?? [];
        assert.match(problem?.message ?? "", reason);
        assert.ok((problem?.line ?? 0) > 0);
        return more.length === 0;
      });
    });
  }
});
