import type { ReplyFields } from "../exchange/reply-head.ts";
import type { RpcMethod } from "../schema/schema.ts";
import { whyNoText } from "../transcode/field-text.ts";

/** What is wrong with what a route takes from its replies' messages, each with its path from the route. */
export function checkReplyFields(fields: ReplyFields, rpc: RpcMethod): (readonly [readonly string[], string])[] {
  const { output } = rpc.desc;
  const problems: (readonly [readonly string[], string])[] = [];
  const look = (at: readonly string[], path: string): void => {
    const reason = whyNoText(output, path);
    if (reason !== null) problems.push([at, `{${path}} of ${output.typeName}: ${reason}`]);
  };
  for (const { template, at } of fields.headers) {
    for (const part of template) if (typeof part !== "string") look(at, part.name);
  }
  for (const key of ["id", "event"] as const) {
    const path = fields[key];
    if (path === undefined) continue;
    look(["stream", "sse", key], path);
    if (!rpc.serverStreaming) problems.push([["stream", "sse", key], `${rpc.rpc} has one reply, and no events`]);
  }
  if (rpc.serverStreaming && (fields.headers.length > 0 || fields.status !== 200)) {
    const reason = `${rpc.rpc} answers with a stream, whose status is 200 and whose headers come from metadata`;
    problems.push([["response"], reason]);
  }
  return problems;
}
