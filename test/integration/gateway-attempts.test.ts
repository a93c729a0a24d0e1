import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, it } from "node:test";
import { BOOK, closeLab, openInstance } from "../support/balancing-lab.ts";
import { defer } from "../support/defer.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { HttpClient } from "../support/http-load.ts";

const ROUTES = `
routes:
  - rpc: bookshop.v1.Bookshop/GetBook
    get: /v1/{name=shelves/*/books/*}
  - rpc: bookshop.v1.Bookshop/CreateBook
    post: /v1/{parent=shelves/*}/books
    body: book
`;
const SCHEMA = "schema: { proto: { files: [bookshop/v1/bookshop.proto], include: [$REPO/protos] } }";

async function open(yaml: string) {
  const gateway = await startGatewayProcess(yaml);
  const client = new HttpClient(gateway.url);
  defer(() => {
    client.close();
    return gateway.stop();
  });
  return { gateway, client };
}

describe("the gateway, told how calls are to be tried", { timeout: 60_000 }, () => {
  afterEach(closeLab);

  it("hedges GETs past a slow instance, and never makes a POST twice", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sluice-ledger-"));
    defer(() => rm(folder, { recursive: true }));
    const ledger = path.join(folder, "ids");
    const instances = await Promise.all(
      ["one", "two", "slow"].map((name) =>
        openInstance(name, { odd: ["--delay", name === "slow" ? "500" : "1", "--ledger", ledger] }),
      ),
    );
    const { gateway, client } = await open(`
version: 1
defaults:
  retry: { per_attempt_timeout: 2s, budget: { min_per_second: 100 } }
  hedge: { delay: 50ms, max: 2 }
upstreams:
  bookshop:
    target: pass:///${instances.map(({ address }) => address).join(",")}
    ${SCHEMA}
    load_balancing: round_robin
${ROUTES}`);
    await gateway.ready(3);
    const gets = await Promise.all(Array.from({ length: 60 }, () => client.get(BOOK)));
    assert.ok(gets.every(({ status, instance }) => status === 200 && instance !== "slow"));
    assert.ok((await gateway.count("hedge_won")) >= 10); // 20, where no other instance is slow for a moment
    const posts = await Promise.all(
      Array.from({ length: 60 }, (_, id) =>
        client.send({
          path: `/v1/shelves/fiction/books?book_id=book-${id}`,
          method: "POST",
          headers: { "content-type": "application/json" },
          body: '{"title":"x"}',
        }),
      ),
    );
    assert.ok(posts.every(({ status }) => status === 200));
    assert.ok(posts.some(({ instance }) => instance === "slow"));
    const ids = (await readFile(ledger, "utf8")).trimEnd().split("\n");
    assert.equal(ids.length, 60);
    assert.equal(new Set(ids).size, 60);
  });

  it("stays in its zone, and leaves it for what the zone is missing", async () => {
    const [here, beside, there] = await Promise.all(["here", "beside", "there"].map((name) => openInstance(name)));
    assert.ok(here && beside && there);
    const { gateway, client } = await open(`
version: 1
server: { zone: eu-1a }
upstreams:
  bookshop:
    endpoints:
      - { address: "${here.address}", zone: eu-1a }
      - { address: "${beside.address}", zone: eu-1a }
      - { address: "${there.address}", zone: eu-1b }
    ${SCHEMA}
    zone: { spill_below: 100 }
${ROUTES}`);
    await gateway.ready(3);
    assert.deepEqual(Object.keys(await client.shares(BOOK, 40)).sort(), ["beside", "here"]);
    await beside.signal("SIGTERM");
    await gateway.ready(2);
    assert.deepEqual(Object.keys(await client.shares(BOOK, 40)).sort(), ["here", "there"]);
    await here.signal("SIGTERM");
    await gateway.ready(1);
    assert.deepEqual(await client.shares(BOOK, 10), { there: 10 });
  });
});
