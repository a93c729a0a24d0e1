import type { CallEnd, FlatMetadata } from "../call/call.ts";
import { httpStatusOf } from "../core/code.ts";
import type { ErrorForm } from "../transcode/error-form.ts";
import type { Route } from "./route.ts";

/** Appends an upstream's failed status, with its details, to the sink. */
export function writeEndStatus(route: Route, end: CallEnd, form: ErrorForm, requestId: string): void {
  const { code, message, trailers } = end;
  const failure = { code, message, http: httpStatusOf(code), requestId };
  route.writeStatus(form, failure, lastOf(trailers, "grpc-status-details-bin"));
}

function lastOf(metadata: FlatMetadata, name: string): string | undefined {
  for (let i = metadata.length - 2; i >= 0; i -= 2) if (metadata[i] === name) return metadata[i + 1];
  return undefined;
}

/** A path as it may stand in a message. */
export function shorten(path: string): string {
  return path.length <= 200 ? path : `${path.slice(0, 200)}…`;
}
