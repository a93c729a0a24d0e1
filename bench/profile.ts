import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const LINES = 40;
const ROOT = path.join(import.meta.dirname, "..");

/** Of V8's profile in a folder: functions by their own time, and by all that was done for them, in % of busy time. */
export function summary(folder: string): string {
  const [file] = readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"));
  if (file === undefined) throw new Error(`no profile in ${folder}`);
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const own = new Map<string, number>();
  const total = new Map<string, number>();
  let busy = 0;
  samples.forEach((sample, i) => {
    const us = timeDeltas[i] ?? 0;
    const name = nameOf(sample);
    if (name.startsWith("(idle)")) return;
    busy += us;
    own.set(name, (own.get(name) ?? 0) + us);
    const callers = new Set<string>();
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) callers.add(nameOf(id));
    for (const caller of callers) total.set(caller, (total.get(caller) ?? 0) + us);
  });
  return [`own time, % of ${(busy / 1e6).toFixed(1)} s`, ...top(own), "", "with what it calls, %", ...top(total)].join(
    "\n",
  );

  function nameOf(id: number): string {
    const frame = byId.get(id)?.callFrame;
    if (frame === undefined) return "?";
    const place = frame.url.replace(`file://${ROOT}/`, "");
    return `${frame.functionName || "(anonymous)"} ${place === "" ? "" : `${place}:${frame.lineNumber + 1}`}`;
  }

  function top(times: ReadonlyMap<string, number>): string[] {
    const sorted = [...times].sort(([, a], [, b]) => b - a).slice(0, LINES);
    return sorted.map(([name, us]) => `${((us / busy) * 100).toFixed(1).padStart(6)}  ${name}`);
  }
}
