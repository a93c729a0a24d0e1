import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { RegisterFlags } from "./cli/register.ts";
import type { Clock } from "./core/clock.ts";
import type { RegistrationEvent } from "./discovery/events.ts";
import type { EtcdAccess } from "./discovery/etcd/members.ts";
import { register, type HealthMode, type Registration, type RegistrationFormat } from "./discovery/register.ts";
import { etcdAccess, PASSWORD } from "./register-access.ts";

export interface RegisterCommandOptions {
  readonly flags: RegisterFlags;
  /** The child's too, but for the password of etcd's user. */
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly onEvent: (event: RegistrationEvent) => void;
  /** What could not be run, in one line. */
  readonly onFailed: (message: string) => void;
}

/** A service that is kept registered, with the child that is the service where there is one. */
export interface RegisterRun {
  /** The exit status to end with, once the child has ended or `stop` is through; its keys are gone then. */
  readonly exitStatus: Promise<number>;
  /** Ends the registration, waits for `--drain`, hands the child the signal. Once more: without waiting. */
  stop(signal: NodeJS.Signals): void;
  /** Hands the child a signal that is no order to stop. */
  pass(signal: NodeJS.Signals): void;
}

/** What a shell answers for a command that it cannot run (POSIX, Shell Command Language, 2.8.2). */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** `sluice register`. Throws an Error for a flag that cannot be used, before anything was started. */
export function runRegister(options: RegisterCommandOptions): RegisterRun {
  const access = etcdAccess(options.flags, options.env);
  const registrations = options.flags.addresses.map((address) => open(options, access, address));
  const deregister = (): Promise<unknown> => Promise.all(registrations.map((registration) => registration.close()));
  return options.flags.command.length === 0
    ? runAlone(deregister)
    : runChild(options, options.flags.command, deregister);
}

function open({ flags, clock, onEvent }: RegisterCommandOptions, access: EtcdAccess, address: string): Registration {
  return register({
    ...access,
    service: flags.services,
    address,
    ttlSeconds: flags.ttlSeconds,
    // Checked there.
    format: flags.format as RegistrationFormat,
    health: flags.health as HealthMode,
    healthService: flags.healthService,
    clock,
    onEvent,
    ...(flags.interface !== undefined && { interface: flags.interface }),
    ...(flags.prefix !== undefined && { prefix: flags.prefix }),
    ...(flags.metadata !== undefined && { metadata: flags.metadata }),
    ...(flags.healthAddress !== undefined && { healthAddress: flags.healthAddress }),
  });
}

function runAlone(deregister: () => Promise<unknown>): RegisterRun {
  // Timers of the registration do not keep the process alive while etcd is away; a port with a listener does.
  const { port1: alive } = new MessageChannel();
  alive.on("message", () => {});
  const exitStatus = Promise.withResolvers<number>();
  return {
    exitStatus: exitStatus.promise,
    stop() {
      void deregister().then(() => {
        alive.close();
        exitStatus.resolve(0);
      });
    },
    pass() {},
  };
}

function runChild(
  { flags, env, clock, onFailed }: RegisterCommandOptions,
  [file = "", ...args]: readonly string[],
  deregister: () => Promise<unknown>,
): RegisterRun {
  // A session of its own: Ctrl-C in a terminal would reach the child at once, before its key is gone.
  const { [PASSWORD]: _, ...childEnv } = env;
  const child = spawn(file, args, { stdio: "inherit", env: childEnv, detached: true });
  const ended = new Promise<number>((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return; // it runs; a signal could not be sent
      const isMissing = error.code === "ENOENT";
      const isForbidden = error.code === "EACCES";
      const reason = isMissing ? "there is no such program" : isForbidden ? "it is not executable" : error.message;
      onFailed(`cannot run ${file}: ${reason}`);
      resolve(isMissing ? NOT_FOUND : NOT_EXECUTABLE);
    });
    child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
  });
  let hurry: (() => void) | undefined;
  return {
    // However it ended, nobody is to call it any more.
    exitStatus: ended.then(async (status) => {
      await deregister();
      return status;
    }),
    stop(signal) {
      if (hurry !== undefined) return hurry();
      let isSent = false;
      const send = (): void => {
        if (isSent) return;
        isSent = true;
        sendTo(child, signal);
      };
      hurry = () => (isSent ? sendTo(child, signal) : send());
      void deregister().then(() => clock.after(flags.drainMs, send));
    },
    pass: (signal) => sendTo(child, signal),
  };
}

/** As a terminal does it, SIGINT goes to the child and its own children; the others go to the child alone. */
function sendTo(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (signal !== "SIGINT") return void child.kill(signal);
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It ended in this moment, which `exitStatus` tells.
  }
}
