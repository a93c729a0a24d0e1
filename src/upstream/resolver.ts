/** One address of an upstream, as discovery tells it. */
export interface Endpoint {
  /** `host:port`, IPv6 in brackets; unique within a list. */
  readonly address: string;
  /** How many connections to keep, at least 1; traffic is shared in proportion. */
  readonly connections: number;
  /** Relative share; 1 where nothing is said. 0 is like not being in the list, but on purpose. */
  readonly weight: number;
  /** "" where nothing is said. */
  readonly zone: string;
}

export interface ResolverListener {
  /** The whole current list. An instance not in it takes no new calls; those in flight end by themselves. */
  onEndpoints(endpoints: readonly Endpoint[]): void;
  /** Discovery does not work now; the last list stays in force. Told once per change, not per try. */
  onTrouble(reason: string): void;
  /** Discovery works again; a current list was or will be told. */
  onRecovered(): void;
}

/** What upstream/ wants of discovery: tells endpoints from `start` to `close`. */
export interface Resolver {
  start(listener: ResolverListener): void;
  /** An instance of the last list cannot be reached: look anew, where that can tell more. May be called often. */
  refresh?(): void;
  close(): void;
}
