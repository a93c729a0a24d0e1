import { parseAddress, quote } from "../address.ts";

/** Where a member of an etcd cluster is. */
export interface EtcdAddress {
  /** `host:port` */
  readonly address: string;
  /** What the scheme says; null where there is none. */
  readonly isTls: boolean | null;
}

export type ParsedEtcdAddress =
  { readonly ok: true; readonly member: EtcdAddress } | { readonly ok: false; readonly reason: string };

/** What a list of members comes to, or why it is none. */
export type ParsedMembers =
  | { readonly ok: true; readonly addresses: readonly string[]; readonly isTls: boolean }
  | { readonly ok: false; readonly reason: string };

const ETCD_PORT = 2379;
const PARTS = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*?)\/?$/is;

/**
 * Reads a member's address as etcd's tools write it, for configuration, targets and library alike:
 *
 *     member = [("http" | "https") "://"] host [":" port] ["/"]      port 2379 where there is none
 */
export function parseEtcdAddress(text: string): ParsedEtcdAddress {
  const [, scheme = "", rest = ""] = PARTS.exec(text) ?? [];
  const kind = scheme.toLowerCase();
  if (kind !== "" && kind !== "http" && kind !== "https") {
    return { ok: false, reason: `${quote(text)}: the scheme is ${scheme}; expected http or https` };
  }
  if (rest.includes("@")) {
    // The text is not shown: a password stands in it.
    return { ok: false, reason: "a user and a password are no part of an address; they belong under auth" };
  }
  const hasPort = /:[0-9]*$/.test(rest) && !/^[0-9a-f:]*::[0-9a-f:]*$/i.test(rest);
  const parsed = parseAddress(hasPort ? rest : `${rest}:${ETCD_PORT}`);
  if (!parsed.ok) return parsed;
  return { ok: true, member: { address: parsed.address, isTls: kind === "" ? null : kind === "https" } };
}

/** The members of one cluster; where no scheme says it, they speak TLS if there are settings for it (`hasTls`). */
export function parseMembers(endpoints: readonly string[], hasTls: boolean): ParsedMembers {
  const members: EtcdAddress[] = [];
  for (const text of endpoints) {
    const parsed = parseEtcdAddress(text);
    if (!parsed.ok) return parsed;
    members.push(parsed.member);
  }
  if (members.length === 0) return { ok: false, reason: "there is no endpoint; expected http://host:port" };
  const schemes = new Set(members.map(({ isTls }) => isTls ?? hasTls));
  if (schemes.size > 1)
    return { ok: false, reason: "some endpoints are http, some https; expected one of both for all" };
  if (hasTls && schemes.has(false))
    return { ok: false, reason: "the endpoints are http, but there is tls; expected https" };
  return { ok: true, addresses: members.map(({ address }) => address), isTls: schemes.has(true) };
}
