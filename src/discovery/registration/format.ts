import { servicePrefix } from "../etcd/keys.ts";
import type { RegistrarEntry } from "../etcd/registrar.ts";
import type { RegistrationFormat } from "./modes.ts";

export interface FormatOptions {
  readonly service: string;
  /** `host:port` */
  readonly address: string;
  /** Undefined for the scheme's own. */
  readonly prefix: string | undefined;
  /** What JSON can say; null for none. `endpoints` and `kratos` carry it. */
  readonly metadata: unknown;
  readonly hostname: string;
}

/**
 * Key and value of an instance:
 *
 *     endpoints   <prefix><service>/<address>   {"Op":0,"Addr":"…","Metadata":…}      etcd's Go client, naming/endpoints
 *     plain       <prefix><service>/<address>   host:port
 *     hostname    <prefix><service>/<hostname>  host:port
 *     go-zero     <prefix><service>/<lease id>  host:port                             go-zero core/discov
 *     kratos      <prefix><service>/<address>   {"id","name","version","metadata","endpoints":["grpc://…"]}
 *
 * The prefix is empty, or Kratos' `/microservices/`, where nothing is said. Throws an Error for metadata that the scheme
 * cannot carry.
 */
export function formatEntry(format: RegistrationFormat, options: FormatOptions): RegistrarEntry {
  const { service, address, metadata, hostname } = options;
  const base = servicePrefix(service, options.prefix ?? (format === "kratos" ? "/microservices/" : ""));
  switch (format) {
    case "endpoints":
      return at(`${base}${address}`, JSON.stringify({ Op: 0, Addr: address, Metadata: metadata }));
    case "kratos":
      return at(`${base}${address}`, kratosValue(options));
    case "plain":
      refuseMetadata(format, metadata);
      return at(`${base}${address}`, address);
    case "hostname":
      refuseMetadata(format, metadata);
      return at(`${base}${hostname}`, address);
    case "go-zero":
      refuseMetadata(format, metadata);
      return { keyOf: (lease) => `${base}${lease}`, value: address };
  }
}

/** A key that has nothing of the lease in it. */
function at(key: string, value: string): RegistrarEntry {
  return { keyOf: () => key, value };
}

/** registry.ServiceInstance of Kratos 2; `isSecure` is for its readers before 2.3, later ones look at the scheme. */
function kratosValue({ service, address, metadata }: FormatOptions): string {
  // Kratos has a map of strings there, and one value that it cannot read makes it drop the whole list.
  const isMap = metadata === null || (typeof metadata === "object" && !Array.isArray(metadata));
  if (!isMap || Object.values(metadata ?? {}).some((value) => typeof value !== "string")) {
    throw new Error(`metadata is ${JSON.stringify(metadata)}; the format kratos carries an object of strings`);
  }
  const endpoints = [`grpc://${address}?isSecure=false`];
  return JSON.stringify({ id: address, name: service, version: "", metadata: metadata ?? {}, endpoints });
}

function refuseMetadata(format: RegistrationFormat, metadata: unknown): void {
  if (metadata !== null) throw new Error(`the format ${format} carries no metadata; endpoints and kratos do`);
}
