import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { register } from "../../src/discovery/register.ts";
import { EtcdApi, follow, useEtcd } from "../support/etcd.ts";
import { CLIENT, pem, TRUSTING } from "../support/tls.ts";

const GATEWAY = { user: "gateway", password: "its secret" };

describe("etcd with users", () => {
  // Tokens that live one second, and end sooner than anybody is told.
  const etcd = useEtcd({ flags: ["--auth-token-ttl=1", "--bcrypt-cost=4"] });
  const api = new EtcdApi(etcd);

  it("follows a prefix through authentication turned on, a token's end, a restart, and authentication off", async (t) => {
    await api.put("shop/1", "10.0.0.1:1");
    const told = follow(t, etcd, { service: "shop", access: { auth: GATEWAY } });
    await told.untilAddresses("10.0.0.1:1");

    await api.enableAuth({ ...GATEWAY, prefix: "shop/" });
    await api.put("shop/2", "10.0.0.2:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");
    // The next small read is without a token, so that another session begins, with one.
    await told.until((all) => all.eventsOf("list").length === 2);
    assert.deepEqual(told.troubles, [], "authentication turned on is no trouble to who has a user");

    // Nobody reads for longer than the token lives but the probes every 2 s.
    await told.until((all) => all.eventsOf("list").length >= 4, 10_000);
    await api.put("shop/3", "10.0.0.3:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1");
    assert.deepEqual(told.troubles, [], "nor is a token that expired");

    await etcd.kill();
    await told.until(({ troubles }) => troubles.length === 1);
    await etcd.start();
    const backMs = performance.now();
    await told.until(({ recoveries }) => recoveries === 1);
    assert.ok(performance.now() - backMs < 2000, `recovered after ${performance.now() - backMs} ms`);

    await api.disableAuth(GATEWAY.user);
    await api.put("shop/4", "10.0.0.4:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1,10.0.0.4:1");
    assert.equal(told.troubles.length, 1);
    assert.equal(told.lists.length, 4, "the list was told for its changes only");
  });

  it("says what is wrong with a user, and goes on as soon as it is right", async (t) => {
    await api.put("login/1", "10.0.0.1:1");
    await api.enableAuth({ ...GATEWAY, prefix: "login/" });
    t.after(() => api.disableAuth(GATEWAY.user));
    const wrong = follow(t, etcd, { service: "login", access: { auth: { ...GATEWAY, password: "another" } } });
    const none = follow(t, etcd, { service: "login" });
    const elsewhere = follow(t, etcd, { service: "cart", access: { auth: GATEWAY } });
    for (const [told, reason] of [
      [wrong, /authentication failed, invalid user ID or password/],
      [none, /user name is empty/],
      [elsewhere, /permission denied/],
    ] as const) {
      await told.until(({ troubles }) => troubles.length === 1);
      assert.match(told.troubles[0] ?? "", reason);
      assert.doesNotMatch(told.troubles[0] ?? "", /secret|another/);
    }
    await api.changePassword(GATEWAY.user, "another");
    await wrong.untilAddresses("10.0.0.1:1", 8000);
  });
});

describe("etcd over TLS", () => {
  const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));
  let secureUrl = "";
  const etcd = useEtcd({
    flags: (url) => {
      secureUrl = url.replace("http:", "https:").replace("127.0.0.1", "127.0.0.2");
      return [
        `--listen-client-urls=${url},${secureUrl}`,
        `--cert-file=${fixture("server")}`,
        `--key-file=${fixture("server-key")}`,
        `--trusted-ca-file=${fixture("ca")}`,
        "--client-cert-auth",
      ];
    },
  });
  const api = new EtcdApi(etcd);
  const tls = { ...TRUSTING, identity: CLIENT, serverName: "lab.test" };

  it("is followed, and registered with, by a client certificate", async (t) => {
    const access = { endpoints: [secureUrl], tls };
    const told = follow(t, etcd, { service: "secure", access });
    await told.untilAddresses("");
    const registration = register({ ...access, service: "secure", address: "10.0.0.1:1" });
    await told.untilAddresses("10.0.0.1:1");
    await registration.close();
    await told.untilAddresses("");
    assert.deepEqual(told.troubles, []);
  });

  it("is told apart from what it is not", async (t) => {
    const mute = createServer().listen(0, "127.0.0.1");
    t.after(() => mute.close());
    await once(mute, "listening");
    for (const [access, reason] of [
      [{ endpoints: [secureUrl], tls: { ...tls, ca: pem("other-ca") } }, /no authority that is trusted here/],
      [{ endpoints: [secureUrl], tls: { ...tls, serverName: null } }, /certificate is for another name/],
      [
        { endpoints: [secureUrl], tls: { ...tls, identity: null } },
        /refuses the client certificate|asks for a client certificate/,
      ],
      [
        { endpoints: [secureUrl.replace("https:", "http:")], tls: null },
        /^the member closes the connection; does it want https\?$/,
      ],
      [
        { endpoints: [etcd.url.replace("http:", "https:")], tls },
        /disconnected before secure TLS connection|does not speak TLS/,
      ],
      [{ endpoints: [`https://127.0.0.1:${(mute.address() as AddressInfo).port}`], tls }, /no answer within/],
    ] as const) {
      const told = follow(t, etcd, { service: "secure", access });
      await told.until(({ troubles }) => troubles.length === 1);
      assert.match(told.troubles[0] ?? "", reason);
    }
    await api.put("secure/1", "10.0.0.1:1");
  });
});
