import type { z } from "zod";
import { leaf, list, section, text } from "../../core/options.ts";
import { tlsSection, toTls } from "../../tls/options.ts";
import type { Target } from "../target.ts";
import { parseEtcdAddress, parseMembers } from "./address.ts";
import type { EtcdAuth } from "./auth.ts";
import type { EtcdAccess } from "./members.ts";

/** Which etcd to watch, and below which prefix. */
export interface EtcdOptions extends Required<EtcdAccess> {
  /** "" or ending in "/". */
  readonly prefix: string;
}

const DEFAULT_ENDPOINTS = ["http://127.0.0.1:2379"];

const endpoint = leaf<string>(
  { docs: "Address of one member of the cluster, http://host:port or https://host:port." },
  { title: "address", type: "string", minLength: 1 },
  (value) => {
    if (typeof value !== "string" || value === "")
      return { expected: `expected an address such as ${DEFAULT_ENDPOINTS[0]}` };
    const parsed = parseEtcdAddress(value);
    if (!parsed.ok) return { sentence: parsed.reason };
    const { address, isTls } = parsed.member;
    return { value: isTls === null ? address : `${isTls ? "https" : "http"}://${address}` };
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

/** Text that no message shows. */
const secret = leaf<string>(
  { docs: "Its password; better as ${NAME} or ${file:path} than as it is." },
  { title: "text", type: "string", minLength: 1 },
  (value) =>
    typeof value === "string" && value !== ""
      ? { value }
      : { sentence: "expected a text that is not empty, in quotes" },
);

const auth = section(
  {
    docs: "A user of etcd, where its authentication is on; asked for a token with each connection, and where one expired.",
    check(value, complain, hasUnknownKeys) {
      // A value that is wrong is undefined, but there.
      const given = ["password", "password_file"].filter((key) => key in value);
      if (given.length > 1) complain(["password_file"], "stands beside password; expected one of both");
      if (given.length === 0 && !hasUnknownKeys) complain([], "has no password; expected password or password_file");
    },
  },
  {
    user: text({ docs: "Name of the user.", what: "a name" }),
    password: secret.optional(),
    password_file: text({
      docs: "A file with the password, read when the configuration is.",
      what: "a file's path",
    }).optional(),
  },
);

/** `discovery.etcd`. */
export const etcdSection = section(
  { docs: "Which etcd an etcd:/// target means.", later: ["format"] },
  {
    endpoints: list(
      { docs: "Members of the etcd cluster.", default: [...DEFAULT_ENDPOINTS], min: 1 },
      endpoint,
    ).optional(),
    prefix: prefix.optional(),
    tls: tlsSection({
      docs: "TLS to etcd; endpoints with https suffice where the system trusts the authority of their certificates.",
      peers: "members",
    }).optional(),
    auth: auth.optional(),
  },
);

type ParsedEtcd = z.output<typeof etcdSection>;

/** `discovery` as it stands at one place of the file. */
interface Level {
  readonly discovery: { readonly etcd?: ParsedEtcd | undefined } | undefined;
  readonly complain: (keys: readonly string[], message: string) => void;
}

/**
 * The etcd that a target is looked up in; null where it is no target of etcd. Each key of `levels` wins over the same of
 * those before; hosts in the target win over all. `read` gives a file's text.
 */
export function toEtcdOptions(
  target: Target,
  levels: readonly Level[],
  read: (path: string) => string,
): EtcdOptions | null {
  if (target.kind !== "etcd") return null;
  const last = <K extends keyof ParsedEtcd>(key: K) =>
    levels.findLast(({ discovery }) => discovery?.etcd?.[key] !== undefined);
  const tlsLevel = last("tls");
  const authLevel = last("auth");
  const endpointsLevel = last("endpoints");
  const tls = toTls(tlsLevel?.discovery?.etcd?.tls, read, (key, message) =>
    tlsLevel?.complain(["etcd", "tls", key], message),
  );
  const endpoints =
    target.hosts.length > 0 ? target.hosts : (endpointsLevel?.discovery?.etcd?.endpoints ?? DEFAULT_ENDPOINTS);
  const members = parseMembers(endpoints, tls !== null);
  if (!members.ok) {
    const [level, key] = endpointsLevel === undefined ? [tlsLevel, "tls"] : [endpointsLevel, "endpoints"];
    level?.complain(["etcd", key], members.reason);
  }
  return {
    endpoints,
    prefix: target.isKey ? "" : (last("prefix")?.discovery?.etcd?.prefix ?? ""),
    tls,
    auth: authLevel === undefined ? null : toAuth(authLevel, read),
  };
}

function toAuth({ discovery, complain }: Level, read: (path: string) => string): EtcdAuth | null {
  const parsed = discovery?.etcd?.auth;
  if (parsed === undefined) return null;
  const { user, password = "", password_file: file } = parsed;
  if (file === undefined) return { user, password };
  try {
    return { user, password: read(file).replace(/\r?\n$/, "") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    complain(["etcd", "auth", "password_file"], `file "${file}" cannot be read: ${code ?? String(error)}`);
    return null;
  }
}
