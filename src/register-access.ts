import { readFileSync } from "node:fs";
import type { RegisterFlags } from "./cli/register.ts";
import type { EtcdAccess } from "./discovery/etcd/members.ts";
import { toTls } from "./tls/options.ts";

/** How the flags of `sluice register` say that etcd is reached. Throws an Error that names a flag which cannot be used. */
export function etcdAccess(flags: RegisterFlags, env: NodeJS.ProcessEnv): EtcdAccess {
  const { etcd: endpoints, etcdUser: user, etcdPasswordFile: file, etcdTls } = flags;
  const isTls = Object.values(etcdTls).some((value) => value !== undefined);
  const tls = toTls(isTls ? etcdTls : undefined, readText, (key, message) => {
    throw new Error(`--etcd-${key}: ${message}`);
  });
  if (user === undefined) return { endpoints, tls };
  const password = file === undefined ? env[PASSWORD] : passwordOf(file);
  if (password === undefined) {
    throw new Error(`--etcd-user is ${user} and there is no password; expected ${PASSWORD} or --etcd-password-file`);
  }
  return { endpoints, tls, auth: { user, password } };
}

/** Names the password of etcd's user in the environment, which the child does not get. */
export const PASSWORD = "SLUICE_ETCD_PASSWORD";

function passwordOf(file: string): string {
  try {
    return readText(file).replace(/\r?\n$/, "");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`--etcd-password-file: file "${file}" cannot be read: ${code ?? String(error)}`);
  }
}

function readText(path: string): string {
  return readFileSync(path, "utf8");
}
