import type { NetworkInterfaceInfo } from "node:os";
import { parseAddress, quote } from "../address.ts";

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * The address under which others reach this machine, where `text` says `host:port` or only a port: `:50051`, or a host
 * that means "all of mine" (`0.0.0.0`, `[::]`). The host is then that of the named interface, else the first one that is
 * not loopback: IPv4, and IPv6 where there is none. Throws an Error that says what was expected.
 */
export function ownAddress(text: string, interfaces: Interfaces, interfaceName?: string): string {
  const port = /^(?:0\.0\.0\.0|\[::\]|\*)?:([0-9]+)$/.exec(text)?.[1];
  if (port === undefined && interfaceName !== undefined) {
    throw new Error(`${quote(text)} names a host; an interface goes with a port alone, such as :50051`);
  }
  const parsed = parseAddress(port === undefined ? text : `${ownHost(interfaces, interfaceName)}:${port}`);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.address;
}

function ownHost(interfaces: Interfaces, name: string | undefined): string {
  if (name !== undefined && interfaces[name] === undefined) {
    throw new Error(`there is no interface ${quote(name)}; expected one of ${Object.keys(interfaces).join(", ")}`);
  }
  const infos = (name === undefined ? Object.values(interfaces) : [interfaces[name]]).flatMap((found) => found ?? []);
  const usable = infos.filter((info) => isReachable(info, name !== undefined));
  const found = usable.find(({ family }) => family === "IPv4") ?? usable[0];
  if (found === undefined) {
    const where = name === undefined ? "no interface has an" : `the interface ${quote(name)} has no`;
    throw new Error(`${where} address that others can reach; expected host:port`);
  }
  return found.family === "IPv4" ? found.address : `[${found.address}]`;
}

/** Loopback only where it is asked for by name; addresses that are valid on one link only, never. */
function isReachable({ internal, address, family, scopeid }: NetworkInterfaceInfo, isNamed: boolean): boolean {
  if (internal && !isNamed) return false;
  return family === "IPv4" ? !address.startsWith("169.254.") : scopeid === 0;
}
