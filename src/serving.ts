import type { UpstreamReadiness, WorkerCount } from "./admin/server.ts";
import type { LoadedRoutes } from "./load-routes.ts";

/** What serves requests: this process itself, or worker processes. */
export interface Serving {
  /** `http://127.0.0.1:8080`; known once open. */
  readonly address: string;
  readonly port: number;
  /** Opens the client port; once. Throws ADDRESS_IN_USE where it is taken, and holds nothing then. */
  open(loaded: LoadedRoutes): Promise<void>;
  /** Serves what comes from now on by another snapshot. Throws where that cannot be made: the old one stays. */
  apply(loaded: LoadedRoutes): Promise<void>;
  readiness(): Promise<ServingReadiness>;
  /** Counts a reload. */
  reloaded(ok: boolean): void;
  /** The exposition format of Prometheus. */
  exposeMetrics(): Promise<{ contentType: string; text: string }>;
  /** No new connections; requests in flight finish within the limit; then everything is closed. */
  drain(limitMs: number): Promise<void>;
  /** Ends other processes at once, for one that is about to end itself. */
  kill(): void;
}

export interface ServingReadiness {
  readonly ready: boolean;
  readonly upstreams: readonly UpstreamReadiness[];
  /** Where there are worker processes. */
  readonly workers?: WorkerCount;
}
