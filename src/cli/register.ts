import { InvalidArgumentError, Option, type Command } from "commander";
import { parseDuration } from "../core/units.ts";
import { examples } from "./examples.ts";

export interface RegisterFlags {
  /** At least one. */
  readonly services: readonly string[];
  /** At least one, as given: `host:port` or `:port`. */
  readonly addresses: readonly string[];
  readonly interface: string | undefined;
  readonly etcd: readonly string[];
  readonly etcdUser: string | undefined;
  /** A file; undefined for the environment's. */
  readonly etcdPasswordFile: string | undefined;
  /** Files of PEM text. */
  readonly etcdTls: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  };
  readonly format: string;
  readonly prefix: string | undefined;
  readonly ttlSeconds: number;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly health: string;
  readonly healthService: string;
  readonly healthAddress: string | undefined;
  readonly drainMs: number;
  /** What to run; empty for nothing. */
  readonly command: readonly string[];
}

/** As commander has them, keyed by the flags' names. */
interface Given {
  readonly service: readonly string[];
  readonly address?: readonly string[];
  readonly port?: readonly string[];
  readonly interface?: string;
  readonly etcd?: readonly string[];
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly format: string;
  readonly prefix?: string;
  readonly ttl: number;
  readonly metadata?: readonly (readonly [string, string])[];
  readonly health: string;
  readonly healthService?: string;
  readonly healthAddress?: string;
  readonly drain: number;
}

const DEFAULT_ETCD = "http://127.0.0.1:2379";

/** Adds `sluice register`. What a format or health mode may be, the registration knows. */
export function addRegisterCommand(program: Command, run: (flags: RegisterFlags) => Promise<void>): void {
  program
    .command("register")
    .description("run a service as a child and keep it registered in etcd for as long as it serves")
    .argument("[command...]", "what to run, after --; without one the address is registered until a signal comes")
    .requiredOption("--service <name>", "name to register as; may be repeated", collect)
    .option("--address <host:port>", "where it is reached; :port takes this machine's IPv4; may be repeated", collect)
    .option("--port <port>", "the same as --address :port", collectPort)
    .option("--interface <name>", "network interface whose address goes with a port alone, such as eth0")
    .option("--etcd <urls>", `members of etcd, comma-separated (default: ${DEFAULT_ETCD})`, collectList)
    .option("--etcd-user <name>", "user of etcd; the password is SLUICE_ETCD_PASSWORD, or in a file")
    .option("--etcd-password-file <file>", "file with the password of --etcd-user")
    .option("--etcd-ca <file>", "authorities that sign etcd's certificates, instead of the system's")
    .option("--etcd-cert <file>", "certificate that is shown to etcd")
    .option("--etcd-key <file>", "its key")
    .option("--format <name>", "who reads it: endpoints, plain, hostname, go-zero or kratos", "endpoints")
    .option("--prefix <prefix>", "stands before the service in the key, such as /etcd3_naming/")
    .addOption(
      new Option("--ttl <duration>", "how long the key outlives a process that was killed")
        .argParser(parseTtl)
        .default(10, "10s"),
    )
    .option("--metadata <key=value>", "for the formats endpoints and kratos; may be repeated", collectPair)
    .option(
      "--health <mode>",
      "registered from its first connection on (listening), or only while tcp or grpc says so",
      "listening",
    )
    .option("--health-service <name>", "which service's grpc.health.v1 is asked for (default: the whole server's)")
    .option("--health-address <host:port>", "where it is asked (default: the address)")
    .addOption(
      new Option("--drain <duration>", "wait between the end of the registration and the child's signal")
        .argParser(parseWait)
        .default(0, "0s"),
    )
    .addHelpText(
      "after",
      "\nSIGTERM and SIGINT end the registration, then reach the child; other signals reach it at once. A second one a\n" +
        "second later cuts the wait short. The child's exit status is passed on, 128+n where signal n ended it.\n" +
        examples(
          ["sluice register --service shop --address 10.0.0.5:50051 -- ./shop", ""],
          ["sluice register --service shop --port 50051 --interface eth0 -- node shop.js", ""],
          [
            "sluice register --service shop --port 50051 --health grpc --drain 2s -- ./shop",
            "only while it is SERVING",
          ],
          ["sluice register --service a --service b --port 50051 -- ./both", "two names"],
          ["sluice register --service shop --address db:50051 --health tcp", "runs nothing"],
        ),
    )
    .action((command: string[], given: Given) => run(toFlags(command, given)));
}

function toFlags(command: readonly string[], given: Given): RegisterFlags {
  const addresses = [...(given.address ?? []), ...(given.port ?? []).map((port) => `:${port}`)];
  if (addresses.length === 0)
    throw new Error("there is no address to register; expected --address host:port or --port");
  if (given.etcdPasswordFile !== undefined && given.etcdUser === undefined) {
    throw new Error("--etcd-password-file goes with --etcd-user, which is missing");
  }
  if ((given.etcdCert === undefined) !== (given.etcdKey === undefined)) {
    throw new Error("--etcd-cert and --etcd-key go together");
  }
  if (given.healthService !== undefined && given.health !== "grpc") {
    throw new Error(`--health-service goes with --health grpc; --health is ${given.health}`);
  }
  return {
    services: given.service,
    addresses,
    interface: given.interface,
    etcd: given.etcd ?? [DEFAULT_ETCD],
    etcdUser: given.etcdUser,
    etcdPasswordFile: given.etcdPasswordFile,
    etcdTls: { ca: given.etcdCa, cert: given.etcdCert, key: given.etcdKey },
    format: given.format,
    prefix: given.prefix,
    ttlSeconds: given.ttl,
    metadata: given.metadata && Object.fromEntries(given.metadata),
    health: given.health,
    healthService: given.healthService ?? "",
    healthAddress: given.healthAddress,
    drainMs: given.drain,
    command,
  };
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function collectList(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").filter((item) => item !== "")];
}

function collectPort(text: string, before: readonly string[] = []): readonly string[] {
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535) return [...before, text];
  throw new InvalidArgumentError("Expected a whole number from 1 to 65535.");
}

function collectPair(text: string, before: readonly (readonly [string, string])[] = []) {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("Expected key=value.");
  return [...before, [text.slice(0, equals), text.slice(equals + 1)] as const];
}

function parseTtl(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 1000 && ms % 1000 === 0) return ms / 1000;
  throw new InvalidArgumentError("Expected whole seconds, such as 10s.");
}

function parseWait(text: string): number {
  const ms = text === "0" ? 0 : parseDuration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError("Expected a duration, such as 2s or 500ms.");
}
