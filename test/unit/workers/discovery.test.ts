import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint, Resolver, ResolverListener } from "../../../src/upstream/resolver.ts";
import { DiscoveryFeed } from "../../../src/workers/discovery-feed.ts";
import { DiscoveryHub } from "../../../src/workers/discovery-hub.ts";
import type { DiscoveryMessage } from "../../../src/workers/messages.ts";
import { HandClock } from "../../support/hand-clock.ts";

const list = (...addresses: string[]): Endpoint[] =>
  addresses.map((address) => ({ address, connections: 1, weight: 1, zone: "" }));

/** What a listener hears, in order. */
function ear(): { heard: unknown[]; listener: ResolverListener } {
  const heard: unknown[] = [];
  const listener: ResolverListener = {
    onEndpoints: (endpoints) => heard.push(endpoints.map(({ address }) => address).join(",")),
    onTrouble: (reason) => heard.push({ trouble: reason }),
    onRecovered: () => heard.push("recovered"),
  };
  return { heard, listener };
}

/** A hub, its resolvers by key with whether they were closed, and feeds that may be attached. */
function startHub() {
  const clock = new HandClock();
  const feeds: DiscoveryFeed[] = [];
  const log: string[] = [];
  const resolvers = new Map<string, { listener: ResolverListener; isClosed: boolean }>();
  const hub = new DiscoveryHub({
    tell: (message) => feeds.forEach((feed) => feed.take(message)),
    onTrouble: (name, reason) => log.push(`${name}: ${reason}`),
    onRecovered: (name) => log.push(`${name} recovered`),
    after: (ms, fn) => clock.after(ms, fn),
  });
  const source = (key: string) => ({
    key,
    name: `name of ${key}`,
    create: (): Resolver => ({
      start: (listener) => resolvers.set(key, { listener, isClosed: false }),
      close: () => Object.assign(resolvers.get(key) ?? {}, { isClosed: true }),
    }),
  });
  const of = (key: string) => resolvers.get(key) ?? assert.fail(`no resolver ${key}`);
  return { clock, hub, feeds, log, source, of, resolvers };
}

describe("DiscoveryHub and DiscoveryFeed", () => {
  it("tell every worker what one resolver tells, and who comes later what is known", () => {
    const { hub, feeds, source, of, log } = startHub();
    const [first, second, late] = [ear(), ear(), ear()];
    feeds.push(new DiscoveryFeed(() => {}), new DiscoveryFeed(() => {}));
    feeds[0]?.resolver("a").start(first.listener);
    hub.take([source("a")], 1000);
    of("a").listener.onEndpoints(list("h:1"));
    feeds[1]?.resolver("a").start(second.listener);
    of("a").listener.onTrouble("gone");
    const newcomer = new DiscoveryFeed(() => {});
    for (const message of hub.known()) newcomer.take(message);
    feeds.push(newcomer);
    newcomer.resolver("a").start(late.listener);
    of("a").listener.onEndpoints(list("h:1", "h:2"));
    of("a").listener.onRecovered();
    const all = ["h:1", { trouble: "gone" }, "h:1,h:2", "recovered"];
    assert.deepEqual([first.heard, second.heard, late.heard], [all, all, all]);
    assert.deepEqual(log, ["name of a: gone", "name of a recovered"]);
    assert.deepEqual([...hub.known()], [{ type: "endpoints", key: "a", endpoints: list("h:1", "h:2") }]);
  });

  it("keep a resolver over configurations that have it, and end one that none has had for a while", () => {
    const { clock, hub, feeds, source, of, resolvers } = startHub();
    const told: DiscoveryMessage[] = [];
    feeds.push(
      new (class extends DiscoveryFeed {
        override take(message: DiscoveryMessage): void {
          told.push(message);
        }
      })(() => {}),
    );
    hub.take([source("a"), source("b"), source("b")], 1000);
    hub.take([source("b")], 1000);
    clock.advance(999);
    hub.take([source("a"), source("b")], 1000);
    clock.advance(5000);
    assert.deepEqual(
      [...resolvers.values()].map(({ isClosed }) => isClosed),
      [false, false],
    );
    hub.take([source("b")], 1000);
    of("a").listener.onEndpoints(list("h:1"));
    clock.advance(1000);
    assert.equal(of("a").isClosed, true);
    assert.deepEqual(
      told.map(({ type, key }) => `${type} ${key}`),
      ["endpoints a", "ended a"],
    );
    hub.close();
    assert.deepEqual([of("b").isClosed, clock.pending], [true, 0]);
  });

  it("pass on that an instance cannot be reached", () => {
    const { hub, source, resolvers } = startHub();
    let refreshed = 0;
    hub.take([{ ...source("a"), create: () => ({ ...source("a").create(), refresh: () => void refreshed++ }) }], 0);
    hub.take([source("b")], 1000);
    const feed = new DiscoveryFeed((key) => hub.refresh(key));
    for (const key of ["a", "b", "gone"]) feed.resolver(key).refresh?.();
    assert.deepEqual([refreshed, resolvers.size], [1, 2]);
  });

  it("say nothing to a resolver that was closed", () => {
    const feed = new DiscoveryFeed(() => {});
    const { heard, listener } = ear();
    const resolver = feed.resolver("a");
    resolver.start(listener);
    resolver.close();
    feed.take({ type: "endpoints", key: "a", endpoints: list("h:1") });
    feed.take({ type: "ended", key: "a" });
    const again = ear();
    feed.resolver("a").start(again.listener);
    assert.deepEqual([heard, again.heard], [[], []]);
  });
});
