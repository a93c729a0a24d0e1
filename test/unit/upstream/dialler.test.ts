import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Connection, ConnectionState } from "../../../src/upstream/connection/connection.ts";
import { Dialler } from "../../../src/upstream/dialler.ts";
import { HandClock } from "../../support/hand-clock.ts";

function fleet(size: number): { connections: Connection[]; dialled: number[] } {
  const dialled: number[] = [];
  const connections = Array.from({ length: size }, (_, i) => {
    let state: ConnectionState = "idle";
    const connect = (): void => {
      if (state === "idle") dialled.push(i);
      state = "connecting";
    };
    return {
      get state() {
        return state;
      },
      connect,
    } as unknown as Connection; // no more of it is used
  });
  return { connections, dialled };
}

describe("Dialler", () => {
  it("makes the connections of a small fleet at once", () => {
    const clock = new HandClock();
    const dialler = new Dialler(clock);
    const { connections, dialled } = fleet(50);
    for (const connection of connections) dialler.dial(connection);
    assert.equal(dialled.length, 50);
    assert.equal(clock.pending, 0);
  });

  it("makes those of a large one at 1,000 a second, each once, in order", () => {
    const clock = new HandClock();
    const dialler = new Dialler(clock);
    const { connections, dialled } = fleet(5_000);
    for (const connection of [...connections, ...connections]) dialler.dial(connection);
    assert.equal(dialled.length, 50);
    clock.advance(1_000);
    assert.ok(dialled.length > 900 && dialled.length <= 1_050, `${dialled.length}`);
    clock.advance(4_000);
    assert.deepEqual(dialled, [...connections.keys()]);
    assert.equal(clock.pending, 0);
  });

  it("leaves no timer behind", () => {
    const clock = new HandClock();
    const dialler = new Dialler(clock);
    const { connections, dialled } = fleet(60);
    for (const connection of connections) dialler.dial(connection);
    dialler.close();
    assert.equal(clock.pending, 0);
    assert.equal(dialled.length, 50);
  });
});
