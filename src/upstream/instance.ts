import type { Pick } from "../call/call.ts";
import type { Clock } from "../core/clock.ts";
import type { Code } from "../core/code.ts";
import type { Candidate } from "./balancer/balancer.ts";
import type { ConnectionState } from "./connection/connection.ts";
import type { Random } from "../core/random.ts";
import type { Dialler } from "./dialler.ts";
import type { HealthOptions, OutlierOptions } from "./health/options.ts";
import { Outlier, type OutlierListener } from "./health/outlier.ts";
import { HealthWatch } from "./health/watch.ts";
import { Member, type MemberHost, type MemberOptions } from "./member.ts";
import type { Endpoint } from "./resolver.ts";
import { StreamQueue, type StreamQueueHost } from "./stream-queue.ts";

/** What an instance tells the upstream that it belongs to. */
export interface InstanceListener {
  onConnectionState(instance: Instance, member: Member, state: ConnectionState, reason: string | undefined): void;
  onSuspect(member: Member): void;
  /** Whether a connection to another instance is ready and in good health. */
  hasHealthyBeside(instance: Instance): boolean;
  /** So few instances are in good health that all are used. */
  readonly isPanicking: boolean;
  /** What it says of its own health is another now. */
  onHealth(instance: Instance): void;
  /** Whether one more instance may be passed over. */
  mayEject(instance: Instance): boolean;
  onEjected(instance: Instance, forMs: number): void;
  onReadmitted(instance: Instance): void;
  /** An attempt has ended; as `done` of a balancer. */
  onDone(instance: Instance, startMs: number, code: Code): void;
  /** As of StreamQueueHost. */
  readonly queue: number;
  readonly isQueueFull: boolean;
  onQueue(change: 1 | -1): void;
  onQueued(waitMs: number): void;
  /** A connection that was closed has ended its last attempt. */
  onDrained(member: Member): void;
}

export interface InstanceOptions extends MemberOptions {
  /** Makes the connections of all instances of an upstream. */
  readonly dialler: Dialler;
  readonly random: Random;
  /** Of one instance; more are opened only where those that it has take no more calls. */
  readonly maxConnections: number;
  /** The gateway's own; "" where that is unknown. */
  readonly zone: string;
  /** In force; the same object for as long as the upstream lasts. */
  readonly health: { outlier: OutlierOptions; readonly check: HealthOptions["check"] };
  /** Shared by all instances of an upstream. */
  readonly load: UpstreamLoad;
}

export interface UpstreamLoad {
  /** Attempts that run. */
  inFlight: number;
}

// A minute of ten seconds each.
const IDLE_INTERVALS = 6;

/** One endpoint of the list with its connections and its health: what a balancer chooses. */
export class Instance implements Candidate, OutlierListener, StreamQueueHost, MemberHost {
  readonly endpoint: string;
  readonly members: Member[] = [];
  readonly outlier: Outlier;
  /** Null where nobody is asked. */
  readonly health: HealthWatch | null;
  /** As its upstream counts it. */
  isCountedGood = false;
  isLocal: boolean;
  weight: number;
  inFlight = 0;
  /** Ready connections. */
  readyMembers = 0;
  /** Ready ones that give no sign of life. */
  suspects = 0;
  sinceMs = 0;
  /** It is new, or could not be reached: ready again it begins slowly. */
  isCold = true;
  /** Connections that it is to have; it has more where those took no more calls. */
  private wanted: number;
  /** Intervals in which the last connection had nothing to do. */
  private idleIntervals = 0;
  private readonly waiting: StreamQueue;
  private isClosed = false;
  /** Where the search for the least busy connection begins. */
  private nextMember = 0;
  private readonly options: InstanceOptions;
  private readonly listener: InstanceListener;

  constructor(endpoint: Endpoint, options: InstanceOptions, listener: InstanceListener) {
    this.endpoint = endpoint.address;
    this.isLocal = isLocal(endpoint, options);
    this.weight = endpoint.weight;
    this.wanted = endpoint.connections;
    this.options = options;
    this.listener = listener;
    this.outlier = new Outlier(options.clock, this);
    this.health = createHealthWatch(options, () => listener.onHealth(this));
    this.waiting = new StreamQueue(this);
  }

  /** Those that count for its share: more of them, for the same instance, are no reason for more calls. */
  get connections(): number {
    return Math.min(this.readyMembers, this.wanted);
  }

  /** Connected, and asked for its health where that is to be known. */
  get isReady(): boolean {
    return this.readyMembers > 0 && (this.health === null || this.health.isKnown);
  }

  get isServing(): boolean {
    return this.health === null || this.health.isServing;
  }

  /** In good health for longer than a trial or a silence lasts. */
  get isGood(): boolean {
    return this.isReady && this.isServing && !this.outlier.isEjected;
  }

  get capacity(): number {
    return this.weight * this.wanted;
  }

  get isHealthy(): boolean {
    if (this.suspects >= this.readyMembers) return false;
    return (this.isServing && this.outlier.isHealthy) || this.listener.isPanicking;
  }

  get outlierOptions(): OutlierOptions {
    return this.options.health.outlier;
  }

