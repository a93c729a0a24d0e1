import type { z } from "zod";
import { leaf, list, section } from "../core/options.ts";
import { parseTarget, type Target } from "./target.ts";

/** Which etcd to watch, and below which prefix. */
export interface EtcdOptions {
  /** `http://host:port` each. */
  readonly endpoints: readonly string[];
  /** "" or ending in "/". */
  readonly prefix: string;
}

const defaultEtcdOptions: EtcdOptions = { endpoints: ["http://127.0.0.1:2379"], prefix: "" };

const endpoint = leaf<string>(
  { docs: "Address of one member of the cluster, http://host:port." },
  { title: "address", type: "string", minLength: 1 },
  (value) => {
    const expected = "expected an address such as http://127.0.0.1:2379";
    if (typeof value !== "string" || value === "") return { expected };
    const url = URL.parse(value.includes("://") ? value : `http://${value}`);
    if (url === null || url.hostname === "") return { expected };
    if (url.protocol === "https:") return { expected, hint: "https is not supported yet" };
    if (url.protocol !== "http:" || url.pathname !== "/" || url.search + url.hash !== "") return { expected };
    if (url.username + url.password !== "") return { expected, hint: "auth is not supported yet" };
    return { value: `http://${url.hostname}:${url.port === "" ? portOf(value) : url.port}` };
  },
);

const prefix = leaf<string>(
  {
    docs: "Put before the service's name: with /etcd3_naming/ the target etcd:///shop watches /etcd3_naming/shop/.",
    default: "",
  },
  { title: "text", type: "string" },
  (value) => {
    if (typeof value !== "string") return { expected: "expected a text" };
    return { value: value === "" || value.endsWith("/") ? value : `${value}/` };
  },
);

/** `discovery:` of `defaults` and of an upstream. */
export const discoverySection = section(
  { docs: "Where instances are found.", later: ["dns", "discov", "consul", "kubernetes"] },
  {
    etcd: section(
      { docs: "Which etcd an etcd:/// target means.", later: ["tls", "auth", "format"] },
      {
        endpoints: list(
          { docs: "Members of the etcd cluster.", default: [...defaultEtcdOptions.endpoints], min: 1 },
          endpoint,
        ).optional(),
        prefix: prefix.optional(),
      },
    ).optional(),
  },
);

type Discovery = z.output<typeof discoverySection>;

/**
 * The etcd that a target is looked up in; null where it is no `etcd:` target. Each key of `levels` wins over the same
 * of those before; hosts in the target win over all.
 */
export function toEtcdOptions(target: Target, ...levels: readonly (Discovery | undefined)[]): EtcdOptions | null {
  if (target.kind !== "etcd") return null;
  let { endpoints, prefix } = defaultEtcdOptions;
  for (const level of levels) {
    endpoints = level?.etcd?.endpoints ?? endpoints;
    prefix = level?.etcd?.prefix ?? prefix;
  }
  return { endpoints: target.hosts.length === 0 ? endpoints : target.hosts.map((host) => `http://${host}`), prefix };
}

/** `target:` of an upstream. */
export const targetOption = leaf<Target>(
  {
    docs:
      "Where instances are: etcd:///service#N, or pass:///host:port#N,host:port#N; N connections per address, " +
      "1 where it is left out.",
  },
  {
    title: "target",
    type: "string",
    minLength: 1,
    examples: ["etcd:///library#2", "pass:///127.0.0.1:50051,127.0.0.1:50052"],
  },
  (value) => {
    const expected = "expected a target such as etcd:///library#2 or pass:///127.0.0.1:50051";
    if (typeof value !== "string") return { expected };
    try {
      return { value: parseTarget(value) };
    } catch (error) {
      return { sentence: (error as Error).message };
    }
  },
);

// URL drops a port that is its scheme's default.
function portOf(text: string): string {
  return /:80\/?$/.test(text) ? "80" : "2379";
}
