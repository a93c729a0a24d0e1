import type { z } from "zod";

type Issue = z.core.$ZodIssue;

/** What could be read of a file in which something is wrong. */
export interface SoundParts<T> {
  readonly data: T;
  /** Of each route that is left, its place in the file's list. */
  readonly routeIndexes: readonly number[];
  /** Whether an upstream was left out: what seems to be missing may be in it. */
  readonly lacksUpstreams: boolean;
}

// Without one part, another may be wrong; each round takes out one at least.
const MAX_ROUNDS = 5;
// A route without them would be one for another rpc.
const NAMES_RPC: readonly PropertyKey[] = ["rpc", "selector", "upstream"];

type Keys = Record<PropertyKey, unknown>;

/**
 * Reads what is left of a file without the keys in which something is wrong, or without their route or upstream where
 * these cannot do without, so that the rest is checked in the same go. Undefined where nothing much is left.
 */
export function readSoundParts<T>(
  file: unknown,
  issues: readonly Issue[],
  schema: { safeParse(value: unknown): z.ZodSafeParseResult<T> },
): SoundParts<T> | undefined {
  if (!isMap(file)) return undefined;
  const top: Keys = { ...file, version: 1 };
  // Routes keep their place as long as parts are taken out.
  const routes: unknown[] = Array.isArray(top["routes"]) ? top["routes"].map(copied) : [];
  const upstreams: Keys = isMap(top["upstreams"]) ? { ...top["upstreams"] } : {};
  for (const name of Object.keys(upstreams)) upstreams[name] = copied(upstreams[name]);
  let lacksUpstreams = false;
  let left = routes.map((_, index) => index);

  const takeOut = (issue: Issue): boolean => {
    const [key, name, inner] = issue.path;
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
    if (key === undefined || (name === undefined && key === "upstreams")) {
      for (const one of unknown) delete top[one];
      return key === undefined && unknown.length > 0;
    }
    if (name === undefined || (key !== "routes" && key !== "upstreams")) return delete top[key];
    const index = key === "routes" ? left[name as number] : undefined;
    const part = index === undefined ? upstreams[name] : routes[index];
    const wrong = inner === undefined ? unknown : [inner].filter((one) => !NAMES_RPC.includes(one));
    // A key that is not there is one that the part cannot do without.
    if (isMap(part) && wrong.some((one) => Object.hasOwn(part, one))) {
      for (const one of wrong) delete part[one];
    } else if (index !== undefined) {
      routes[index] = undefined;
    } else {
      delete upstreams[name];
      lacksUpstreams = true;
    }
    return true;
  };

  for (let round = 0; round < MAX_ROUNDS; round++) {
    for (const issue of issues) if (!takeOut(issue)) return undefined;
    left = [...routes.keys()].filter((index) => routes[index] !== undefined);
    if (Object.hasOwn(top, "routes")) top["routes"] = left.map((index) => routes[index]);
    top["upstreams"] = upstreams;
    const result = schema.safeParse(top);
    if (result.success) return { data: result.data, routeIndexes: left, lacksUpstreams };
    issues = result.error.issues;
  }
  return undefined;
}

function copied(value: unknown): unknown {
  return isMap(value) ? { ...value } : (value ?? {});
}

function isMap(value: unknown): value is Keys {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
