import { Metadata } from "@grpc/grpc-js";
import type { FlatMetadata } from "../../../call/call.ts";
import { isSentName, isSentValue, joinValues, JOINED_NAMES } from "../metadata-rules.ts";

/** Request metadata as grpc-js wants it; what cannot be sent is left out. `timeout` is the value of `grpc-timeout`. */
export function toGrpcMetadata(flat: FlatMetadata, timeout: string | null): Metadata {
  const metadata = new Metadata();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] ?? "";
    const value = flat[i + 1] ?? "";
    if (!isSentName(name) || !isSentValue(value)) continue;
    if (name.endsWith("-bin")) {
      // Several values of one name may arrive joined (gRPC over HTTP/2, "Custom-Metadata").
      for (const part of value.split(",")) metadata.add(name, Buffer.from(part, "base64"));
    } else if (JOINED_NAMES.has(name)) {
      const earlier = metadata.get(name)[0];
      const own = value.trim();
      metadata.set(name, earlier === undefined ? own : joinValues(name, earlier.toString(), own));
    } else {
      metadata.add(name, value.trim());
    }
  }
  // Our own header instead of grpc-js's deadline: call/ keeps the time, and one timer per call is enough.
  if (timeout !== null) metadata.set("grpc-timeout", timeout);
  return metadata;
}

/** Metadata that grpc-js has received, as on the wire: `-bin` values in base64 again. */
export function fromGrpcMetadata(metadata: Metadata): string[] {
  const flat: string[] = [];
  // toJSON is the one public way to every value without a copy of each.
  const entries = metadata.toJSON();
  for (const name in entries) {
    for (const value of entries[name] ?? []) {
      flat.push(name, typeof value === "string" ? value : value.toString("base64"));
    }
  }
  return flat;
}
