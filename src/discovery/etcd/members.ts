import { TlsClient, type TlsOptions } from "../../tls/client.ts";
import { parseMembers } from "./address.ts";
import { openWithAuth, type EtcdAuth } from "./auth.ts";
import { openEtcd, type EtcdClient } from "./client.ts";

/** How a cluster is reached. */
export interface EtcdAccess {
  /** Members, `[http[s]://]host[:port]` each; at least one, and all with TLS or all without. */
  readonly endpoints: readonly string[];
  /** For `https`, and for endpoints without a scheme; left out, the system's authorities are trusted. */
  readonly tls?: TlsOptions | null;
  readonly auth?: EtcdAuth | null;
}

/** The members of one etcd cluster, and the way in to each. */
export interface EtcdMembers {
  /** `host:port` each. */
  readonly addresses: readonly string[];
  /** A client for one of them. */
  open(address: string): EtcdClient;
}

/** Throws an Error that names an endpoint which cannot be read, and where there is none. */
export function etcdMembers({ endpoints, tls = null, auth = null }: EtcdAccess): EtcdMembers {
  const members = parseMembers(endpoints, tls !== null);
  if (!members.ok) throw new Error(`etcd: ${members.reason}`);
  const client = members.isTls ? new TlsClient(tls ?? { ca: null, identity: null, serverName: null }) : null;
  return {
    addresses: members.addresses,
    open: (address) => (auth === null ? openEtcd(address, client) : openWithAuth(openEtcd(address, client), auth)),
  };
}
