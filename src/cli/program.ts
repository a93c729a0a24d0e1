import { Command, CommanderError, InvalidArgumentError } from "commander";
import { examples } from "./examples.ts";
import { addRegisterCommand, type RegisterFlags } from "./register.ts";
import { versionText } from "./version.ts";

export interface ConfigFlags {
  readonly config: string;
}

/** Undefined where the flag was not given: environment, file and defaults follow. */
export interface ServeFlags extends ConfigFlags {
  readonly host?: string;
  readonly port?: number;
  readonly adminHost?: string;
  readonly adminPort?: number;
  readonly workers?: number | "auto";
  readonly zone?: string;
}

export interface RoutesFlags extends ConfigFlags {
  readonly json: boolean;
}

export interface DemoFlags {
  readonly etcd: boolean;
  readonly port: number;
}

/** What the commands do. A promise ends when the command has. */
export interface Commands {
  serve(flags: ServeFlags): Promise<void>;
  /** What `serve` starts more processes with. */
  worker(): Promise<void>;
  check(flags: ConfigFlags): Promise<void>;
  routes(flags: RoutesFlags): Promise<void>;
  demo(flags: DemoFlags): Promise<void>;
  register(flags: RegisterFlags): Promise<void>;
  version(): Promise<void> | void;
}

const CONFIG = ["-c, --config <file>", "configuration file", "routes.yaml"] as const;

/** The command line of sluice. It never ends the process: what it refuses, and help, is thrown as CommanderError. */
export function createProgram(commands: Commands): Command {
  const program = new Command("sluice")
    .description("API gateway that translates HTTP/JSON to gRPC")
    .version(versionText(), "-V, --version", "show the version")
    .exitOverride()
    .showHelpAfterError("(--help tells more)")
    .addHelpText(
      "after",
      examples(
        ["sluice demo", "a gateway in front of a demo bookshop, with curl lines to try"],
        ["sluice check --config routes.yaml", "all problems of a configuration, without starting"],
        ["sluice serve --config routes.yaml", "run the gateway"],
      ),
    );

  program
    .command("serve")
    .description("run the gateway; SIGTERM drains it, SIGHUP reads the configuration anew")
    .option(...CONFIG)
    .option("--host <host>", "address to listen on (SLUICE_HOST; default: 127.0.0.1)")
    .option("--port <port>", "port to listen on, 0 for any (SLUICE_PORT; default: 8080)", parsePort)
    .option("--admin-host <host>", "address of /livez, /readyz, /metrics (SLUICE_ADMIN_HOST; default: 127.0.0.1)")
    .option("--admin-port <port>", "port of the same, 0 for any (SLUICE_ADMIN_PORT; default: 9901)", parsePort)
    .option(
      "--workers <n>",
      "processes that serve requests, auto for one per CPU (SLUICE_WORKERS; default: 1)",
      parseWorkers,
    )
    .option("--zone <zone>", "where this gateway is (SLUICE_ZONE), for upstreams that prefer their own zone")
    .addHelpText(
      "after",
      "\nA flag wins over its environment variable, that over the file, that over the default.\n" +
        examples(
          ["sluice serve", "routes.yaml of this folder"],
          ["sluice serve --config prod.yaml --host 0.0.0.0 --port 80", ""],
          ["sluice serve --workers auto", "a process for each CPU"],
        ),
    )
    .action((flags: ServeFlags) => commands.serve(flags));

  program.command("worker", { hidden: true }).action(() => commands.worker());

  program
    .command("check")
    .description("load a configuration with its schemas, offline, and tell every problem")
    .option(...CONFIG)
    .addHelpText("after", examples(["sluice check --config routes.yaml", "exit status 1 where there are errors"]))
    .action((flags: ConfigFlags) => commands.check(flags));

  program
    .command("routes")
    .description("show all routes: method, path, rpc, upstream, where declared, how served")
    .option(...CONFIG)
    .option("--json", "as JSON", false)
    .addHelpText("after", examples(["sluice routes", "a table"], ["sluice routes --json | jq '.[].path'", ""]))
    .action((flags: RoutesFlags) => commands.routes(flags));

  program
    .command("demo")
    .description("run the gateway in front of three instances of a demo bookshop")
    .option("--etcd", "let the gateway find the instances in a real etcd", false)
    .option("--port <port>", "port to listen on, 0 for any", parsePort, 8080)
    .addHelpText("after", examples(["sluice demo", "needs nothing"], ["sluice demo --etcd --port 8081", ""]))
    .action((flags: DemoFlags) => commands.demo(flags));

  addRegisterCommand(program, (flags) => commands.register(flags));

  program
    .command("version")
    .description("show the version")
    .action(() => commands.version());

  return program;
}

/** Runs the command that `args` (without node and script) ask for; the exit status where it was refused or only help. */
export async function runProgram(program: Command, args: readonly string[]): Promise<number | undefined> {
  try {
    await program.parseAsync(args, { from: "user" });
    return undefined;
  } catch (error) {
    // commander has written its message already.
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65535) return port;
  throw new InvalidArgumentError("Expected a whole number from 0 to 65535.");
}

function parseWorkers(text: string): number | "auto" {
  if (text === "auto") return text;
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 1, or auto.");
}