  mayEject(): boolean {
    return this.listener.mayEject(this);
  }

  onEjected(forMs: number): void {
    this.listener.onEjected(this, forMs);
  }

  onReadmitted(): void {
    this.listener.onReadmitted(this);
  }

  // What its connections tell.

  onConnectionState(member: Member, state: ConnectionState, reason: string | undefined): void {
    this.health?.use(this.members.find(({ isReady }) => isReady)?.connection ?? null);
    this.listener.onConnectionState(this, member, state, reason);
    this.serveQueue();
  }

  onSuspect(member: Member): void {
    this.listener.onSuspect(member);
  }

  get hasHealthyBeside(): boolean {
    return this.listener.hasHealthyBeside(this);
  }

  onBegan(): void {
    this.inFlight++;
    this.options.load.inFlight++;
  }

  onEnded(member: Member, startMs: number, code: Code): void {
    this.inFlight--;
    this.options.load.inFlight--;
    this.listener.onDone(this, startMs, code);
    if (member.inFlight === 0 && member.connection.state === "closed") this.listener.onDrained(member);
    if (this.hasQueue) this.serveQueue();
  }

  /** The best of its ready connections; only where one is ready. */
  choose(): Member {
    const { members } = this;
    let chosen: Member | null = null;
    for (let i = 0; i < members.length; i++) {
      const member = members[(this.nextMember + i) % members.length] as Member; // within the list
      if (!member.isReady) continue;
      if (chosen === null || member.isBetterThan(chosen)) chosen = member;
    }
    if (chosen === null) throw new Error(`no connection to ${this.endpoint} is ready`);
    this.nextMember = chosen.index + 1;
    return chosen;
  }

  // Where its connections take no more calls.

  get upstream(): string {
    return this.options.connection.upstream;
  }

  get clock(): Clock {
    return this.options.clock;
  }

  get queue(): number {
    return this.listener.queue;
  }

  get isQueueFull(): boolean {
    return this.listener.isQueueFull;
  }

  /** A place in the queue. */
  waitForRoom(): Pick {
    this.grow();
    return this.waiting;
  }

  /** Opens one more connection, unless one is about to come or there may be no more. */
  private grow(): void {
    const { members } = this;
    if (this.isClosed || members.length >= Math.max(this.wanted, this.options.maxConnections)) return;
    if (!members.every(({ isReady }) => isReady)) return;
    const member = new Member(this, members.length, this.options);
    members.push(member);
    this.options.dialler.dial(member.connection);
  }

  get hasQueue(): boolean {
    return !this.waiting.isEmpty;
  }

  roomy(): Pick | null {
    const member = this.isClosed || this.readyMembers === 0 ? null : this.choose();
    return member?.connection.hasRoom ? member : null;
  }

  onQueue(change: 1 | -1): void {
    this.listener.onQueue(change);
  }

  onQueued(waitMs: number): void {
    this.listener.onQueued(waitMs);
  }

  /** An attempt has ended, or a connection is another now. */
  serveQueue(): void {
    if (this.readyMembers > 0) this.waiting.serve();
    else this.waiting.dissolve();
    if (this.hasQueue) this.grow();
  }

  /** Closes a connection that was one too many for a while. */
  endInterval(): void {
    this.outlier.endInterval();
    const last = this.members.at(-1);
    if (last === undefined || this.members.length <= this.wanted || last.inFlight > 0) {
      this.idleIntervals = 0;
      return;
    }
    this.idleIntervals++;
    if (this.idleIntervals < IDLE_INTERVALS) return;
    this.idleIntervals = 0;
    this.members.pop();
    last.connection.close();
  }

  /** Connected, or about to be: no try has failed. */
  get mayServe(): boolean {
    return this.members.some(({ connection: { state } }) => state === "ready" || state === "connecting");
  }

  /** Takes over what the list says now; the connections that are too many are given back, closed. */
  update(endpoint: Endpoint): Member[] {
    this.weight = endpoint.weight;
    // Those beyond what was wanted were opened because they were needed.
    const extra = Math.max(0, this.members.length - this.wanted);
    this.wanted = endpoint.connections;
    const surplus = this.members.splice(endpoint.connections + extra);
    for (const member of surplus) member.connection.close();
    while (this.members.length < endpoint.connections) {
      this.members.push(new Member(this, this.members.length, this.options));
    }
    // Discovery names the address (anew): the instance may just have come back.
    for (const member of this.members) this.options.dialler.dial(member.connection);
    return surplus;
  }

  close(): Member[] {
    this.isClosed = true;
    this.outlier.close();
    this.health?.close();
    this.waiting.dissolve();
    const closed = this.members.splice(0);
    for (const member of closed) member.connection.close();
    return closed;
  }
}

/** Whether an endpoint is in the gateway's own zone. */
export function isLocal({ zone }: Endpoint, gateway: { readonly zone: string }): boolean {
  return gateway.zone !== "" && zone === gateway.zone;
}

function createHealthWatch({ health, connection, clock, random }: InstanceOptions, onChange: () => void) {
  if (health.check === null) return null;
  const { service } = health.check;
  return new HealthWatch({ service, firstWordMs: connection.connectTimeoutMs, clock, random, onChange });
}
