import type { UpstreamReadiness } from "../admin/server.ts";
import type { Answers } from "./messages.ts";

/** What workers say together: any that is ready will do, and of each upstream the view of the worker that has most. */
export function mergeReadiness(answers: readonly Answers["readiness"][]): Answers["readiness"] {
  const upstreams = new Map<string, UpstreamReadiness>();
  for (const one of answers.flatMap((answer) => answer.upstreams)) {
    const best = upstreams.get(one.name);
    const isBetter =
      best === undefined ||
      one.readyEndpoints > best.readyEndpoints ||
      (one.readyEndpoints === best.readyEndpoints && one.endpoints > best.endpoints);
    if (isBetter) upstreams.set(one.name, one);
  }
  return { ready: answers.some(({ ready }) => ready), upstreams: [...upstreams.values()] };
}
