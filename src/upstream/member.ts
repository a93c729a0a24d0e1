import type { AttemptEnd, AttemptListener, AttemptRequest, CallHandle, Pick } from "../call/call.ts";
import type { Clock } from "../core/clock.ts";
import { Code } from "../core/code.ts";
import type { Connection, ConnectionFactory, ConnectionOptions, ConnectionState } from "./connection/connection.ts";
import { CountedAttempt, type AttemptHost } from "./counted-attempt.ts";
import type { Outlier } from "./health/outlier.ts";

/** What a connection asks and tells of the instance that it is one of. */
export interface MemberHost {
  readonly endpoint: string;
  readonly outlier: Outlier;
  /** Counted by its connections: those that are ready, and those of them that give no sign of life. */
  readyMembers: number;
  suspects: number;
  /** Whether a connection to another instance is ready and in good health. */
  readonly hasHealthyBeside: boolean;
  onConnectionState(member: Member, state: ConnectionState, reason: string | undefined): void;
  onSuspect(member: Member): void;
  /** An attempt begins, or has ended, and is counted in or out already. */
  onBegan(): void;
  onEnded(member: Member, startMs: number, code: Code): void;
}

export interface MemberOptions {
  readonly connect: ConnectionFactory;
  readonly connection: ConnectionOptions;
  readonly clock: Clock;
}

// What no request deserves, but may cause: only where it stands out is it the instance's fault.
const FAULTS: readonly Code[] = [Code.Unknown, Code.Internal, Code.DataLoss];

/** One connection of an instance: what a call starts its attempt on. */
export class Member implements Pick, AttemptHost {
  readonly endpoint: string;
  /** From 0, within its instance. */
  readonly index: number;
  readonly connection: Connection;
  readonly clock: Clock;
  private readonly host: MemberHost;
  isReady = false;
  /** It gives no sign of life. */
  isSuspect = false;
  inFlight = 0;

  constructor(host: MemberHost, index: number, { connect, connection, clock }: MemberOptions) {
    this.host = host;
    this.endpoint = host.endpoint;
    this.index = index;
    this.clock = clock;
    this.connection = connect(host.endpoint, connection, {
      onState: (state, reason) => {
        this.become(state === "ready", false);
        host.onConnectionState(this, state, reason);
      },
      onSuspect: (isSuspect) => {
        this.become(this.isReady, isSuspect);
        host.onSuspect(this);
      },
    });
  }

  private become(isReady: boolean, isSuspect: boolean): void {
    const { host } = this;
    host.readyMembers += Number(isReady) - Number(this.isReady);
    host.suspects += Number(isReady && isSuspect) - Number(this.isReady && this.isSuspect);
    this.isReady = isReady;
    this.isSuspect = isSuspect;
  }

  get outlier(): Outlier {
    return this.host.outlier;
  }

  /** Gives a sign of life, has room, is less busy: in this order. */
  isBetterThan(other: Member): boolean {
    if (this.isSuspect !== other.isSuspect) return other.isSuspect;
    const { hasRoom } = this.connection;
    return hasRoom === other.connection.hasRoom ? this.inFlight < other.inFlight : hasRoom;
  }

  start(request: AttemptRequest, listener: AttemptListener): CallHandle {
    return new CountedAttempt(this, request, listener);
  }

  began(): void {
    this.inFlight++;
    this.host.onBegan();
  }

  ended(startMs: number, code: Code): void {
    this.inFlight--;
    this.host.onEnded(this, startMs, code);
  }

  /** Attempts that a broken connection took with it say nothing more: it is out of the ready set by itself. */
  judge(end: AttemptEnd): void {
    if (end.outcome === "answered") {
      const { outlier } = this.host;
      if (end.code === Code.Unavailable) outlier.failed();
      else if (FAULTS.includes(end.code)) outlier.faulted();
      else outlier.succeeded();
    } else if (this.isReady) {
      this.host.outlier.failed();
    }
  }

  /** Whether attempts that wait for a sign of life had better be made elsewhere. */
  get hasHealthyBeside(): boolean {
    return this.host.hasHealthyBeside;
  }
}
